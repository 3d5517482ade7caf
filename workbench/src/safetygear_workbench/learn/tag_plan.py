"""Which of the tags that suggestions need are there, and which are to be created. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from safetygear.errors import UserError
from safetygear_workbench.learn.training_service import TAGS_A_PROJECT, Tag


@dataclass(frozen=True)
class TagPlan:
    """`ids`: of the tags that are there, by name. `missing`: names to create, sorted."""

    ids: dict[str, str]
    missing: tuple[str, ...]


def plan_tags(needed: Iterable[str], present: Iterable[Tag]) -> TagPlan:
    """Raises UserError before anything is created: too many tags, or two that differ in their case only.

    Whether the service tells `Helmet` from `helmet` is not documented; a detector with both would be of no use.
    """
    ids = {tag.name: tag.id for tag in present}
    missing = tuple(sorted(set(needed) - ids.keys()))
    folded = {name.casefold(): name for name in ids}
    for name in missing:
        if (other := folded.setdefault(name.casefold(), name)) != name:
            has = f"the project has the tag {other!r}, and the examples have" if other in ids else f"{other!r} and"
            raise UserError(
                f"{has} {name!r}: they differ in their case only.",
                hint=f"Give --map {name}={other}.",
            )
    if len(ids) + len(missing) > TAGS_A_PROJECT:
        raise UserError(
            f"the project would have {len(ids) + len(missing)} tags; at most {TAGS_A_PROJECT} are possible "
            "(50 in the free tier).",
            hint="Give labels that mean the same one name with --map.",
        )
    return TagPlan(ids, missing)
