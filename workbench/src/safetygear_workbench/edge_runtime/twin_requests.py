"""What a module asks of its twin over MQTT, and what it is answered. No I/O; a patch changes the twin it is given.

Source: Microsoft, "Communicate with an IoT hub using the MQTT protocol", and edgeHub's protocol head.
"""

from __future__ import annotations

import json

from safetygear_workbench.edge_runtime import topics
from safetygear_workbench.edge_runtime.packets import ProtocolError, Publish
from safetygear_workbench.edge_runtime.twins import TwinDocument, TwinTooLargeError


def answer(twin: TwinDocument, topic: str, payload: bytes) -> Publish | None:
    """Carry out the request published to `topic`; the answer, or None where there is no `$rid` to answer to.

    Raises ProtocolError for a question without a `$rid`, at which edgeHub ends the connection, too.
    """
    request_id = topics.request_id(topic)
    status, extra, body = 400, "", b""
    match topic.removeprefix("$iothub/twin/").partition("?")[0].strip("/"):
        case "GET":
            if not request_id:
                raise ProtocolError("it asks for its twin without a $rid")
            status, body = 200, json.dumps(twin.as_json()).encode()
        case "PATCH/properties/reported":
            try:
                patch = json.loads(payload)
                if not isinstance(patch, dict):
                    raise ValueError("a reported patch must be an object")  # noqa: TRY004  # the peer's value, not a type
                status, extra = 204, f"&$version={twin.patch_reported(patch)}"
            except (ValueError, RecursionError) as exc:
                status = 413 if isinstance(exc, TwinTooLargeError) else 400
                body = json.dumps({"errorCode": status, "message": str(exc)}).encode()
    return Publish(f"$iothub/twin/res/{status}/?$rid={request_id}{extra}", body) if request_id else None
