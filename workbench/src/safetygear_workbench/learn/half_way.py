"""A push that fails or is interrupted half-way says how much has arrived, and how to go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from safetygear.errors import SafetyGearError
from safetygear_workbench.learn.journal import Journal
from safetygear_workbench.learn.stored_examples import StoredExample


@contextmanager
def telling_how_far(
    examples: Sequence[StoredExample], journal: Journal, interrupted: Callable[[str], None]
) -> Iterator[None]:
    """Around the sending: what fails in it gets a note that says so. `interrupted`: is told the same of Ctrl-C."""
    try:
        yield
    except SafetyGearError as exc:
        exc.add_note(how_far(examples, journal))
        raise
    except KeyboardInterrupt:
        interrupted(how_far(examples, journal))
        raise


def how_far(examples: Sequence[StoredExample], journal: Journal) -> str:
    """One sentence. Whose answer was lost may be there too, which the next push finds out."""
    states = [journal.state(one.sha256) for one in examples]
    at_least = "At least " if "begun" in states else ""
    return (
        f"{at_least}{states.count('done')} of {len(states)} pictures have arrived; "
        "the same command goes on with the others and sends none twice."
    )
