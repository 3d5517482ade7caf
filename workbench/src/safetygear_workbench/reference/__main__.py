"""`python -m safetygear_workbench.reference [--check]`: write the generated pages and schemas below docs/."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from safetygear_workbench.reference.documents import documents


def main(arguments: Sequence[str] | None = None) -> int:
    """0: written, or in step. 1: `--check` found a difference. 2: this is not the repository's folder."""
    parser = argparse.ArgumentParser("safetygear_workbench.reference", description=__doc__)
    parser.add_argument("--root", type=Path, default=Path(), help="the repository's folder")
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a file is out of step")
    given = parser.parse_args(arguments)
    template = given.root / "deployment.template.json"
    if not template.is_file():
        sys.stderr.write(f"there is no {template}: run this in the repository's folder, or name it with --root\n")
        return 2
    out_of_step = []
    for name, text in documents(json.loads(template.read_text(encoding="utf-8"))).items():
        path = given.root / "docs" / name
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        out_of_step.append(path)
        if not given.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    for path in out_of_step:
        sys.stdout.write(f"{path} {'is out of step: run make docs' if given.check else 'written'}\n")
    return 1 if given.check and out_of_step else 0


if __name__ == "__main__":
    sys.exit(main())
