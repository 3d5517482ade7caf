"""Who may connect: edgeHub wants the client id, the user name and the token to agree. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Set

from safetygear_workbench.edge_runtime import sas
from safetygear_workbench.edge_runtime.modules import ModuleState
from safetygear_workbench.edge_runtime.packets import Connect


def refusal(
    packet: Connect, device: str, hosts: Set[str], modules: Mapping[str, ModuleState], now_s: float
) -> str | None:
    """Why `packet` is not to be accepted, or None. `hosts`: the names of the hub and its gateways, in lower case."""
    user = packet.username.split("/")
    if len(user) < 4 or user[0].lower() not in hosts or user[1] != device:
        return "the user name names another hub or device"
    # `?api-version=…&DeviceClientType=…`; older clients leave the question mark out.
    given = dict(pair.partition("=")[::2] for pair in user[3].removeprefix("?").split("&"))
    if not given.get("api-version", "").strip():
        return "the user name names no api-version"
    module = modules.get(user[2])
    if module is None or packet.client_id != f"{device}/{module.id}":
        return "no such module, or a client id that is not its own"
    resource = sas.resource(packet.password)
    if (
        len(resource) != 5
        or resource[0].lower() not in hosts
        or resource[1:] != ["devices", device, "modules", module.id]
    ):
        return "the token is for another resource"
    return sas.refusal(packet.password, module.key, now_s)
