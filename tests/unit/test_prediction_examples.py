"""The examples for Azure Container Instances and AKS fit the image: its name, user, port, variables and paths."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

from safetygear.environment import Variables
from safetygear_inference.prediction.routes import PAGES
from safetygear_inference.prediction.serve import PLAIN_KEY
from safetygear_inference.prediction.settings import LISTEN, read_settings

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"
MODULE = ROOT / "modules" / "inference"


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((EXAMPLES / name).read_text(encoding="utf-8")))


def image() -> str:
    """Its name and tag, without the registry's."""
    described = json.loads((MODULE / "module.json").read_text())["image"]
    repository = described["repository"].rpartition("/")[2]
    return f"{repository}:{described['tag']['version']}-amd64"


def dockerfile(instruction: str) -> str:
    lines = re.findall(rf"^{instruction} (.*)$", (MODULE / "Dockerfile.amd64").read_text(), re.MULTILINE)
    return str(lines[-1])


def port_of(environment: dict[str, str]) -> int:
    listen = read_settings(Variables(environment), listen="off").listen
    assert listen is not None
    assert (listen.host, listen.is_loopback) == ("0.0.0.0", False)
    assert listen.port > 1023, "its user may not have a lower one everywhere"
    return listen.port


def test_container_instances() -> None:
    (group,) = documents("prediction-aci.yaml")
    (container,) = group["properties"]["containers"]
    of_it = container["properties"]
    assert of_it["image"].rpartition("/")[2] == image()
    assert of_it["command"] == [*json.loads(dockerfile("ENTRYPOINT")), "serve"]
    variables = {one["name"]: one for one in of_it["environmentVariables"]}
    assert set(variables) == {LISTEN, PLAIN_KEY}
    assert set(variables[PLAIN_KEY]) == {"name", "secureValue"}
    port = port_of({LISTEN: variables[LISTEN]["value"]})
    address = group["properties"]["ipAddress"]
    assert address["type"] == "Private", "the key would go through the internet in the clear"
    for ports in (address["ports"], of_it["ports"]):
        assert ports == [{"protocol": "TCP", "port": port}]
    for probe in ("livenessProbe", "readinessProbe"):
        asked = of_it[probe]["httpGet"]
        assert (asked["port"], asked["scheme"]) == (port, "http")
        assert asked["path"] in {page.path for page in PAGES}


def test_kubernetes() -> None:
    deployment, service = documents("prediction-aks.yaml")
    pod = deployment["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    assert container["image"].rpartition("/")[2] == image()
    assert container["args"] == ["serve"]
    assert "command" not in container, "the image's entrypoint"
    variables = {one["name"]: one for one in container["env"]}
    assert set(variables) == {LISTEN, PLAIN_KEY}
    assert "value" not in variables[PLAIN_KEY]
    port = port_of({LISTEN: variables[LISTEN]["value"]})
    assert container["ports"] == [{"name": "http", "containerPort": port}]
    assert service["spec"]["ports"][0]["targetPort"] == "http"
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"]["port"] == "http"
        assert container[probe]["httpGet"]["path"] in {page.path for page in PAGES}
    uid, gid = dockerfile("USER").split(":")
    of_pod, of_container = pod["spec"]["securityContext"], container["securityContext"]
    assert (of_pod["runAsUser"], of_pod["runAsGroup"], of_pod["runAsNonRoot"]) == (int(uid), int(gid), True)
    assert of_container["capabilities"] == {"drop": ["ALL"]}
    assert (of_container["readOnlyRootFilesystem"], of_container["allowPrivilegeEscalation"]) == (True, False)
    labels = deployment["spec"]["selector"]["matchLabels"]
    assert pod["metadata"]["labels"].items() >= labels.items()
    assert service["spec"]["selector"] == labels
    assert container["resources"]["limits"]["memory"] == "1Gi"
