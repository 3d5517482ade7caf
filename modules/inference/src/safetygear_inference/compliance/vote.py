"""What a person's gear is, over time: evidence of single frames against a stated time. Pure: seconds passed in.

Each state has seconds of net evidence: what supports it is added, what speaks against it taken away, and nothing else
moves it but decay. A state is taken on when its seconds reach the stated time, so one bad frame changes nothing, and no
state changes faster than that. An unknown frame neither confirms nor refutes.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping
from typing import Literal

from safetygear_inference.compliance.judging_config import VoteConfig
from safetygear_inference.judging.observation import Gear, GearEvidence, GearState

_Known = Literal["worn", "missing", "carried"]
KNOWN: tuple[_Known, ...] = ("worn", "carried", "missing")
EFFECT: Mapping[_Known, Mapping[_Known, float]] = {
    "worn": {"worn": 1.0, "missing": -1.0, "carried": -1.0},
    # A helmet in the hand is none on the head.
    "carried": {"worn": -1.0, "missing": 1.0, "carried": 1.0},
    # The body often hides what a hand holds: not to see it says little.
    "missing": {"worn": -1.0, "missing": 1.0, "carried": -0.25},
}
"""What one second of evidence adds to the seconds of each state."""
DOUBT_S = 0.25
"""Evidence against that confidence assumes besides what was seen: little evidence gives little confidence."""

CONTESTED_S = 0.05
"""Net evidence of another state than the one that holds from which on a vote is contested."""

Vote = tuple[dict[Gear, GearState], dict[Gear, str], dict[Gear, float]]
"""By gear: state, reason, confidence (0..1; 0 where unknown)."""


class GearVotes:
    """The votes of one camera's tracks. The longest unseen track is dropped when there are too many."""

    def __init__(self, config: VoteConfig) -> None:
        self._config = config
        self._tracks: OrderedDict[str, dict[Gear, _Ballot]] = OrderedDict()
        self.dropped = 0
        """Tracks dropped because there were more than the configuration allows."""

    def update(self, track: str, evidence: Mapping[Gear, GearEvidence], now_s: float) -> Vote:
        """One frame's evidence of one person, and what holds now. Gear that is not in it is forgotten."""
        known = self._tracks.pop(track, {})
        ballots = {gear: known.get(gear) or _Ballot(self._config, now_s) for gear in evidence}
        self._tracks[track] = ballots
        while len(self._tracks) > self._config.max_tracks:
            self._tracks.popitem(last=False)
            self.dropped += 1
        for gear, of_gear in evidence.items():
            ballots[gear].cast(of_gear, now_s)
        return (
            {gear: ballot.state for gear, ballot in ballots.items()},
            {gear: ballot.reason() for gear, ballot in ballots.items()},
            {gear: ballot.confidence() for gear, ballot in ballots.items()},
        )

    def contested(self, track: str, gear: Gear) -> bool:
        """Whether that vote is open, or evidence of another state is about to change it."""
        ballot = self._tracks.get(track, {}).get(gear)
        return ballot is None or ballot.contested()

    def forget(self, track: str) -> None:
        """The track has ended."""
        self._tracks.pop(track, None)

    def __len__(self) -> int:
        return len(self._tracks)


class _Ballot:
    """One person's one gear."""

    def __init__(self, config: VoteConfig, now_s: float) -> None:
        self._config = config
        self._after_s: Mapping[_Known, float] = {
            "worn": config.worn_after_s,
            "missing": config.missing_after_s,
            "carried": config.missing_after_s,
        }
        self.state: GearState = "unknown"
        self._net_s: dict[_Known, float] = dict.fromkeys(KNOWN, 0.0)
        self._seen_s: dict[_Known, float] = dict.fromkeys(KNOWN, 0.0)
        self._why: dict[GearState, str] = {}
        self._cast_s = self._evidence_s = now_s

    def cast(self, evidence: GearEvidence, now_s: float) -> None:
        passed_s = max(0.0, now_s - self._cast_s)
        now_s = self._cast_s = max(now_s, self._cast_s)
        kept = math.exp(-passed_s / self._config.decay_s)
        for state in KNOWN:
            self._seen_s[state] *= kept
        if now_s - self._evidence_s >= self._config.unknown_after_s:
            self._start_over()
            # The gap is not this picture's to speak for.
            passed_s = 0.0
        if evidence.state == "unknown" or evidence.weight <= 0:
            self._why["unknown"] = evidence.reason
            for state in KNOWN:
                self._net_s[state] *= kept
            return
        self._why.update({evidence.state: evidence.reason, "unknown": "undecided"})
        self._evidence_s = now_s
        step_s = min(passed_s, self._config.max_step_s)
        before = math.exp(-(passed_s - step_s) / self._config.decay_s)
        # Half of the stated time at most: one picture alone decides nothing, however slow the camera.
        credit_s = min(step_s, self._after_s[evidence.state] / 2) * min(1.0, evidence.weight)
        self._seen_s[evidence.state] += credit_s
        for state in KNOWN:
            moved_s = self._net_s[state] * before + credit_s * EFFECT[evidence.state][state]
            self._net_s[state] = min(max(moved_s, 0.0), self._after_s[state])
        self._decide()

    def contested(self) -> bool:
        if self.state == "unknown":
            return True
        # A helmet in the hand and a bare head break the same rule.
        rivals: tuple[_Known, ...] = ("worn",) if self.state != "worn" else ("missing", "carried")
        return any(self._net_s[rival] >= CONTESTED_S for rival in rivals)

    def reason(self) -> str:
        return self._why.get(self.state, "undecided")

    def confidence(self) -> float:
        """Share of the recent evidence that agrees; a helmet in the hand and a bare head agree with each other."""
        if self.state == "unknown":
            return 0.0
        worn = self.state == "worn"
        agreeing = sum(seen for state, seen in self._seen_s.items() if (state == "worn") == worn)
        return agreeing / (sum(self._seen_s.values()) + DOUBT_S)

    def _decide(self) -> None:
        reached = [state for state in KNOWN if self._net_s[state] >= self._after_s[state] - 1e-9]
        if not reached or reached[0] == self.state:
            return
        if reached[0] == "missing" and self.state == "carried" and self._net_s["carried"] > 0:
            return
        self.state = reached[0]
        # What spoke for another state has been decided against: it takes its whole time again.
        self._net_s = {state: seconds if state == self.state else 0.0 for state, seconds in self._net_s.items()}

    def _start_over(self) -> None:
        self.state = "unknown"
        self._net_s = dict.fromkeys(KNOWN, 0.0)
