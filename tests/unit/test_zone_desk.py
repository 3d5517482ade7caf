"""Zones from the live page into a simulation's twin: by an address with a secret, on loopback, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from safetygear.clock import FakeClock
from safetygear.errors import HubError, UserError
from safetygear_inference.environment import read_environment
from safetygear_inference.web.local_zones import LocalZones, local_address
from safetygear_workbench.edge_runtime.broker import EdgeBroker
from safetygear_workbench.edge_runtime.store import Store
from safetygear_workbench.edge_runtime.zone_desk import capability, zone_app
from support.templates import FLEET, load

ZONES = {"gate": {"dock": {"polygon": [[0, 0], [1, 0], [1, 1]]}}}
SECRET = "a" * 64


@contextlib.asynccontextmanager
async def desk(folder: Path) -> AsyncIterator[tuple[EdgeBroker, str]]:
    """A broker with the solution's modules, and its desk's address."""
    broker = EdgeBroker(
        Store(folder / "hub.sqlite"), folder / "upstream.jsonl", FakeClock(), device="d", iothub="h", gateways=("g",)
    )
    broker.apply_manifest(load(FLEET))
    runner = web.AppRunner(zone_app(broker))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield broker, f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
        broker.close()


async def test_a_modules_zones_are_changed_and_nothing_else_of_it(tmp_path: Path) -> None:
    async with desk(tmp_path) as (broker, address):
        before = dict(broker.modules["inference"].twin.desired)
        await LocalZones(f"{address}/{capability(broker, 'inference')}")(ZONES)
        after = dict(broker.modules["inference"].twin.desired)
        assert after.pop("zones") == ZONES
        assert after.pop("$version") == before.pop("$version") + 1
        assert {k: v for k, v in after.items() if k != "$metadata"} == {
            k: v for k, v in before.items() if k not in ("$metadata", "zones")
        }
        assert "zones" not in broker.modules["capture"].twin.desired


async def test_a_redeployment_of_the_fleets_manifest_leaves_a_sites_zones_alone(tmp_path: Path) -> None:
    async with desk(tmp_path) as (broker, address):
        apply = LocalZones(f"{address}/{capability(broker, 'inference')}")
        await apply(ZONES)
        await apply({"yard": {"all": ZONES["gate"]["dock"]}})
        fleet = load(FLEET)
        fleet["modulesContent"]["inference"]["properties.desired"]["healthIntervalS"] = 30
        broker.apply_manifest(fleet, redeploy=True)
        await broker.committed()
    # The hub's own restart forgets nothing either.
    async with desk(tmp_path) as (broker, address):
        broker.apply_manifest(fleet, redeploy=True)
        desired = broker.modules["inference"].twin.desired
        assert desired["zones"] == ZONES | {"yard": {"all": ZONES["gate"]["dock"]}}
        assert desired["healthIntervalS"] == 30
        apply = LocalZones(f"{address}/{capability(broker, 'inference')}")
        await apply({"gate": {"dock": None}})
        broker.apply_manifest(fleet, redeploy=True)
        assert broker.modules["inference"].twin.desired["zones"]["gate"] == {}


async def test_what_came_by_a_plain_patch_goes_with_a_redeployment(tmp_path: Path) -> None:
    """As on IoT Hub, where a deployment's desired properties replace the twin's."""
    async with desk(tmp_path) as (broker, _):
        broker.change_desired("inference", {"zones": ZONES})
        broker.apply_manifest(load(FLEET), redeploy=True)
        assert not broker.modules["inference"].twin.desired.get("zones")


async def test_without_the_secret_or_from_another_page_nothing_is_changed(tmp_path: Path) -> None:
    async with desk(tmp_path) as (broker, address), aiohttp.ClientSession() as session:
        right = f"{address}/{capability(broker, 'inference')}"
        refused: list[tuple[str, str, dict[str, Any], dict[str, str], int]] = [
            ("PATCH", f"{address}/{SECRET}", {"zones": ZONES}, {}, 404),
            ("PATCH", f"{address}/", {"zones": ZONES}, {}, 404),
            ("PATCH", right, {"zones": ZONES}, {"Origin": "http://evil.example"}, 403),
            ("PATCH", right, {"zones": ZONES, "model": {"name": "x"}}, {}, 400),
            ("PATCH", right, {"zones": [1]}, {}, 400),
            ("PATCH", right, {"zones": {"a.b": {}}}, {}, 400),
            ("PUT", right, {"zones": ZONES}, {}, 405),
        ]
        for method, url, body, headers, status in refused:
            async with session.request(method, url, json=body, headers=headers) as response:
                assert response.status == status, (method, body)
        assert not broker.modules["inference"].twin.desired.get("zones")


async def test_a_stand_in_that_refuses_or_is_gone_is_said(tmp_path: Path) -> None:
    async with desk(tmp_path) as (broker, address):
        with pytest.raises(HubError) as refused:
            await LocalZones(f"{address}/{SECRET}")(ZONES)
        assert refused.value.code == "hub-refused"
        gone = f"{address}/{capability(broker, 'inference')}"
    with pytest.raises(HubError) as unreachable:
        await LocalZones(gone)(ZONES)
    assert unreachable.value.code == "hub-unreachable"
    assert gone.rpartition("/")[2] not in str(unreachable.value)


async def test_nobody_is_sent_elsewhere(tmp_path: Path) -> None:
    asked: list[str] = []

    async def redirect(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=307, headers={"Location": "/elsewhere"})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", redirect)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    with pytest.raises(HubError):
        await asyncio.wait_for(LocalZones(f"http://127.0.0.1:{runner.addresses[0][1]}/{SECRET}")(ZONES), 10)
    await runner.cleanup()
    assert asked == [f"/{SECRET}"]


@pytest.mark.parametrize(
    "address",
    [
        f"http://10.0.0.5:80/{SECRET}", f"https://127.0.0.1:80/{SECRET}", "http://127.0.0.1:80/short",
        f"http://127.0.0.1/{SECRET}", f"http://127.0.0.1:80/{SECRET}/x", f"http://user@127.0.0.1:80/{SECRET}",
        f"http://127.0.0.1:80@evil.example/{SECRET}", f"http://127.0.0.1:80/{SECRET} x",
    ],
)  # fmt: skip
def test_no_other_address_is_taken_and_none_is_repeated(address: str) -> None:
    with pytest.raises(UserError) as caught:
        read_environment({"SAFETYGEAR_PAGE_APPLY": address})
    assert SECRET not in str(caught.value)


def test_a_device_has_no_address() -> None:
    assert read_environment({}).page_apply is None
    assert local_address(f"http://127.0.0.1:80/{SECRET}") == f"http://127.0.0.1:80/{SECRET}"
