"""`safetygear learn`: from pictures that a device found worth labelling to a better detector.

Exit codes: 0 done; 1 the service or the way to it failed, or pictures were refused; 2 bad input: examples that are
broken, a wrong key or project, a domain that can't be exported.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from safetygear.errors import UserError
from safetygear_workbench.cli.shown_progress import shown_progress

if TYPE_CHECKING:
    from safetygear.secret_references import Secret
    from safetygear_workbench.learn.custom_vision import CustomVision
    from safetygear_workbench.learn.patience import Patience
    from safetygear_workbench.learn.project_training import Waiting
    from safetygear_workbench.learn.stored_examples import StoredExample, StoredExamples
    from safetygear_workbench.learn.suggestions import Wishes
    from safetygear_workbench.learn.target import Target

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)

ProjectOption = Annotated[str, typer.Option("--project", metavar="ID", help="The Custom Vision project's id.")]
EndpointOption = Annotated[
    str | None,
    typer.Option("--endpoint", metavar="URL", help="The training resource. Else $CUSTOM_VISION_ENDPOINT."),
]
KeyOption = Annotated[
    str | None, typer.Option("--key", metavar="file:PATH", help="Else the key is $CUSTOM_VISION_TRAINING_KEY.")
]
EveryOption = Annotated[float, typer.Option("--every", metavar="S", min=0.05, help="Seconds between two looks.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]


@app.callback()
def learn() -> None:
    """Send examples to people who label and a service that trains; fetch what was trained as a package."""


@app.command()
def push(
    examples: Annotated[Path, typer.Argument(metavar="EXAMPLES", help="A folder with examples' .jpg and .json.")],
    project: Annotated[
        str | None, typer.Option("--project", metavar="ID", help="Into the Custom Vision project with this id.")
    ] = None,
    blob: Annotated[
        str | None,
        typer.Option("--blob", metavar="URL", help="Into a blob container; $SAFETYGEAR_BLOB_SAS has the SAS."),
    ] = None,
    coco: Annotated[Path | None, typer.Option("--coco", metavar="DIR", help="Into a new folder, as COCO.")] = None,
    label_studio: Annotated[
        Path | None, typer.Option("--label-studio", metavar="DIR", help="Into a new folder, for Label Studio.")
    ] = None,
    endpoint: EndpointOption = None,
    key: KeyOption = None,
    mapping: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="LABEL=TAG", help="A label of the model has another name there; repeatable."),
    ] = None,
    least: Annotated[
        float, typer.Option("--least", metavar="P", min=0, max=1, help="Only boxes of this probability or more.")
    ] = 0.0,
    weak: Annotated[bool, typer.Option("--weak", help="Also boxes below their label's threshold.")] = False,
    no_boxes: Annotated[bool, typer.Option("--no-boxes", help="Pictures alone; people draw every box.")] = False,
    with_faces: Annotated[
        bool, typer.Option("--with-faces", help="Also pictures in which faces may be recognised.")
    ] = False,
    skip_broken: Annotated[bool, typer.Option("--skip-broken", help="Leave out examples that are damaged.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent; send nothing.")] = False,
    as_json: JsonOption = False,
) -> int:
    """Send examples with the detector's boxes as suggestions to one place. Repeated, it sends nothing twice.

    Exit codes: 0 sent, 1 the place failed or refused pictures, 2 bad input.
    """
    from safetygear_workbench.learn.blob_push import container_url
    from safetygear_workbench.learn.stored_examples import read_examples
    from safetygear_workbench.learn.suggestions import Wishes, check_names
    from safetygear_workbench.learn.target import blob_sas, choose_target

    places = [one for one in (project, blob, coco, label_studio) if one is not None]
    if len(places) != 1:
        raise UserError("where to is not clear.", hint="Give one of --project, --blob, --coco, --label-studio.")
    if blob is not None and (mapping or least or weak or no_boxes):
        raise UserError("--map, --least, --weak and --no-boxes change boxes; examples go into --blob as they are.")
    folder = coco or label_studio
    if folder is not None and folder.resolve().is_relative_to(examples.resolve()):
        raise UserError(f"{folder} lies in the folder of the examples, where the next push would read it.")
    names = dict(_pair(text) for text in mapping or ())
    # What is wrong with the place is told before thousands of pictures are looked at.
    target = choose_target(project, endpoint, key, os.environ) if project is not None else None
    container = (container_url(blob), blob_sas(os.environ)) if blob is not None else None
    with shown_progress("looking at pictures") as bar:
        found = read_examples(examples, bar)
    _check(found, with_faces=with_faces, skip_broken=skip_broken)
    check_names(names, (one.example for one in found.whole))
    wishes = Wishes(names=names, least_probability=least, weak=weak, boxes=not no_boxes)
    if target is not None:
        return _push_to_project(examples, found, wishes, target, dry_run=dry_run, as_json=as_json)
    if container is not None:
        return _push_to_blobs(examples, found, *container, dry_run=dry_run, as_json=as_json)
    return _push_to_folder(found, wishes, coco, label_studio, dry_run=dry_run, as_json=as_json)


@app.command()
def train(
    project: ProjectOption,
    endpoint: EndpointOption = None,
    key: KeyOption = None,
    budget_hours: Annotated[
        int | None,
        typer.Option("--budget-hours", metavar="H", min=1, help="Advanced training of at most so long. Else quick."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Also where nothing has changed.")] = False,
    every_s: EveryOption = 10.0,
    wait_hours: Annotated[float, typer.Option("--wait", metavar="H", min=0, help="Hours to wait at most.")] = 24.0,
    as_json: JsonOption = False,
) -> int:
    """Train the project on what people have checked, and wait for it. A training that runs already is joined.

    Exit codes: 0 trained, or nothing has changed; 1 the service failed; 2 bad input.
    """
    from safetygear_workbench.learn.documents import trained_document
    from safetygear_workbench.learn.project_training import ProjectTraining
    from safetygear_workbench.learn.target import choose_target
    from safetygear_workbench.learn.training_service import Iteration

    with (
        _service(choose_target(project, endpoint, key, os.environ)) as service,
        shown_progress("training", counted=False) as bar,
    ):
        training = ProjectTraining(service, _patience(bar.say), _waiting(every_s, wait_hours * 3600))
        found = training.project()
        pushed = training.pushed_pictures()
        if pushed:
            bar.say(f"{pushed} pictures of {found.name} came from `learn push`; the service takes their boxes as true")

        def told(iteration: Iteration) -> None:
            bar.show(f"{iteration.name}: {iteration.status}")

        trained = training.run(found, budget_hours=budget_hours, force=force, told=told)
    if as_json:
        _print_json(trained_document(trained))
        return 0
    iteration = trained.iteration
    if not trained.changed:
        _say(f"Nothing has changed since {iteration.name} was trained ({iteration.trained_at}); --force trains again.")
    else:
        minutes = "" if iteration.training_minutes is None else f" in {iteration.training_minutes} min"
        _say(f"{iteration.name} of {trained.project.name} is trained{minutes}.")
    _say("What the service measured on pictures that it kept back, at probability 0.5 and overlap 0.3:")
    for one in (*trained.performance.tags, trained.performance.whole):
        figures = (one.precision, one.recall, one.average_precision)
        cells = ("-" if value is None else f"{value:.3f}" for value in figures)
        _say("  {:<20} precision {}  recall {}  AP {}".format(one.name, *cells))
    return 0


@app.command()
def pull(
    project: ProjectOption,
    out: Annotated[Path, typer.Option("--output", "-o", metavar="OUT.zip", help="Where to write the package.")],
    endpoint: EndpointOption = None,
    key: KeyOption = None,
    iteration: Annotated[
        str | None, typer.Option("--iteration", metavar="ID|NAME", help="Else the newest that is trained.")
    ] = None,
    reuse_only: Annotated[
        bool,
        typer.Option("--reuse-only", help="Take an export that is there; order none (the free tier has one a month)."),
    ] = False,
    golden: Annotated[
        list[Path] | None,
        typer.Option("--golden", metavar="PICTURE", help="A picture that goes along with what the model sees in it."),
    ] = None,
    mapping: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="TAG=LABEL", help="Call a class of the model otherwise: hardhat=helmet."),
    ] = None,
    every_s: EveryOption = 10.0,
    wait_minutes: Annotated[
        float, typer.Option("--wait", metavar="MIN", min=0, help="Minutes to wait at most.")
    ] = 60.0,
    as_json: JsonOption = False,
) -> int:
    """Fetch a trained iteration as a package, verified as `model verify` does; say what the twin must have.

    Exit codes: 0 written, 1 the service failed or the export can't be used, 2 bad input.
    """
    from safetygear_workbench.learn.documents import pulled_document, twin_patch
    from safetygear_workbench.learn.package_pull import check_files, pull_package
    from safetygear_workbench.learn.project_pull import ProjectPull
    from safetygear_workbench.learn.target import choose_target
    from safetygear_workbench.model_packing import Wishes

    check_files(out, golden or ())
    target = choose_target(project, endpoint, key, os.environ)
    wishes = Wishes(golden=golden or (), mapping=dict(_pair(text) for text in mapping or ()))
    with _service(target) as service, shown_progress("exporting", counted=False) as bar:
        pulling = ProjectPull(service, _patience(bar.say), _waiting(every_s, wait_minutes * 60))
        found = pulling.find(iteration, may_order=not reuse_only, told=bar.show)
        performance = pulling.performance(found)
        verified = pull_package(
            found, performance, out, wishes, local=target.is_local, progress=bar.fetched, sleep=time.sleep
        )
    if as_json:
        _print_json(pulled_document(found, verified, str(out)))
        return 0
    _say(f"{found.iteration.name} of {found.project.name}: {'its export was there' if found.reused else 'exported'}")
    seen = f", golden pictures seen as expected: {verified.pictures}" if verified.pictures else ""
    _say(f"{verified.sha256}  {out}")
    _say(f"opened and tried: {verified.model.format.name}, {', '.join(verified.model.labels)}{seen}")
    _say("Put it where devices can fetch it, then set in inference's module twin:")
    _say(json.dumps(twin_patch(verified, str(out))))
    return 0


def _check(found: StoredExamples, *, with_faces: bool, skip_broken: bool) -> None:
    if found.broken and not skip_broken:
        first = next(iter(found.broken.items()))
        raise UserError(
            f"{len(found.broken)} of the examples can't be used: {first[0]}: {first[1]}.",
            hint="Copy them from the device again, or leave them out with --skip-broken.",
        )
    for name, why in found.broken.items():
        sys.stderr.write(f"safetygear: left out: {name}: {why}\n")
    if not found.whole:
        raise UserError("no example can be used.")
    if found.uncovered and not with_faces:
        raise UserError(
            f"in {len(found.uncovered)} pictures faces may be recognised (facesBlurred is false), the first is "
            f"{found.uncovered[0]}.",
            hint="If whoever sees them over there may, give --with-faces.",
        )


def _push_to_project(
    folder: Path, found: StoredExamples, wishes: Wishes, target: Target, *, dry_run: bool, as_json: bool
) -> int:
    from safetygear_workbench.learn.documents import plan_document, push_document, read_document
    from safetygear_workbench.learn.half_way import telling_how_far
    from safetygear_workbench.learn.journal import Journal
    from safetygear_workbench.learn.project_push import ProjectPush

    with (
        _service(target) as service,
        Journal(folder, target.place, read_only=dry_run) as journal,
        shown_progress("sending") as bar,
    ):
        pushing = ProjectPush(service, _patience(bar.say), wishes)
        plan = pushing.plan(found.whole, journal)
        result = None
        if not dry_run:
            with telling_how_far(found.whole, journal, bar.say):
                result = pushing.run(plan, journal, bar)
    document = plan_document(plan) if result is None else push_document(plan, result)
    if as_json:
        _print_json({**read_document(found), **document, "dryRun": dry_run})
        return 1 if result is not None and result.refused else 0
    boxes = ", ".join(f"{count} {tag}" for tag, count in plan.suggested.items()) or "no boxes"
    before = f"; {plan.sent_before} were sent before" if plan.sent_before else ""
    tags = f"; new tags: {', '.join(plan.tags.missing)}" if plan.tags.missing else ""
    if result is None:
        _say(f"{plan.project.name} would get {len(plan.pending)} pictures with {boxes}{tags}{before}.")
        return 0
    there = f"; {result.there} were there and stay as they are" if result.there else ""
    _say(f"{plan.project.name} has {result.added} more pictures with {result.regions} boxes{tags}{there}{before}.")
    if result.left_out:
        _say(f"{result.left_out} boxes were not taken: their pictures have as many as possible.")
    for name, why in result.refused.items():
        _say(f"refused: {name}: {why}")
    if result.regions:
        _say("The service takes these boxes as true: check each picture in the portal before `learn train`.")
    return 1 if result.refused else 0


def _push_to_blobs(
    folder: Path, found: StoredExamples, place: str, sas: Secret, *, dry_run: bool, as_json: bool
) -> int:
    from safetygear.clock import SystemClock
    from safetygear_inference.evidence.blob_container import AzureBlobContainer
    from safetygear_workbench.learn.blob_push import BlobPush
    from safetygear_workbench.learn.documents import read_document
    from safetygear_workbench.learn.half_way import telling_how_far
    from safetygear_workbench.learn.journal import Journal

    with Journal(folder, place, read_only=dry_run) as journal, shown_progress("sending") as bar:
        before = sum(journal.state(one.sha256) == "done" for one in found.whole)
        added = 0
        if not dry_run:
            pushing = BlobPush(AzureBlobContainer(), SystemClock(), bar.say)
            with telling_how_far(found.whole, journal, bar.say):
                added = asyncio.run(pushing.run(found.whole, place, sas, journal, bar)).added
    pending = len(found.whole) - before - added
    if as_json:
        counts = {"added": added, "pending": pending, "sentBefore": before, "dryRun": dry_run}
        _print_json({**read_document(found), "blob": place, **counts})
    elif dry_run:
        _say(f"{place} would get {pending} examples; {before} were sent before.")
    else:
        _say(f"{place} has {added} more examples; {before} were sent before.")
    return 0


def _push_to_folder(
    found: StoredExamples, wishes: Wishes, coco: Path | None, label_studio: Path | None, *, dry_run: bool, as_json: bool
) -> int:
    from safetygear_workbench.learn.coco_folder import write_coco
    from safetygear_workbench.learn.documents import read_document
    from safetygear_workbench.learn.label_studio_folder import write_label_studio
    from safetygear_workbench.learn.suggestions import counted

    folder = coco or label_studio
    assert folder is not None
    boxes = sum(counted((one.example for one in found.whole), wishes).values())
    if not dry_run:
        write: Callable[[Path, tuple[StoredExample, ...], Wishes, Callable[[int, int], None]], int]
        write = write_coco if coco is not None else write_label_studio
        with shown_progress("copying") as bar:
            boxes = write(folder, found.whole, wishes, bar)
    if as_json:
        _print_json({**read_document(found), "folder": str(folder), "boxes": boxes, "dryRun": dry_run})
    else:
        _say(f"{folder} {'would have' if dry_run else 'has'} {len(found.whole)} pictures with {boxes} boxes.")
    return 0


@contextmanager
def _service(target: Target) -> Iterator[CustomVision]:
    try:
        from safetygear_workbench.learn.custom_vision import CustomVision
    except ModuleNotFoundError as exc:
        raise UserError(
            f"`safetygear learn` with a project needs the package {exc.name}.",
            hint="Run `.venv/bin/pip install -c constraints.txt -e 'workbench[learn]'`.",
        ) from exc
    service = CustomVision(target.endpoint, target.project_id, target.key)
    try:
        yield service
    finally:
        service.close()


def _patience(told: Callable[[str], None]) -> Patience:
    from safetygear_workbench.learn.patience import Patience

    return Patience(time.sleep, told)


def _waiting(every_s: float, longest_s: float) -> Waiting:
    from safetygear_workbench.learn.project_training import Waiting

    return Waiting(every_s, longest_s, time.sleep, time.monotonic)


def _pair(text: str) -> tuple[str, str]:
    name, mark, value = text.partition("=")
    if not (name and mark and value):
        raise UserError(f"--map is {text!r}:", hint="write NAME=OTHER")
    return name, value


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _print_json(document: dict[str, Any]) -> None:
    _say(json.dumps(document, indent=2, ensure_ascii=False))
