"""Average precision of ONNX detectors on every held-back set, side by side.

The same code scores each, and each class is scored only on pictures that label it. Sets marked * chose the checkpoint.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from safetygear_training.collection import halves, selection_sets, split
from safetygear_training.config import Config, read_config
from safetygear_training.detecting import onnx_network
from safetygear_training.labels import CLASSES
from safetygear_training.pictures import DataError, Picture, read_source
from safetygear_training.rendered import read_clip
from safetygear_training.scores import Scores, as_json, figure_of_merit, line, score_sets
from safetygear_training.toml_tables import ConfigError

log = logging.getLogger("safetygear_training")

MEASURED_ONLY = ("cppe_val",)
RENDERED_EVERY_FRAMES = 5


def evaluation_sets(config: Config, data: Path) -> dict[str, list[Picture]]:
    """The held-back part of each source, both halves of the validation set, and the sets for measuring only."""
    selection, report = halves(read_source(data, config.evaluation.half))
    sets = {f"{config.evaluation.half} a*": selection, f"{config.evaluation.half} b": report}
    for source in config.sources:
        back = split(read_source(data, source.name, source.whole_heads, source.squeezed), source)[1]
        if back:
            sets[f"{source.name} held back*"] = back
    return sets | {name: read_source(data, name) for name in MEASURED_ONLY}


def whole_sets(config: Config, data: Path, names: Sequence[str]) -> dict[str, list[Picture]]:
    """Sources as one set each, what is held back of them included. Raises ConfigError for one that is not the run's."""
    known = {source.name: source for source in config.sources}
    if unknown := [name for name in names if name not in known]:
        raise ConfigError(f"--whole: {unknown[0]} is no source of this run; expected one of {', '.join(known)}")
    return {f"{name} whole": read_source(data, name, known[name].whole_heads, known[name].squeezed) for name in names}


def shown_names(paths: Sequence[Path]) -> list[str]:
    """Of the models: file names, with their folders where two have the same."""
    names = [path.name for path in paths]
    return names if len(set(names)) == len(names) else [str(path) for path in paths]


def table(by_model: Mapping[str, Scores]) -> str:
    """Markdown: a row per set and class, AP50/AP50-95 per model."""
    rows = [f"| set | class | boxes | {' | '.join(by_model)} |", f"| --- | --- | ---: |{' --- |' * len(by_model)}"]
    keys = {
        (name, label): score.support
        for scores in by_model.values()
        for name, part in scores.items()
        for label, score in part.items()
    }
    for (name, label), support in keys.items():
        cells = []
        for scores in by_model.values():
            score = scores.get(name, {}).get(label)
            cells.append(f"{score.ap50:.3f}/{score.ap:.3f}" if score else "")
        rows.append(f"| {name} | {label} | {support} | {' | '.join(cells)} |")
    return "\n".join(rows)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="safetygear_training.evaluate", description=__doc__)
    parser.add_argument("models", type=Path, nargs="+", help="YOLOX ONNX files")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--config", type=Path, default=Path(__file__).parent.parent / "config.toml")
    parser.add_argument("--persons-only", type=Path, action="append", default=[], help="a COCO network, beside them")
    parser.add_argument("--choose", action="store_true", help="only the sets a checkpoint may be chosen by")
    parser.add_argument(
        "--whole", action="append", default=[], help="a source as one set, for a model that did not learn from it"
    )
    parser.add_argument("--rendered", type=Path, nargs=2, metavar=("CLIP", "TRUTH"), help="a rendered clip, as a set")
    parser.add_argument("--json", type=Path, help="where the figures go as well")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    try:
        config = read_config(given.config)
        sets = selection_sets(config, given.data) if given.choose else evaluation_sets(config, given.data)
        sets |= whole_sets(config, given.data, given.whole)
        if given.rendered:
            sets["rendered"] = read_clip(*given.rendered, RENDERED_EVERY_FRAMES)
        paths = [*given.models, *given.persons_only]
        networks = [onnx_network(path) for path in paths]
    except (ConfigError, DataError) as error:
        log.error("%s", error)  # noqa: TRY400 - what the user can cause has no traceback
        return 2
    by_model: dict[str, Scores] = {}
    for model, path, (network, size) in zip(shown_names(paths), paths, networks, strict=True):
        scores = score_sets(network, size, sets, 1 if path in given.persons_only else len(CLASSES))
        by_model[model] = {name: part for name, part in scores.items() if part}
        for name, part in by_model[model].items():
            log.info("%s %s", model, line(name, part))
        log.info("%s mean over the sets %.4f", model, figure_of_merit(by_model[model]))
    log.info("\n%s", table(by_model))
    if given.json:
        given.json.write_text(json.dumps({name: as_json(scores) for name, scores in by_model.items()}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
