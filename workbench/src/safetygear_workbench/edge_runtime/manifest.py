"""Deployment templates, rendered as `iotedgedev genconfig` does, but with an error where it would pass text through.

Source of the rules: iotedgedev 3.3.9. `$NAME` and `${NAME}` come from the environment, then from `.env`;
`${MODULES.<folder>[.<platform>|.debug]}` and `${MODULEDIR<folder>[.<platform>]}` stand for an image and must be the
whole string. Unlike genconfig, which replaces in the file's text, values are replaced in the parsed document: a
quotation mark in a value can't break it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetygear.errors import UserError

Json = Any
_VARIABLE = re.compile(r"\$(?:\{(?P<braced>[A-Za-z_][A-Za-z0-9_]*)\}|(?P<plain>[A-Za-z_][A-Za-z0-9_]*))")
_MODULES = re.compile(r"\$\{MODULES\.(?P<folder>[^.}]+)(?:\.(?P<variant>[^}]+))?\}")
_MODULEDIR = re.compile(r"\$\{MODULEDIR<(?P<folder>[^>]+)>(?:\.(?P<variant>[^}]+))?\}")
_ROUTES = "$edgeHub.properties.desired.routes."
_QUOTED = re.compile(r"""(?P<quote>['"])(?P<text>.*?)(?P=quote)\s*(?:#.*)?""")
_ENV_LINE = re.compile(r"(?:export\s+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s*=\s*(?P<value>.*)")


@dataclass(frozen=True)
class Image:
    """An image this repository builds: where its module.json is, and the Python package that it runs."""

    folder: str
    """Relative to the manifest's folder: `modules/capture`, or `.` for the workbench."""
    tag: str

    @property
    def package(self) -> str:
        return "safetygear_workbench" if self.folder == "." else f"safetygear_{Path(self.folder).name}"


@dataclass(frozen=True)
class Manifest:
    """A rendered deployment: `content` as edgeAgent gets it, but with createOptions as objects."""

    content: dict[str, Json]
    images: tuple[Image, ...]
    """Those of its images that this repository builds."""


def load_manifest(path: Path, environ: Mapping[str, str], *, platform: str = "amd64") -> Manifest:
    """Read and render a template or a generated deployment.

    Raises UserError naming the file and the field (broken JSON: line and column).
    """
    document = _read_json(path, "the manifest")
    root = solution_folder(path)
    variables = {**_read_env_file(root), **environ}
    folders = {".": root} | {
        f"modules/{found.parent.name}": found.parent for found in root.glob("modules/*/module.json")
    }
    sources = {
        folder: _read_json(place / "module.json", "the image manifest")
        for folder, place in folders.items()
        if (place / "module.json").is_file()
    }
    try:
        return render(document, sources, variables, platform=platform)
    except UserError as exc:
        raise UserError(f"{path}: {exc}", code=exc.code) from exc


def solution_folder(manifest: Path) -> Path:
    """Where modules/ lies: the manifest's folder; its parent for what genconfig wrote into config/."""
    folder = manifest.resolve().parent
    return folder.parent if folder.name == "config" and not (folder / "modules").is_dir() else folder


def render(
    template: Json, sources: Mapping[str, Json], variables: Mapping[str, str], *, platform: str = "amd64"
) -> Manifest:
    """Pure. `sources`: the parsed module.json by folder. Raises UserError naming the field."""
    images = {folder: _image(folder, source, variables, platform) for folder, source in sources.items()}
    content = _render(template, "", images, variables)
    modules_content = content.get("modulesContent") if isinstance(content, dict) else None
    if not isinstance(modules_content, dict):
        raise UserError("there is no object modulesContent.", hint="Is it a deployment manifest?")
    for part in ("$edgeAgent", "$edgeHub"):
        desired = modules_content.get(part)
        if not isinstance(desired, dict) or not isinstance(desired.get("properties.desired"), dict):
            raise UserError(f"modulesContent.{part}.properties.desired is missing or no object.")
    content.pop("$schema-template", None)
    return Manifest(content, tuple(images.values()))


def parse_env_file(text: str) -> dict[str, str]:
    """NAME=value lines; comments, also after a value, `export` and one pair of surrounding quotes are dropped."""
    found: dict[str, str] = {}
    for line in text.removeprefix("\ufeff").splitlines():
        match = _ENV_LINE.fullmatch(line.strip())
        if match is None:
            continue
        quoted = _QUOTED.fullmatch(match["value"])
        # As dotenv, which iotedgedev reads it with: a comment needs a space before it.
        found[match["name"]] = quoted["text"] if quoted else re.sub(r"\s+#.*", "", match["value"]).strip()
    return found


def _render(value: Json, path: str, images: Mapping[str, Image], variables: Mapping[str, str]) -> Json:
    if isinstance(value, dict):
        return {
            key: _render(below, f"{path}.{key}" if path else key, images, variables) for key, below in value.items()
        }
    if isinstance(value, list):
        return [_render(below, f"{path}[{index}]", images, variables) for index, below in enumerate(value)]
    if not isinstance(value, str):
        return value
    if match := _MODULES.fullmatch(value):
        return _named_image(f"modules/{match['folder']}", value, path, images)
    if match := _MODULEDIR.fullmatch(value):
        return _named_image(str(Path(match["folder"])), value, path, images)
    if "${MODULES." in value or "${MODULEDIR<" in value:
        raise UserError(f"{path} is {value!r}:", hint="${MODULES.…} must be the whole string.")

    def variable(match: re.Match[str]) -> str:
        name = match["braced"] or match["plain"]
        # The route language has words of its own with a dollar: $upstream, $body, $connectionModuleId.
        if name == "upstream" or (name not in variables and _ROUTES in path):
            return match[0]
        if name not in variables:
            raise UserError(f"{path} uses ${name}, which is not set.", hint="Set it in .env (see .env.example).")
        return variables[name]

    return _VARIABLE.sub(variable, value)


def _named_image(folder: str, text: str, path: str, images: Mapping[str, Image]) -> str:
    if folder not in images:
        known = ", ".join(sorted(images)) or "none"
        raise UserError(f"{path} is {text!r}, but there is no {folder}/module.json.", hint=f"There are: {known}.")
    return images[folder].tag


def _image(folder: str, source: Json, variables: Mapping[str, str], platform: str) -> Image:
    try:
        image = source["image"]
        repository, version = image["repository"], image["tag"]["version"]
        platforms = image["tag"]["platforms"]
    except (KeyError, TypeError) as exc:
        raise UserError(f"{folder}/module.json has no image.repository and image.tag.{{version, platforms}}.") from exc
    if platform not in platforms:
        raise UserError(f"{folder}/module.json has no Dockerfile for {platform} in image.tag.platforms.")
    repository = str(_render(repository, f"{folder}/module.json image.repository", {}, variables)).lower()
    extra = variables.get("CONTAINER_TAG", "")
    return Image(folder, f"{repository}:{version}{f'-{extra}' if extra else ''}-{platform}")


def _read_env_file(folder: Path) -> dict[str, str]:
    """`.env`, or the example: the stand-in pulls nothing, so any registry's name does."""
    for name in (".env", ".env.example"):
        try:
            return parse_env_file((folder / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as exc:
            raise UserError(f"{folder / name} can't be read: {exc}.") from exc
    return {}


def _read_json(path: Path, what: str) -> Json:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as exc:
        raise UserError(f"{what} {path} does not exist.", hint="Name one with --manifest.") from exc
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is not UTF-8 text"
        raise UserError(f"{what} {path} can't be read: {reason}.") from exc
    try:
        return json.loads(text)
    except json.JSONDecodeError as exc:
        raise UserError(f"{what} {path} is not JSON: {exc.msg} at line {exc.lineno}, column {exc.colno}.") from exc
    except RecursionError as exc:
        raise UserError(f"{what} {path} is nested too deeply.") from exc
