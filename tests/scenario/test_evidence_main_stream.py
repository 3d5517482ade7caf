"""From two streams of one camera to pictures of violations in a storage account: the whole running solution.

The sub-stream is analysed; the pictures are found again, pixel by pixel, in key frames of the main stream.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import requests

from safetygear.messages.codec import decode
from safetygear.messages.event import EventMessage
from safetygear_inference.evidence.faces import RECOGNISABLE_ABOVE
from safetygear_inference.pixels import decode_jpeg
from support.azurite import Azurite, running_azurite
from support.camera import RunningCamera, start_camera
from support.simulation import REPOSITORY, TEMPLATE, RunningSimulation, run, simulating
from support.site_scene import CLIP, FRAMES, truth
from support.stored_picture import faces_in, origin_of, pictures_of

pytestmark = pytest.mark.scenario

KEY_FRAME_EVERY = 20
"""Of the site scene's 10 pictures a second."""
SUB_WIDTH, SUB_HEIGHT = 640, 360
CONTAINER, SECRET = "evidence", "SAFETYGEAR_SECRET_EVIDENCE"


@dataclass
class Site:
    simulation: RunningSimulation
    camera: RunningCamera
    azurite: Azurite

    def events(self) -> list[EventMessage]:
        return [decode(json.dumps(one["body"]).encode(), EventMessage) for one in self.simulation.messages("events")]

    def call(self, module: str, method: str, payload: dict[str, Any]) -> dict[str, Any]:
        state = str(self.simulation.state)
        answer = run("method", "call", module, method, json.dumps(payload), "--state", state, "--json")
        content = json.loads(answer.stdout)
        assert content["status"] == 200, content
        found: dict[str, Any] = content["payload"]
        return found

    def pictures(self) -> dict[str, bytes]:
        """What the storage account has, by the blob's last name."""
        return {name.rpartition("/")[2]: jpeg for name, jpeg in self.azurite.blobs(CONTAINER).items()}

    def large(self) -> dict[str, np.ndarray]:
        """The uploaded pictures that are larger than any that could be cut out of the sub-stream."""
        shown = {name: decode_jpeg(jpeg).planes[0] for name, jpeg in self.pictures().items()}
        return {name: picture for name, picture in shown.items() if picture.shape[0] > SUB_HEIGHT}


def sub_stream(path: Path) -> Path:
    """The site scene as a camera's small stream."""
    with av.open(str(CLIP)) as clip, av.open(str(path), "w") as container:
        given = clip.streams.video[0]
        stream = container.add_stream("libx264", rate=given.average_rate)
        stream.width, stream.height, stream.pix_fmt = SUB_WIDTH, SUB_HEIGHT, "yuv420p"
        stream.codec_context.gop_size = KEY_FRAME_EVERY
        stream.codec_context.max_b_frames = 0
        stream.codec_context.time_base = 1 / Fraction(given.average_rate or 10)
        stream.options = {"preset": "ultrafast", "tune": "zerolatency", "crf": "20"}
        for number, frame in enumerate(clip.decode(video=0)):
            small = frame.reformat(width=SUB_WIDTH, height=SUB_HEIGHT, format="yuv420p")
            small.pts, small.time_base = number, stream.codec_context.time_base
            container.mux(stream.encode(small))
        container.mux(stream.encode())
    return path


def manifest(folder: Path, camera: RunningCamera, azurite: Azurite) -> Path:
    """The template with one camera of two streams, whose pictures go to a storage account."""
    content = json.loads(TEMPLATE.read_text())
    modules = content["modulesContent"]
    modules["capture"]["properties.desired"]["cameras"] = {
        "gate": {"url": camera.url("main", live=1), "subStreamUrl": camera.url("sub", live=1)}
    }
    modules["inference"]["properties.desired"]["evidence"] = {
        "upload": {"containerUrl": azurite.container(CONTAINER), "sasFrom": f"env:{SECRET}"}
    }
    agent = modules["$edgeAgent"]["properties.desired"]["modules"]
    agent["inference"]["env"][SECRET] = {"value": azurite.sas(CONTAINER)}
    for name in ("modules", "module.json", ".env.example"):
        (folder / name).symlink_to(REPOSITORY / name)
    path = folder / "deployment.template.json"
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    clips = {"main": CLIP, "sub": sub_stream(tmp_path / "sub.mp4")}
    with (
        running_azurite(tmp_path / "azurite") as azurite,
        start_camera(clips) as camera,
        simulating(tmp_path / "run", "--manifest", str(manifest(tmp_path, camera, azurite))) as simulation,
    ):
        yield Site(simulation, camera, azurite)


def test_a_violation_s_picture_is_one_of_the_main_stream_covered_stored_served_and_uploaded(site: Site) -> None:
    simulation = site.simulation
    simulation.until_detections()
    simulation.until(site.large, 150, "an uploaded picture of the main stream")
    (status,) = site.call("capture", "getStatus", {})["cameras"].values()
    assert (status["width"], status["state"]) == (SUB_WIDTH, "streaming")
    assert (status["mainStream"]["width"], status["mainStream"]["state"]) == (1280, "streaming")
    frames = {one["body"]["frame"]["width"] for one in simulation.messages("detections")}
    assert frames == {SUB_WIDTH}, "the main stream's frames are not analysed"

    def named() -> dict[str, EventMessage]:
        """Events by the picture that they name."""
        return {e.evidence.uri.rpartition("/")[2]: e for e in site.events() if e.evidence is not None}

    simulation.until(lambda: site.large().keys() & named().keys(), 60, "an event that names it")
    page = re.search(r"http://localhost:\d+", simulation.output)
    assert page is not None
    shown, pictures = site.large(), site.pictures()
    key_frames = pictures_of(CLIP, range(0, FRAMES, KEY_FRAME_EVERY))
    true = truth()["frames"]
    faces: list[float] = []
    for name in shown.keys() & named().keys():
        evidence = named()[name].evidence
        assert evidence is not None
        assert evidence.blurred
        assert hashlib.sha256(pictures[name]).hexdigest() == evidence.sha256
        served = requests.get(f"{page[0]}/evidence/{name}", timeout=10)
        assert served.content == pictures[name]
        origin = origin_of(shown[name], key_frames)
        assert origin is not None, "it is of one of the main stream's key frames"
        faces += faces_in(true[origin.number], shown[name], origin)
    assert faces, "else it is not known whether any was covered"
    assert max(faces) <= RECOGNISABLE_ABOVE
    simulation.until(lambda: snapshot_width(site) > SUB_WIDTH, 30, "a snapshot from the main stream")


def snapshot_width(site: Site) -> int:
    """Of a snapshot that holds what it says."""
    answer = site.call("inference", "snapshot", {"camera": "gate", "maxWidthPx": 1280})
    assert answer["blurred"]
    picture = decode_jpeg(base64.b64decode(answer["jpeg"])).planes[0]
    assert picture.shape[:2] == (answer["height"], answer["width"])
    width: int = answer["width"]
    return width


def test_when_the_main_stream_dies_the_sub_stream_is_analysed_on_and_events_have_its_pictures(site: Site) -> None:
    simulation = site.simulation

    def status() -> dict[str, Any]:
        (found,) = site.call("capture", "getStatus", {})["cameras"].values()
        return dict(found)

    simulation.until_detections()
    simulation.until(lambda: status()["mainStream"]["keyFramesSent"] > 0, 60, "a key frame")
    before = status()
    site.camera.fault("main", drop_after_s=0.1, status=503)
    simulation.until(lambda: status()["mainStream"]["reason"] in ("server-error", "connection-lost"), 60, "its end")
    died = site.events()
    after = status()
    assert (after["state"], after["reason"], after["since"]) == ("streaming", "ok", before["since"])

    def pictured_since() -> list[EventMessage]:
        return [one for one in site.events()[len(died) :] if one.state == "open" and one.evidence is not None]

    simulation.until(pictured_since, 120, "an event with a picture after its end")
    now = status()
    assert now["since"] == before["since"], "the analysed stream was never opened again"
    assert now["framesSent"] > after["framesSent"]
    assert now["mainStream"]["state"] == "backing-off"
    numbers = [one["body"]["sequence"] for one in simulation.messages("detections")]
    assert sorted(set(numbers)) == list(range(1, max(numbers) + 1)), "no analysed frame is missing"
    site.camera.clear("main")
    simulation.until(lambda: status()["mainStream"]["state"] == "streaming", 60, "it to come back")
