"""Actors out of a story's people."""

from __future__ import annotations

from safetygear_scenes.actor import Actor
from safetygear_scenes.base_mesh import BaseMesh
from safetygear_scenes.gait import Gait
from safetygear_scenes.path import Path
from safetygear_scenes.story import Person, Story
from safetygear_scenes.worker import Worker


def actor(base: BaseMesh, person: Person) -> Actor:
    """The person's body, dressed, on its way."""
    clothes = person.clothes
    worker = Worker(
        base,
        person.body,
        vest=clothes.vest is not None,
        helmet_shape=clothes.helmet_shape if clothes.helmet is not None else None,
        headwear=clothes.headwear,
        sleeves=clothes.sleeves,
        hair_m=person.looks.hair_m,
    )
    path = Path(person.path_m, speed_m_s=person.speed_m_s, from_s=person.from_s, to_s=person.to_s, stops=person.stops)
    return Actor(
        worker,
        Gait(worker, person.style),
        path,
        start=person.helmet,
        handlings=person.handlings,
        looks=person.glances,
    )


def actors(base: BaseMesh, story: Story) -> dict[str, Actor]:
    """By the people's ids."""
    return {person.id: actor(base, person) for person in story.people}
