"""Which of a model's labels is which of the data's. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from safetygear.errors import UserError
from safetygear_inference.judging.labels import canonical


@dataclass(frozen=True)
class ClassMatch:
    """The classes that are measured, and what is left out."""

    data_class_of: Mapping[int, int]
    """The model's class id to the data's."""
    model_only: tuple[str, ...]
    """Labels of the model that the data does not have: what is found under them does not count."""
    data_only: tuple[str, ...]
    """Labels of the data that the model does not know: they are not asked for."""


def match_classes(model: Sequence[str], data: Sequence[str], given: Mapping[str, str]) -> ClassMatch:
    """By `given` (model's label to the data's), else by the same name in any case, else by the name that the judging
    knows both by (`Hard hat` is `helmet`). Each label of the data is one of the model's at most.

    Raises UserError where `given` names a label that is not there, or nothing is left to measure.
    """
    for mine, theirs in given.items():
        if mine not in model:
            raise UserError(f"the model has no label {mine!r}; it has: {', '.join(model)}.")
        if theirs not in data:
            raise UserError(f"the data has no label {theirs!r}; it has: {', '.join(data)}.")
    if len(set(given.values())) < len(given):
        raise UserError("two of the model's labels are said to be one of the data's.")
    found = {model.index(mine): data.index(theirs) for mine, theirs in given.items()}
    for same in (str, str.casefold, canonical):
        names = {same(name): place for place, name in reversed(list(enumerate(data))) if place not in found.values()}
        for class_id, label in enumerate(model):
            if class_id not in found and same(label) in names:
                found[class_id] = names.pop(same(label))
    if not found:
        raise UserError(
            f"the model's labels ({', '.join(model)}) and the data's ({', '.join(data)}) have nothing in common.",
            hint="Say which is which with --label MODEL=DATA.",
        )
    return ClassMatch(
        dict(sorted(found.items())),
        tuple(label for class_id, label in enumerate(model) if class_id not in found),
        tuple(label for place, label in enumerate(data) if place not in found.values()),
    )
