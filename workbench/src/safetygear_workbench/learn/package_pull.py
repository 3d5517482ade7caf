"""An export to a verified package with a card that says where it comes from."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from safetygear.errors import UserError
from safetygear_inference.model_change.addresses import file_name
from safetygear_workbench.learn.export_download import check_address, fetch
from safetygear_workbench.learn.project_pull import Found
from safetygear_workbench.learn.training_service import Performance, TagPerformance
from safetygear_workbench.model_packing import Verified, Wishes, pack


def check_files(out: Path, golden: Sequence[Path]) -> None:
    """Before an export is spent: raises UserError where `out` can't become a package that a twin's address may name, or
    a golden picture is not there."""
    if out.suffix.lower() != ".zip" or file_name(f"file:///{out.name}") is None:
        raise UserError(
            f"--output is {out.name!r}:",
            hint="give a name of A-Z a-z 0-9 _ - . that ends in .zip, as the twin takes it",
        )
    if not out.parent.is_dir():
        raise UserError(f"--output: there is no folder {out.parent}.")
    absent = next((picture for picture in golden if not picture.is_file()), None)
    if absent is not None:
        raise UserError(f"--golden: there is no file {absent}.")


def pull_package(
    found: Found,
    performance: Performance,
    out: Path,
    wishes: Wishes,
    *,
    local: bool,
    progress: Callable[[int, int | None], None],
    sleep: Callable[[float], None],
) -> Verified:
    """Fetch the export and write the package `out`; what `model verify` finds in it.

    Raises ExportDownloadError, UserError, and ModelError where the export can't be used; then `out` is as it was.
    """
    address = check_address(found.export.uri, local=local)
    try:
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=".pull-") as folder:
            scratch = Path(folder)
            digest = fetch(address, scratch / "export.zip", progress, sleep)
            if wishes.card is None:
                (scratch / "card.md").write_text(card(found, performance, digest), encoding="utf-8")
                wishes = replace(wishes, card=scratch / "card.md")
            return pack(scratch / "export.zip", out, replace(wishes, version=wishes.version or found.iteration.name))
    except OSError as exc:
        raise UserError(f"{out}: can't be written ({exc.strerror}).") from exc


def card(found: Found, performance: Performance, digest: str) -> str:
    """Markdown for people. Pure."""
    iteration, export = found.iteration, found.export
    rows = [_row(one) for one in (*performance.tags, performance.whole)]
    return "\n".join(
        [
            f"# {found.project.name}, {iteration.name}",
            "",
            f"Trained by Azure Custom Vision in the domain {found.project.domain.name} ({iteration.trained_at}); "
            f"iteration {iteration.id} of project {found.project.id}.",
            f"Export: {export.platform}{f' {export.flavor}' if export.flavor else ''}, SHA-256 {digest}.",
            "",
            "What the service measured on pictures that it kept back, probability 0.5 and overlap 0.3:",
            "",
            "| tag | precision | recall | AP |",
            "| --- | ---: | ---: | ---: |",
            *rows,
            "",
        ]
    )


def _row(one: TagPerformance) -> str:
    cells = ("-" if value is None else f"{value:.3f}" for value in (one.precision, one.recall, one.average_precision))
    return f"| {one.name} | {' | '.join(cells)} |"
