"""Templates rendered, modules specified, processes planned."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from safetygear.errors import UserError
from safetygear_workbench.edge_runtime.manifest import Image, Manifest, load_manifest, parse_env_file, render
from safetygear_workbench.edge_runtime.module_specs import ModuleSpec, Mount, module_specs
from safetygear_workbench.edge_runtime.process_plan import (
    Folders,
    ProcessPlan,
    on_loopback,
    plan_modules,
    secrets_folder,
)

REPO = Path(__file__).resolve().parents[2]
SOURCE = {
    "image": {"repository": "${REGISTRY}/SafetyGear-Capture", "tag": {"version": "1.2", "platforms": {"amd64": "D"}}}
}
SOURCES = {"modules/capture": SOURCE, ".": SOURCE}
VARIABLES = {"REGISTRY": "r.example", "TTL": "7"}


def template(modules: Any = None, routes: Any = None, **content: Any) -> dict[str, Any]:
    return {
        "$schema-template": "4.0.0",
        "modulesContent": {
            "$edgeAgent": {"properties.desired": {"modules": modules or {}}},
            "$edgeHub": {"properties.desired": {"routes": routes or {}}},
            **content,
        },
    }


def rendered(value: Any, **variables: str) -> Any:
    manifest = render(template(x={"properties.desired": {"v": value}}), SOURCES, VARIABLES | variables)
    return manifest.content["modulesContent"]["x"]["properties.desired"]["v"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("${MODULES.capture}", "r.example/safetygear-capture:1.2-amd64"),
        ("${MODULES.capture.debug}", "r.example/safetygear-capture:1.2-amd64"),
        ("${MODULEDIR<.>}", "r.example/safetygear-capture:1.2-amd64"),
        ("${MODULEDIR<./modules/capture>}", "r.example/safetygear-capture:1.2-amd64"),
        ("${REGISTRY}:$TTL", "r.example:7"),
        ("$upstream", "$upstream"),
        ("50 $ and 5$", "50 $ and 5$"),
        (["$TTL", {"a": "$TTL"}], ["7", {"a": "7"}]),
        (5, 5),
        (None, None),
    ],
)
def test_placeholders(value: Any, expected: Any) -> None:
    assert rendered(value) == expected


def test_a_value_cannot_break_the_document() -> None:
    assert rendered("$TTL", TTL='", "x": "') == '", "x": "'


def test_the_tag_may_carry_the_build() -> None:
    assert rendered("${MODULES.capture}", CONTAINER_TAG="b7") == "r.example/safetygear-capture:1.2-b7-amd64"


def test_words_of_the_route_language_stay() -> None:
    route = "FROM /messages/* WHERE $body.x = 1 AND $connectionModuleId = '$TTL' INTO $upstream"
    routes = render(template(routes={"r": route}), {}, VARIABLES).content["modulesContent"]["$edgeHub"]
    assert routes["properties.desired"]["routes"]["r"] == route.replace("$TTL", "7")


@pytest.mark.parametrize(
    ("value", "part"),
    [
        ("$NOT_SET", "modulesContent.x.properties.desired.v uses $NOT_SET, which is not set. Set it in .env"),
        ("${MODULES.nothing}", "there is no modules/nothing/module.json. There are: ., modules/capture."),
        ("x ${MODULES.capture}", "must be the whole string"),
    ],
)
def test_what_cannot_be_rendered_is_named(value: str, part: str) -> None:
    with pytest.raises(UserError) as caught:
        rendered(value)
    assert part in str(caught.value)


@pytest.mark.parametrize(
    ("document", "part"),
    [
        ([], "no object modulesContent"),
        ({"modulesContent": []}, "no object modulesContent"),
        ({"modulesContent": {"$edgeAgent": {}}}, "modulesContent.$edgeAgent.properties.desired"),
    ],
)
def test_what_is_no_deployment(document: Any, part: str) -> None:
    with pytest.raises(UserError) as caught:
        render(document, {}, {})
    assert part in str(caught.value)


@pytest.mark.parametrize("source", [{}, {"image": {"repository": "r", "tag": {}}}, [], {"image": 3}])
def test_a_broken_module_json(source: Any) -> None:
    with pytest.raises(UserError, match=r"modules/capture/module\.json has no image\.repository"):
        render(template(), {"modules/capture": source}, {})


def test_a_platform_without_a_dockerfile() -> None:
    with pytest.raises(UserError, match="no Dockerfile for riscv"):
        render(template(), SOURCES, VARIABLES, platform="riscv")


def test_env_files() -> None:
    text = '# comment\nA=1\nexport B = two words \nC=\'q="x"\'\nD=\nnot a line\n1E=x\nF="a\n'
    assert parse_env_file(text) == {"A": "1", "B": "two words", "C": 'q="x"', "D": "", "F": '"a'}


def test_env_files_as_dotenv_reads_them() -> None:
    # A file that Notepad saved, and comments behind values; a password may begin with #.
    text = "\ufeffA=1 # c\nB=\"x # y\" # c\nE=a#b\nH=#c # d\nI= 'q'   \n"
    assert parse_env_file(text) == {"A": "1", "B": "x # y", "E": "a#b", "H": "#c", "I": "q"}


def test_files_and_what_is_wrong_with_them(tmp_path: Path) -> None:
    path = tmp_path / "deployment.template.json"
    with pytest.raises(UserError, match=r"does not exist\. Name one with --manifest"):
        load_manifest(path, {})
    for content, part in (
        (b"{\n  bad", "line 2, column 3"),
        (b"\xff", "not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
    ):
        path.write_bytes(content)
        with pytest.raises(UserError) as caught:
            load_manifest(path, {})
        assert part in str(caught.value) and "\n" not in str(caught.value)
    path.write_text(json.dumps(template(x={"properties.desired": {"v": "$A"}})))
    (tmp_path / ".env").write_text("A=from the file\n")
    assert load_manifest(path, {}).content["modulesContent"]["x"]["properties.desired"]["v"] == "from the file"
    assert load_manifest(path, {"A": "env"}).content["modulesContent"]["x"]["properties.desired"]["v"] == "env"


def test_a_generated_deployment_in_config_finds_its_solution(tmp_path: Path) -> None:
    module = tmp_path / "modules" / "capture" / "module.json"
    module.parent.mkdir(parents=True)
    module.write_text(json.dumps(SOURCE))
    generated = tmp_path / "config" / "deployment.amd64.json"
    generated.parent.mkdir()
    generated.write_text(json.dumps(template()))
    assert [image.folder for image in load_manifest(generated, VARIABLES).images] == ["modules/capture"]


CAPTURE = Image("modules/capture", "r.example/safetygear-capture:1.2-amd64")
INFERENCE = Image("modules/inference", "r.example/safetygear-inference:1.2-amd64")


def specs(modules: Any) -> tuple[ModuleSpec, ...]:
    return module_specs(Manifest(template(modules), (CAPTURE, INFERENCE)))


def module(image: str = CAPTURE.tag, options: Any = None, **fields: Any) -> dict[str, Any]:
    return {"settings": {"image": image, "createOptions": options or {}}, **fields}


def test_a_module_with_everything() -> None:
    options = {
        "Cmd": ["serve", "x"],
        "Env": ["A=image", "B=2=2"],
        "HostConfig": {
            "Mounts": [
                {"Type": "volume", "Source": "frames", "Target": "/frames",
                 "VolumeOptions": {"DriverConfig": {"Options": {"type": "tmpfs"}}}},
                {"Type": "volume", "Source": "data", "Target": "/data"},
                {"Type": "tmpfs", "Target": "/scratch"},
                {"Type": "bind", "Source": "/etc/x", "Target": "/x"},
            ],
            "Binds": ["/dev/shm/app:/shm", "/etc/y:/y:ro", "named:/z"],
        },
    }  # fmt: skip
    entry = module(options=options, env={"A": {"value": "manifest"}}, restartPolicy="on-failure", startupOrder=3)
    [spec] = specs({"capture": entry})
    assert spec == ModuleSpec(
        "capture", CAPTURE, CAPTURE.tag, ("serve", "x"), {"A": "manifest", "B": "2=2"},
        (Mount("frames", "/frames", "tmpfs-volume"), Mount("data", "/data", "volume"),
         Mount("/scratch", "/scratch", "tmpfs-volume"), Mount("/etc/x", "/x", "bind"),
         Mount("/dev/shm/app", "/shm", "tmpfs-volume"), Mount("/etc/y", "/y", "bind"), Mount("named", "/z", "volume")),
        "on-failure", True, 3,
    )  # fmt: skip


def test_order_status_and_foreign_images() -> None:
    found = specs({"z": module("other:1"), "b": module(startupOrder=2), "a": module(startupOrder=1, status="stopped")})
    assert [(spec.id, spec.running, spec.image is not None) for spec in found] == [
        ("a", False, True), ("b", True, True), ("z", True, False),
    ]  # fmt: skip


def test_create_options_as_genconfig_writes_them() -> None:
    text = json.dumps({"Cmd": ["x"] * 200, "Env": ["A=1"]})
    pieces = [text[start : start + 512] for start in range(0, len(text), 512)]
    assert len(pieces) > 1
    settings = {"image": "elsewhere.example/x/safetygear-capture:9", "createOptions": pieces[0]}
    settings |= {f"createOptions{index:02}": piece for index, piece in enumerate(pieces[1:], 1)}
    [spec] = specs({"capture": {"settings": settings}})
    assert (len(spec.arguments), spec.env, spec.image) == (200, {"A": "1"}, CAPTURE)


@pytest.mark.parametrize(
    ("modules", "part"),
    [
        ([], "modules must be an object"),
        ({"a b": module()}, "module ids of A-Z"),
        ({"..": module()}, "module ids of A-Z"),
        ({"m": 3}, "m.settings.image must be a string"),
        ({"m": {"settings": {"image": 3}}}, "m.settings.image must be a string"),
        ({"m": module(restartPolicy="sometimes")}, "m.restartPolicy is 'sometimes': use always,"),
        ({"m": module(status="paused")}, "m.status is 'paused'"),
        ({"m": module(startupOrder=-1)}, "m.startupOrder is -1"),
        ({"m": module(startupOrder=True)}, "m.startupOrder is True"),
        ({"m": module(options={"Cmd": "x"})}, "createOptions.Cmd must be a list"),
        ({"m": module(options=[1])}, "createOptions must be an object"),
        ({"m": module(options="{x")}, "createOptions is not JSON"),
        ({"m": module(env=[1])}, "m.env must be an object"),
        ({"m": module(env={"A": {"value": True}})}, "m.env.A.value must be a string"),
        ({"m": module(env={"A": "x"})}, "m.env.A.value must be a string"),
        ({"m": module(options={"HostConfig": [1]})}, "HostConfig must be an object"),
        ({"m": module(options={"HostConfig": {"Mounts": [{"Type": "bind"}]}})}, "Mounts[0] needs Type"),
        ({"m": module(options={"HostConfig": {"Mounts": ["x"]}})}, "Mounts[0] needs Type"),
        ({"m": module(options={"HostConfig": {"Binds": ["x"]}})}, "Binds[0] is 'x'"),
    ],
)
def test_each_mistake_names_its_field(modules: Any, part: str) -> None:
    with pytest.raises(UserError) as caught:
        module_specs(
            Manifest({**template(), "modulesContent": {"$edgeAgent": {"properties.desired": {"modules": modules}}}}, ())
        )
    assert part in str(caught.value) and "\n" not in str(caught.value)


FOLDERS = Folders(Path("/state"), Path("/memory"), Path("/solution"))


def plans(*modules: ModuleSpec, usable: bool = True, page_port: int = 8080) -> list[ProcessPlan]:
    ports = iter(range(40000, 40100))
    return list(
        plan_modules(modules, FOLDERS, python="python", page_port=page_port, free_port=lambda: next(ports),
                     usable_secret=lambda reference: usable)
    )  # fmt: skip


def spec(name: str = "inference", image: Image | None = INFERENCE, **changes: Any) -> ModuleSpec:
    given: dict[str, Any] = {
        "id": name, "image": image, "image_name": "x", "arguments": (), "env": {}, "mounts": (),
        "restart_policy": "always", "running": True, "startup_order": 1,
    }  # fmt: skip
    return ModuleSpec(**{**given, **changes})


def test_container_paths_become_folders_of_this_machine() -> None:
    mounts = (
        Mount("safetygear-frames", "/frames", "tmpfs-volume"),
        Mount("data", "/data", "volume"),
        Mount("deeper", "/data/deeper", "volume"),
        Mount("/etc/safetygear/secrets", "/secrets", "bind"),
    )
    env = {
        "SAFETYGEAR_FRAMES_DIR": "/frames", "SAFETYGEAR_DATA_DIR": "/data/x", "DEEP": "/data/deeper/y",
        "MODELS_DIR": "/app/models", "SAFETYGEAR_SECRETS_DIR": "/secrets", "OTHER": "/database", "TEXT": "no path",
    }  # fmt: skip
    made = spec(mounts=mounts, env=env)
    [plan] = plans(made)
    assert {name: plan.env[name] for name in env} == {
        "SAFETYGEAR_FRAMES_DIR": "/memory/safetygear-frames", "SAFETYGEAR_DATA_DIR": "/state/volumes/data/x",
        "DEEP": "/state/volumes/deeper/y", "MODELS_DIR": "/solution/modules/inference/models",
        "SAFETYGEAR_SECRETS_DIR": "/state/secrets", "OTHER": "/database", "TEXT": "no path",
    }  # fmt: skip
    assert plan.folders == (
        "/memory/safetygear-frames",
        "/state/volumes/data",
        "/state/volumes/deeper",
        "/state/secrets",
    )
    assert secrets_folder([made], FOLDERS) == Path("/state/secrets")
    assert secrets_folder([], FOLDERS) == Path("/state/secrets")


def test_two_instances_have_their_own_ports_on_loopback() -> None:
    first, second = plans(spec("one", env={"SAFETYGEAR_PAGE_LISTEN": "0.0.0.0:8080"}), spec("two"))
    assert first.listens["page"] == "127.0.0.1:8080"
    listens = [*first.listens.values(), *second.listens.values()]
    assert len(set(listens)) == 4 and all(listen.startswith("127.0.0.1:") for listen in listens)
    assert first.env["SAFETYGEAR_METRICS_LISTEN"] == first.listens["metrics"]


def test_what_is_stopped_or_foreign_is_not_planned() -> None:
    assert plans(spec(running=False), spec(image=None)) == []


def test_a_page_token_that_is_not_there_is_left_out() -> None:
    env = {"SAFETYGEAR_PAGE_TOKEN": "file:page-token"}
    assert plans(spec(env=env))[0].env["SAFETYGEAR_PAGE_TOKEN"] == "file:page-token"
    assert "SAFETYGEAR_PAGE_TOKEN" not in plans(spec(env=env), usable=False)[0].env


def test_commands_listen_on_loopback_and_plans_survive_json() -> None:
    [plan] = plans(
        spec("cam", Image(".", "x"), arguments=("camera", "serve", "--listen", "0.0.0.0"), restart_policy="never")
    )
    assert plan.command == ("python", "-m", "safetygear_workbench", "camera", "serve", "--listen", "127.0.0.1")
    assert plan.restart_policy == "never"
    assert ProcessPlan.from_json(json.loads(json.dumps(plan.as_json()))) == plan


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("rtsp://sitecamera:8554/x", "rtsp://127.0.0.1:8554/x"),
        ("rtsp://u@sitecamera/x", "rtsp://u@127.0.0.1/x"),
        ("rtsp://sitecamera2/x", "rtsp://sitecamera2/x"),
        ("rtsp://other/sitecamera/x", "rtsp://other/sitecamera/x"),
        ("sitecamera", "sitecamera"),
        ({"a": ["rtsp://sitecamera"]}, {"a": ["rtsp://127.0.0.1"]}),
        (3, 3),
    ],
)
def test_a_modules_name_as_host_is_loopback(content: Any, expected: Any) -> None:
    assert on_loopback(content, ["sitecamera"]) == expected


@pytest.mark.parametrize("name", ["deployment.template.json", "deployment.demo.template.json"])
def test_the_repositorys_own_templates_can_be_planned(name: str) -> None:
    manifest = load_manifest(REPO / name, {})
    found = module_specs(manifest)
    planned = plans(*found)
    assert {"capture", "inference"} <= {plan.name for plan in planned}
    assert len({listen for plan in planned for listen in plan.listens.values()}) == sum(len(p.listens) for p in planned)
