"""docs/methods.md. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping

from safetygear_workbench.reference.markdown import NOTICE, code, page, table
from safetygear_workbench.reference.methods_catalogue import ALIASES, Method


def methods_page(methods: Mapping[str, tuple[Method, ...]]) -> str:
    """The whole page. `methods`: by module."""
    return page(
        NOTICE,
        "# Direct methods",
        _INTRODUCTION,
        _STATUSES,
        *(_section(module, listed) for module, listed in methods.items()),
    )


def _section(module: str, methods: tuple[Method, ...]) -> str:
    return page(f"## {module}", *(_method(module, method) for method in methods))


def _method(module: str, method: Method) -> str:
    aliases = "".join(
        f" {code(alias)} is an older name for it." for alias, name in ALIASES.items() if name == method.name
    )
    payload = "" if method.example is None else f" '{json.dumps(method.example)}'"
    rows = [("arguments", method.arguments), ("200", method.answer + aliases)]
    rows += [(str(status), when) for status, when in method.statuses.items()]
    return page(
        f"### {method.name} of {module}",
        f"```sh\nsafetygear method call {module} {method.name}{payload}\n```",
        table(("", ""), rows),
    )


_INTRODUCTION = """\
What one asks a module to do at once. `safetygear method call MODULE NAME PAYLOAD` calls them, on the stand-in runtime
and on a real hub; so do the portal and
`az iot hub invoke-module-method --hub-name HUB --device-id DEVICE --module-id MODULE --method-name NAME
--method-payload PAYLOAD`."""

_STATUSES = """\
| status | meaning |
| --- | --- |
| 200 | done |
| 400 | `bad-argument`: an argument is missing, unknown or wrong; `field` names it |
| 404 | `unknown-method`, with the names that there are; or what an argument names is not here |
| 409 | not possible now |
| 500 | an error in the module; its log has the details |
| 503 | try again |

Every other answer than 200 is `{error, code}`, with `field` where an argument is at fault."""
