"""Stored pictures on the page: for whoever may see the page, and only what is one."""

from __future__ import annotations

import aiohttp

from safetygear.clock import FakeClock
from safetygear.listen import Listen
from safetygear.secret_references import Secret
from safetygear_inference.live import LiveState
from safetygear_inference.problems import Problems
from safetygear_inference.web.server import serve_page

TOKEN = "correct horse battery"
PICTURE = f"ep-{7:024x}-1"


async def test_a_stored_picture_is_served_like_the_page() -> None:
    asked: list[str] = []

    async def read(picture: str) -> bytes | None:
        asked.append(picture)
        return b"jpeg" if picture == PICTURE else None

    page = await serve_page(
        LiveState(), Listen("127.0.0.1", 0), token=Secret(TOKEN), hosts=(), clock=FakeClock(), problems=Problems(),
        stored_picture=read,
    )  # fmt: skip
    assert page is not None
    try:
        base, token = f"http://127.0.0.1:{page.port}", {"Authorization": f"Bearer {TOKEN}"}
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{base}/evidence/{PICTURE}.jpg") as response:
                assert (response.status, asked) == (401, [])
            async with session.get(f"{base}/evidence/{PICTURE}.jpg", headers=token) as response:
                assert (response.status, response.content_type, await response.read()) == (200, "image/jpeg", b"jpeg")
                assert response.headers["Cache-Control"] == "no-store"
            for path in ("ep-2-1.jpg", f"{PICTURE}.png", f"..%2f{PICTURE}.jpg", f"{PICTURE}"):
                async with session.get(f"{base}/evidence/{path}", headers=token) as response:
                    assert response.status == 404, path
            assert asked == [PICTURE, "ep-2-1"]
    finally:
        await page.cleanup()
