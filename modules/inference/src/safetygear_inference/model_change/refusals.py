"""Which refusals pass by themselves, and when to try again. Pure."""

from __future__ import annotations

from typing import Final, Literal

FIRST_PAUSE_S: Final = 5.0
LONGEST_PAUSE_S: Final = 300.0
"""Between two tries of a download that fails in a way that passes."""
LATER_S: Final = 900.0
"""Until a refusal that somebody may put right on the server or the device is looked at again."""
NAMED_S: Final = 30.0
"""Until a model by name is looked for again: somebody may have put the right file there."""

Cure = Literal["soon", "later", "never"]

SOON: Final = frozenset({"download-failed", "download-cut", "download-slow", "download-unreachable", "data-unreadable"})
LATER: Final = frozenset(
    {
        "download-refused", "download-not-found", "download-redirect", "download-certificate", "download-hash",
        "model-too-large", "model-missing", "data-full", "data-missing", "data-unwritable",
        "secret-missing", "secret-unreadable", "secret-reference-invalid",
    }
)  # fmt: skip


def cure(code: str) -> Cure:
    """What helps against a refusal of a model that is wanted by its digest.

    `soon`: time alone. `later`: somebody's work elsewhere. `never`: the same bytes would be refused again; only another
    twin, or the method `reloadModel`, makes it be tried again.
    """
    if code in SOON:
        return "soon"
    return "later" if code in LATER else "never"
