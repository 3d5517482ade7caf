"""Lines for people of what was measured. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

TRIALS: Final = (
    "stream", "model", "cameras", "for s", "works", "least fps", "solution %", "off the line", "stand-in %",
    "cameras' server %", "p95 ms", "MB", "dropped",
)  # fmt: skip

PEERS: Final = ("stream", "model", "who", "ms per frame", "to the floor", "fps per camera", "most cameras", "fails at")


def trial_row(case: Mapping[str, Any], trial: Mapping[str, Any]) -> list[str]:
    """One number of cameras, under TRIALS."""
    row = [case["stream"], case["model"], str(trial["cameras"]), f"{trial['seconds']:g}"]
    row.append("yes" if trial["works"] else "no")
    if "fps_min" not in trial:
        return [*row, *["-"] * (len(TRIALS) - len(row))]
    percent = trial["cpu_percent"]
    off = ((case["cpu_fit"] or {}).get("residuals") or {}).get(str(trial["cameras"]))
    return [
        *row,
        f"{trial['fps_min']:.2f}",
        f"{percent['solution']:.0f}",
        "-" if off is None else f"{off:+.1f}",
        f"{percent['stand_in']:.0f}",
        f"{percent['camera_server']:.0f}",
        f"{trial['latency']['p95_ms']:.0f}",
        f"{trial['rss']['mb']:.0f}",
        ", ".join(f"{count} {reason}" for reason, count in trial["dropped"].items()) or "none",
    ]


def cost_notes(case: Mapping[str, Any]) -> Iterator[str]:
    """What one camera more costs, and what the floor would take."""
    name = f"{case['stream']}, {case['model']}"
    line, floor = case["cpu_fit"], case["floor"]
    if line is not None:
        most = max(abs(off) for off in line["residuals"].values())
        yield (
            f"{name}: {line['percent_per_camera']:.2f} % of a core per further camera, "
            f"{line['percent_without_cameras']:.1f} % without; no number is off that line by more than {most:.1f} %"
        )
    if floor is not None:
        yield (
            f"{name}: the floor takes {floor['percent_per_camera']:.2f} % per camera, which allows "
            f"{floor['cameras_allowed']:.1f} cameras; {case['streams']} are {floor['share_reached']:.2f} of them"
        )


def peer_row(case: Mapping[str, Any], name: str, found: Mapping[str, Any]) -> list[str]:
    """One program, under PEERS."""
    row = [case["stream"], case["model"], name]
    if "why" in found:
        return [*row, str(found["why"]), *["-"] * (len(PEERS) - len(row) - 1)]
    return [
        *row,
        f"{found['ms_per_frame']:.1f}",
        f"{found['to_the_floor']:.2f}",
        f"{found['fps_per_camera']:.2f}",
        *(str(found.get(key, "-")) for key in ("streams", "failed_at")),
    ]


def peer_notes(case: Mapping[str, Any]) -> Iterator[str]:
    """Which programs did not fall behind but failed, and with what."""
    for name, found in case["contestants"].items():
        if "failed_with" in found:
            yield f"{case['stream']}, {case['model']}, {name}, {found['failed_at']} cameras: {found['failed_with']}"


def creep_notes(entry: Mapping[str, Any]) -> Iterator[str]:
    """Whether latency and memory grow, in what `bench latency` measures."""
    yield from _creeps(entry, entry, entry["creep"])


def trial_creep_notes(case: Mapping[str, Any]) -> Iterator[str]:
    """Whether latency and memory grow with the most cameras of a search."""
    for trial in case["cameras"]:
        if trial["cameras"] == case["streams"]:
            yield from _creeps(case, trial, trial["latency"]["creep"])


def _creeps(case: Mapping[str, Any], entry: Mapping[str, Any], of_latency: Mapping[str, Any] | None) -> Iterator[str]:
    name = f"{case['stream']}, {case['model']}, {entry['cameras']} cameras"
    for what, unit, found in (("latency", "ms", of_latency), ("memory", "MB", entry["rss"]["creep"])):
        if found is None:
            yield f"{name}: too few values to say whether {what} grows"
            continue
        verdict = "not to be told from 0" if not found["distinguishable_from_0"] else "not 0"
        yield (
            f"{name}: {what} {found['per_minute']:+.3f} {unit} a minute, give or take {found['give_or_take']:.3f} "
            f"(95 %): {verdict}"
        )
