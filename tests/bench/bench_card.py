"""The model card's figures again, by `safetygear evaluate`: `make evaluate [DATA=DIR]`.

DATA is a folder as training/DATA.md describes it: the sets that were held back of each source and those that were never
trained on, each on its own. Without it: 28 stills of the rendered stories, two of each. They are no real pictures, and
their figures are not the card's for real ones.
"""

from __future__ import annotations

import io
import json
import sys
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "training")]

from safetygear_inference.model_change.config import DEFAULT_MODEL  # noqa: E402  # the path above
from safetygear_training.config import read_config  # noqa: E402
from safetygear_training.evaluate import evaluation_sets  # noqa: E402
from safetygear_training.labels import CLASSES as TRAINED  # noqa: E402
from safetygear_training.pictures import DataError, Picture  # noqa: E402
from safetygear_workbench.cli.main import main as safetygear  # noqa: E402
from support import scenes  # noqa: E402
from support.coco_folder import CLASSES, CocoFolder, add_story, stills  # noqa: E402

MODELS = {"float": DEFAULT_MODEL, "int8": f"{DEFAULT_MODEL}_int8"}
RENDERED = "stills of the rendered stories: no real pictures, and no figures of the card's for real ones"


def rendered(folder: Path) -> dict[str, Path]:
    into = CocoFolder(folder / "rendered")
    for name in scenes.names():
        add_story(into, name, stills(name))
    return {RENDERED: into.close()}


def held_back(data: Path, folder: Path) -> Iterable[tuple[str, Path]]:
    """Each set as the training's own measure has it: heads cut, boxes in px of its pictures. Raises DataError."""
    sets = evaluation_sets(read_config(ROOT / "training" / "config.toml"), data)
    for number, (name, pictures) in enumerate(sets.items()):
        yield name, _written(pictures, folder / f"set{number}")


def _written(pictures: list[Picture], folder: Path) -> Path:
    into = CocoFolder(folder)
    for number, picture in enumerate(pictures):
        labelled = [label for label, is_labelled in zip(TRAINED, picture.labelled, strict=True) if is_labelled]
        rows = [(TRAINED[int(row[4])], row[:4].tolist()) for row in picture.boxes]
        into.add(f"{number:05d}", picture.pixels, rows, labelled=labelled)
    return into.close()


def figures(data: Path, model: str) -> dict[str, Any]:
    """What `safetygear evaluate --json` says."""
    out = io.StringIO()
    given = ["--model", model, "--data", str(data), "--images", str(data.parent), "--json"]
    with redirect_stdout(out):
        assert safetygear(["evaluate", *given]) == 0
    found: dict[str, Any] = json.loads(out.getvalue())
    return found


def table(name: str, by_model: Mapping[str, Mapping[str, Any]]) -> str:
    """A row per model: AP50/AP50-95 and the number of true boxes of each class that the set labels."""
    pictures = next(iter(by_model.values()))["images"]
    lines = [f"\n{name}, {pictures} pictures", f"{'AP50/AP50-95':<14}" + "".join(f"{label:>19}" for label in CLASSES)]
    for model, content in by_model.items():
        found = {one["label"]: one for one in content["classes"] if one["support"]}
        cells = (
            f"{one['ap50']:.3f}/{one['ap']:.3f} ({one['support']})" if (one := found.get(label)) else "-"
            for label in CLASSES
        )
        lines.append(f"{model:<14}" + "".join(f"{cell:>19}" for cell in cells))
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        try:
            sets = held_back(Path(arguments[0]), folder) if arguments else rendered(folder).items()
            for title, data in sets:
                print(table(title, {name: figures(data, model) for name, model in MODELS.items()}), flush=True)
        except DataError as error:
            sys.stderr.write(f"{error}\n")
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
