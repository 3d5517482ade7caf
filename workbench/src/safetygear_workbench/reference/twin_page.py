"""docs/twin.md. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from safetygear.camera_reasons import EXPLANATIONS
from safetygear.secret_references import ENVIRONMENT_PREFIX, MAX_SECRET_BYTES
from safetygear.twin.describing import describe
from safetygear.twin.reading import FieldError, read_desired
from safetygear_workbench.reference.fields import rows
from safetygear_workbench.reference.markdown import NOTICE, code, json_block, page, table
from safetygear_workbench.reference.twin_catalogue import (
    LATER_CODES,
    MISTAKES,
    STATE_MEANINGS,
    TwinEntry,
)


def twin_page(entries: tuple[TwinEntry, ...]) -> str:
    """The whole page."""
    return page(
        NOTICE,
        "# Module twins",
        _INTRODUCTION,
        _MISTAKES,
        _mistakes(),
        _SECRETS,
        *(_section(entry) for entry in entries),
        _camera_states(),
    )


def mistake(kind: type[msgspec.Struct], desired: Mapping[str, Any]) -> FieldError:
    """The error that reading such desired properties gives."""
    return read_desired(kind, dict(desired), last_good=None).errors[0]


def twin_schema_file(module: str) -> str:
    """`safetygear.capture.twin.1.json`."""
    return f"safetygear.{module}.twin.1.json"


def paths_of(document: Any, described: Mapping[str, str], prefix: str = "") -> list[str]:
    """Every path in a reported document, with `<id>` for a key where the descriptions say so."""
    found = []
    for key, value in document.items():
        path = f"{prefix}{key}"
        if path not in described and any(name.startswith(f"{prefix}<id>") for name in described):
            path = f"{prefix}<id>"
        else:
            found.append(path)
        if isinstance(value, dict):
            found += paths_of(value, described, f"{path}.")
    return found


def _section(entry: TwinEntry) -> str:
    schema = f"schemas/{twin_schema_file(entry.module)}"
    return page(
        f"## {entry.module}",
        f"### Desired properties of {entry.module}",
        json_block(entry.example),
        _desired_table(entry.kind),
        f"JSON Schema of the whole (a patch may leave out what it does not change): [{schema}]({schema})",
        f"### Patches for {entry.module}",
        *(f"{wanted}:\n\n{json_block(patch)}" for wanted, patch in entry.patches),
        f"### Reported properties of {entry.module}",
        json_block(entry.reported),
        table(("path", "meaning"), [(code(path), text) for path, text in entry.reported_meanings.items()]),
    )


def _desired_table(kind: type[msgspec.Struct]) -> str:
    defaults = {field.path: field.default for field in describe(kind)}
    return table(
        ("property", "type and limits", "unit", "default", "meaning"),
        [(code(row.path), row.form(), row.unit, _shown_default(defaults[row.path]), row.meaning) for row in rows(kind)],
    )


def _shown_default(default: str) -> str:
    return default if default in ("", "required") else code(default)


def _mistakes() -> str:
    shown = []
    for expected, kind, desired in MISTAKES:
        error = mistake(kind, desired)
        assert error.code == expected, error
        shown.append((code(error.code), code(json.dumps(desired)), code(error.path), error.message))
    listed = "\n".join(f"- {code(name)}: {text}" for name, text in LATER_CODES.items())
    return page(table(("code", "you write", "path", "message"), shown), f"Besides:\n\n{listed}")


def _camera_states() -> str:
    return page(
        "## Camera states",
        table(("state", "meaning"), [(code(state), text) for state, text in STATE_MEANINGS.items()]),
        "The reason beside the state is one of:",
        table(("reason", "meaning"), [(code(reason), text) for reason, text in EXPLANATIONS.items()]),
    )


_INTRODUCTION = """\
A module's desired properties are its configuration; its reported properties say how that was taken and how the module
is. Both are in the *module* twin (`az iot hub module-twin show --hub-name HUB --device-id DEVICE --module-id capture`),
and `safetygear twin get` and `safetygear twin set` show and change them, on the stand-in runtime and on a real hub.

- A patch changes what it names and leaves the rest: `{"cameras": {"gate-2": {"analysedFps": 2}}}` touches one number.
- `null` removes: a camera (`{"cameras": {"gate-2": null}}`), or a property, which then has its default again.
- Cameras are objects keyed by id (1 to 64 of `A-Z a-z 0-9 _ -`), never a list: a patch would replace a list whole.
- A deployment's desired properties *replace* those in the twin, and an automatic deployment does so again and again.
  The fleet's manifest therefore names no cameras: a site's come by patch or layered deployment
  ([deploy.md](deploy.md)).
- A change takes effect while the module runs. Nothing is restarted but the cameras whose configuration changed.
- IoT Hub keeps 32 KB of reported properties. On a site with so many cameras that more would be needed, they are
  shortened: `shortened.leftOut` says by what (`camera-details`, `errors`, `cameras-well`, `cameras`, in this order),
  `shortened.camerasLeftOut` how many cameras are missing. The method `getStatus`
  ([methods.md](methods.md)) tells everything all the same."""

_MISTAKES = """\
## When something is wrong

Each property is judged alone. One that can't be used becomes an entry in `reported.config.errors` and keeps its last
good value (a camera as a whole: its last good configuration); without one it has its default, and a new camera is left
out. Nothing else is affected. An error is {`path`, `code`, `message`}; no message repeats what may be a secret.

What is in force is kept on the module's disk (`/data/last-good-twin.json`), so the same holds after a restart, a power
cut or an update: what is still wrong then has the value it had in force before, and its error's message ends with "the
last good value, of an earlier run, is in force". What the new run can't use of the file is left out, each value alone;
a file that is damaged, has another layout or was kept by another device or module is ignored, with one line in the log
(`safetygear_…_last_good_twin_total` counts all of it). Where it can't be written, the module goes on and has the
problem `twin`. Put a mistake right all the same: whoever loses the volume begins without last good values.

A module that starts and is not told its twin within 10 s begins with what is kept, reads on every 10 s, and answers
`getStatus` with the error `twin-unread` until it has it; nothing is reported meanwhile. That happens where edgeHub does
not answer, or is without an uplink and has lost its own store: it then tells an empty twin, which is taken for none.
edgeHub itself must be there: frames go through it. A module waits five minutes for it, then ends and is started
again."""

_SECRETS = f"""\
## Secrets

No password or token stands in a twin: everybody who may read the hub could read it. A property that needs one holds a
reference, and the module reads the secret on the device:

- `file:<name>`: a regular file of that name directly in the secrets folder (`/etc/safetygear/secrets` on the device),
  at most {MAX_SECRET_BYTES} bytes of UTF-8. A final line break is dropped.
- `env:{ENVIRONMENT_PREFIX}<NAME>`: a variable of the module's environment with that prefix.

No other file or variable can be named, so whoever may write the twin can't send one as a password to a camera of his
own. A secret is read at each attempt to connect: a file put right works without a restart. One that is missing or can't
be read is the camera's reason (`secret-missing`, `secret-unreadable`). Secrets are masked in logs, reported properties
and on the page.

What a module keeps of its twin on the disk (mode 0600) is what has passed the checks: references, and addresses without
a password or token in any known form. A user name that is written out stands there as it does in the twin, and so would
a token that looks like any other piece of an address."""
