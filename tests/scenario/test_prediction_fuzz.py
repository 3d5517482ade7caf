"""Ten thousand requests that are right, wrong or none: the server answers each in its own shape, fails on none, asks no
address that it should not, and holds no more memory afterwards. `make soak` sends them all; a tenth otherwise."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import hypothesis
import jsonschema
import pytest
from hypothesis import strategies as st

from safetygear_inference.prediction.openapi import document
from support.campaigns import SEED, share
from support.prediction_process import ServeProcess
from support.prediction_requests import Request, requests

pytestmark = pytest.mark.scenario

REQUESTS = 10_000
AT_ONCE = 10
"""More than may be under way: some are told to come again."""
WARM_UP = 0.2
"""Of all requests; what libraries load and allocators keep is there by then."""
GROWTH_BYTES = 48 * 2**20
ANSWERED_WITHIN_S = 60
SCHEMAS = {"components": document()["components"]}
PREDICTIONS = jsonschema.Draft4Validator({**SCHEMAS, "$ref": "#/components/schemas/ImagePrediction"})
ERROR = jsonschema.Draft4Validator({**SCHEMAS, "$ref": "#/components/schemas/CustomVisionError"})


@dataclass
class Campaign:
    """A server that runs, a port of this machine that it must never ask, and what has come of it so far."""

    served: ServeProcess
    port: int
    canary: int
    asked: list[bytes] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    sent: int = 0
    rss_bytes: dict[str, int] = field(default_factory=dict)

    async def send(self, batch: Sequence[Request]) -> None:
        async def noted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.asked.append(await reader.read(100))
            writer.close()

        async with await asyncio.start_server(noted, "127.0.0.1", self.canary):
            for request, answer in zip(batch, await asyncio.gather(*map(self._answer, batch)), strict=True):
                self.check(request, answer)
        self.sent += len(batch)
        if self.sent >= share(REQUESTS) * WARM_UP:
            self.rss_bytes.setdefault("warm", self.served.rss_bytes())

    async def _answer(self, request: Request) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(request.data)
            if not request.whole:
                writer.write_eof()
            return await asyncio.wait_for(reader.read(), ANSWERED_WITHIN_S)
        except ConnectionError:
            return b""  # it hung up on bytes that were none of HTTP's, or that it did not read to their end
        finally:
            writer.close()

    def check(self, request: Request, answer: bytes) -> None:
        told = repr(request)
        assert self.served.process.poll() is None, (told, self.served.log()[-2000:])
        assert not self.asked, (told, self.asked)
        if answer.startswith(b"HTTP/1.1 100"):
            answer = answer.partition(b"\r\n\r\n")[2]
        if not answer:
            assert not request.whole or len(request.data) > 4 << 20, told
            return
        head, _, body = answer.partition(b"\r\n\r\n")
        status = int(head.split()[1])
        self.statuses[status] += 1
        assert status < 500, (told, answer)
        if b"application/json" not in head:
            assert not request.whole or b"text/html" in head or not body, (told, answer)
        elif status >= 400 and body:
            ERROR.validate(json.loads(body))
        elif request.data.startswith(b"POST"):
            assert request.has_key, told
            PREDICTIONS.validate(json.loads(body))


@pytest.fixture
def campaign(tmp_path: Path, unused_tcp_port: int) -> Iterator[Campaign]:
    served = ServeProcess(tmp_path / "log", {"SAFETYGEAR_PREDICTION_URLS": "public"})
    try:
        port = int(served.wait().rpartition(":")[2])
        yield Campaign(served, port, unused_tcp_port)
        assert served.stop()[0] == 0, served.log()[-2000:]
        assert "Traceback" not in served.log()
    finally:
        served.end()


def test_no_request_is_a_fault_of_the_server(campaign: Campaign) -> None:
    @hypothesis.seed(SEED)
    @hypothesis.settings(
        max_examples=share(REQUESTS) // AT_ONCE,
        derandomize=False,
        database=None,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.generate],
    )
    @hypothesis.given(st.lists(requests(campaign.canary), min_size=AT_ONCE, max_size=AT_ONCE))
    def send(batch: list[Request]) -> None:
        asyncio.run(campaign.send(batch))

    send()
    campaign.rss_bytes["end"] = campaign.served.rss_bytes()
    told = ", ".join(f"{status}: {count}" for status, count in sorted(campaign.statuses.items()))
    memory = {name: round(count / 2**20, 1) for name, count in campaign.rss_bytes.items()}
    print(f"seed {SEED}: {campaign.sent} requests, {told}; memory in MiB {memory}")
    assert campaign.sent >= share(REQUESTS)
    assert campaign.statuses[200] > 0 and campaign.statuses[400] > 0
    assert campaign.rss_bytes["end"] - campaign.rss_bytes["warm"] < GROWTH_BYTES
