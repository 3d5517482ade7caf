"""The workload API that IoT Edge's daemon offers each module on a unix socket: the trust bundle, and signing.

Source: the requests azure-iot-device makes (GET /trust-bundle, POST /modules/{id}/genid/{generation}/sign). Each module
has a socket of its own, as on a device: through it nothing can be signed for another module.
"""

from __future__ import annotations

import base64
import binascii
import json
from pathlib import Path

from aiohttp import web

from safetygear.errors import UserError
from safetygear_workbench.edge_runtime import sas
from safetygear_workbench.edge_runtime.broker import EdgeBroker

API_VERSION = "2021-12-07"
MAX_SOCKET_PATH_BYTES = 107
"""sockaddr_un.sun_path is 108 bytes with its final zero."""


class WorkloadServer:
    """One unix socket per module under `folder`."""

    def __init__(self, broker: EdgeBroker, authority: Path, folder: Path) -> None:
        self._broker = broker
        self._authority = authority
        self._folder = folder
        self._runners: dict[str, web.AppRunner] = {}

    def socket_path(self, module_id: str) -> Path:
        return self._folder / f"{module_id}.sock"

    async def serve_all(self) -> None:
        """Open the sockets of modules that have none yet, close those of modules that are gone.

        Raises UserError where a path is too long.
        """
        for module_id in self._runners.keys() - self._broker.modules.keys():
            await self._runners.pop(module_id).cleanup()
            self.socket_path(module_id).unlink(missing_ok=True)
        for module_id in list(self._broker.modules):
            if module_id not in self._runners:
                self._runners[module_id] = await self._serve(module_id)

    async def close(self) -> None:
        for module_id, runner in self._runners.items():
            await runner.cleanup()
            self.socket_path(module_id).unlink(missing_ok=True)

    async def _serve(self, module_id: str) -> web.AppRunner:
        path = self.socket_path(module_id)
        if len(str(path).encode()) > MAX_SOCKET_PATH_BYTES:
            raise UserError(
                f"the workload socket's path has {len(str(path))} characters, above {MAX_SOCKET_PATH_BYTES}.",
                hint="Choose a --state folder with a shorter path.",
                code="path-too-long",
            )
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o711)
        path.unlink(missing_ok=True)
        runner = web.AppRunner(self._app(module_id), access_log=None)
        await runner.setup()
        await web.UnixSite(runner, str(path)).start()
        # A container's user is not ours; the folder above is what keeps others out.
        path.chmod(0o666)
        return runner

    def _app(self, module_id: str) -> web.Application:
        async def trust_bundle(_: web.Request) -> web.Response:
            return web.json_response({"certificate": self._authority.read_text()})

        async def sign(request: web.Request) -> web.Response:
            module = self._broker.modules.get(module_id)
            asked = (request.match_info["module"], request.match_info["generation"])
            if module is None or asked != (module.id, module.generation_id):
                return web.json_response({"message": "this socket signs for its own module only"}, status=404)
            try:
                # The SDK sends JSON without a content type.
                data = base64.b64decode(json.loads(await request.read())["data"])
            except (ValueError, KeyError, TypeError, RecursionError, binascii.Error):
                return web.json_response({"message": "expected {keyId, algo, data}"}, status=400)
            return web.json_response({"digest": sas.sign(module.key, data)})

        app = web.Application()
        app.router.add_get("/trust-bundle", trust_bundle)
        app.router.add_post("/modules/{module}/genid/{generation}/sign", sign)
        return app
