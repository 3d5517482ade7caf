"""Which of the model's labels is which of the data's."""

from __future__ import annotations

import pytest

from safetygear.errors import UserError
from safetygear_workbench.evaluate.classes import match_classes

TABLE: list[tuple[list[str], list[str], dict[str, str], dict[str, str]]] = [
    (["person", "helmet"], ["helmet", "person"], {}, {"person": "person", "helmet": "helmet"}),
    (["Person", "HELMET"], ["helmet", "person"], {}, {"Person": "person", "HELMET": "helmet"}),
    (["Hard hat", "hi_vis vest"], ["vest", "helmet"], {}, {"Hard hat": "helmet", "hi_vis vest": "vest"}),
    (["helmet"], ["Hardhat"], {}, {"helmet": "Hardhat"}),
    # The same name goes before the same thing.
    (["hardhat", "helmet"], ["helmet"], {}, {"helmet": "helmet"}),
    (["hardhat", "helmet"], ["helmet", "hard-hat"], {}, {"helmet": "helmet", "hardhat": "hard-hat"}),
    # What is said goes before all.
    (["no-helmet", "head"], ["head"], {"no-helmet": "head"}, {"no-helmet": "head"}),
]


@pytest.mark.parametrize(("model", "data", "given", "wanted"), TABLE, ids=range(len(TABLE)))
def test_labels_are_matched(model: list[str], data: list[str], given: dict[str, str], wanted: dict[str, str]) -> None:
    found = match_classes(model, data, given)
    assert {model[mine]: data[theirs] for mine, theirs in found.data_class_of.items()} == wanted
    assert set(found.model_only) == set(model) - set(wanted)
    assert set(found.data_only) == set(data) - set(wanted.values())


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({}, r"the model's labels \(cat\) and the data's \(dog\) have nothing in common. Say .* --label"),
        ({"cow": "dog"}, "the model has no label 'cow'; it has: cat"),
        ({"cat": "cow"}, "the data has no label 'cow'; it has: dog"),
    ],
)
def test_labels_that_can_t_be_matched_are_named(given: dict[str, str], why: str) -> None:
    with pytest.raises(UserError, match=why):
        match_classes(["cat"], ["dog"], given)


def test_two_of_the_model_s_labels_are_not_one_of_the_data_s() -> None:
    with pytest.raises(UserError, match="two of the model's labels"):
        match_classes(["a", "b"], ["c"], {"a": "c", "b": "c"})
