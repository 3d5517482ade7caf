"""Why a camera is not watched, in one line for people, by the code that travels in messages."""

from __future__ import annotations

from typing import Final

EXPLANATIONS: Final[dict[str, str]] = {
    # Refusals: trying again soon changes nothing, and cameras lock accounts after a few wrong passwords.
    "auth-failed": "the camera refuses user name or password",
    "forbidden": "the camera's user may not see this stream",
    "not-found": "the camera has no stream at this path",
    "bad-request": "the camera does not understand the request for this URL",
    "transport-refused": "the camera refuses this transport; set transport to the other of tcp and udp",
    "redirect-loop": "the camera redirects in a circle; give the address at which it streams",
    "no-video": "there is no video in this stream",
    "wrong-codec": "packets arrive, but no picture can be decoded from them",
    "unsupported-codec": "the stream's codec is not known here; set the camera to H.264 or H.265",
    "tls-certificate": "the camera's certificate is not valid; install its authority, or set tlsVerify to false",
    "secret-missing": "the password's secret is not there",
    "secret-unreadable": "the password's secret can't be read",
    "secret-reference-invalid": "the password is no valid secret reference",
    "config-invalid": "its desired properties can't be used; config.errors in the reported properties says why",
    # What may pass by itself.
    "host-unknown": "the camera's host name is not known to DNS",
    "unreachable": "there is no way to the camera's address",
    "refused-connection": "nothing listens on the camera's port",
    "timeout": "the camera does not answer",
    "no-data": "the camera said it would play and sends nothing",
    "busy": "the camera has no free session or bandwidth",
    "server-error": "the camera reports an error of its own",
    "protocol": "what answers does not speak RTSP as it should",
    "tls-failed": "no TLS connection to the camera",
    "stall": "no picture within the stall budget",
    "corrupt": "most pictures are damaged",
    "no-key-frame": "pictures arrive, but no key frame from which they could be decoded",
    "end-of-stream": "the camera ended the stream",
    "connection-lost": "the connection was cut",
    "gave-way": "closed while a stream that is analysed lacks a session with the camera, or room for its frames",
    "hung": "a call into the video library did not return; its thread was left behind",
    "ring-folder-missing": "the shared frames folder is not mounted",
    "ring-not-writable": "the shared frames folder can't be written",
    "ring-no-space": "the shared frames folder has no room for this camera's frames",
    "jpeg-too-large": "no JPEG of this picture fits a message; use a smaller stream, or shared memory",
    "internal": "an error in this module; its log has the details",
    # It streams, but not as it should.
    "no-reader": "nobody reads this shard's frames",
    "frozen": "the picture does not change",
    "timestamps-stand-still": "the stream's timestamps do not advance; arrival times are used",
    "timestamps-jump": "the stream's timestamps jumped; arrival times are used meanwhile",
    "camera-clock-off": "the camera's clock is wrong; arrival times are used",
    "camera-clock-backwards": "the camera's clock went backwards; arrival times are used",
    "lagging": "pictures are decoded later than they arrive; only key frames until that is over",
    # Why it is as it is, on purpose.
    "starting": "first attempt",
    "waiting-for-key-frame": "pictures arrive, and can be decoded from the next key frame on",
    "disabled": "switched off by the configuration",
    "stopping": "the module is being stopped",
}
"""What each reason means, in one line."""


def explain(reason: str) -> str:
    """One line for people; the code itself where there is none."""
    return EXPLANATIONS.get(reason, reason)
