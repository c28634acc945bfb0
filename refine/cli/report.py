"""`refine report`: one page that shows how good poses are, what changed, and what to look at."""

import hashlib
import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from refine.cli._batch import PARTIAL
from refine.cli._options import Input, input_options, read_poses
from refine.cli._output import json_option, output_option, say, summary
from refine.cli._truth import Truth, ground_truth_options

if TYPE_CHECKING:
    from refine.checks import Finding
    from refine.evaluation.ground_truth import GroundTruth
    from refine.report.subject import File

_CASES = 60
_FILES = 6
"""That charts can tell apart."""


@click.command("report")
@click.argument("predictions", nargs=-1, required=True, metavar="PRED...")
@output_option("Where to write the page (HTML); - is standard output.")
@ground_truth_options("keep_going", "max_dets", required=False)
@click.option(
    "--cases",
    type=click.IntRange(0, 500),
    default=_CASES,
    show_default=True,
    help="Most persons that are shown as crops.",
)
@click.option("--fps", type=float, help="Of a video: frames per second, if the files do not tell.")
@click.option(
    "--exif/--no-exif",
    default=True,
    help="Turn pictures as their EXIF says, as cv2 did for who predicted with it.  [exif]",
)
@input_options(pictures="Folder of pictures: crops show the poses in their own.")
@json_option
def command(
    predictions: tuple[str, ...],
    output: str,
    cases: int,
    fps: float | None,
    exif: bool,
    as_json: bool,
    inputs: Input,
    truth: Truth,
) -> None:
    """Write one page about the poses in PRED: figures, charts, and the cases to look at.

    The first PRED is what the others are compared with, say before and after `refine run`. With
    --gt the page has what `refine eval`, `diagnose` and `calibrate` find; without it, what changed.
    With a folder of pictures in --images, crops show them. Tracks of a video have a section. The
    page is one file, needs no network, and opens in any browser.
    """
    if len(predictions) > _FILES:
        raise click.UsageError(f"expected at most {_FILES} files, got {len(predictions)}")
    try:
        import jinja2 as jinja2
        import matplotlib as matplotlib
    except ImportError as error:
        raise click.UsageError(f"{error}: pip install 'refine-pose[report]'") from None
    from refine.evaluation.parts import Options
    from refine.files import write_bytes
    from refine.report.page import report_html
    from refine.report.subject import Subject

    persons = truth.read(inputs) if truth.path else None
    options = Options(truth.sigma_source(), truth.image_ids, truth.max_dets, "auto", truth.strict)
    subject = Subject(
        files=[
            _read(path, name, inputs, persons)
            for path, name in zip(predictions, _names(predictions), strict=True)
        ],
        truth=persons,
        truth_sha256=_digest(truth.path),
        options=options,
        pictures=inputs.pictures,
        exif=exif,
        cases=cases,
        fps=fps,
        command=shlex.join(["refine", *sys.argv[1:]]),
        made=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
    )
    page, facts = report_html(subject)
    write_bytes(output, page)
    for path, warnings in facts.get("warnings", {}).items():
        for text in warnings:
            say(f"{path}: {text}")
    for note in facts["notes"]:
        say(f"{output}: {note}")
    say(f"{output}: {len(page) / 1e6:.1f} MB, {facts['cases']} cases of {facts['rows']} persons")
    if as_json:
        summary({"bytes": len(page), **facts}, data_on_stdout=output == "-")
    if facts["pictures_left_out"]:
        raise click.exceptions.Exit(PARTIAL)


def _read(path: str, name: str, inputs: Input, persons: "GroundTruth | None") -> "File":
    from refine.report.subject import File

    poses = read_poses(path, inputs, None if persons is None else persons.skeleton)
    if path == "-":
        return File(path, name, poses)
    findings, notes = _check(path, inputs, persons)
    notes = [*poses.meta.get("notes", ()), *notes]
    return File(path, name, poses, _digest(path), findings, notes)


def _check(
    path: str, inputs: Input, persons: "GroundTruth | None"
) -> "tuple[list[Finding], list[str]]":
    """Return what `refine check` finds, and what kept it from looking at the pictures."""
    from refine.checks import run_checks
    from refine.checks.reading import read_subject
    from refine.exceptions import FormatError

    def look(pictures: str | None) -> "list[Finding]":
        subject = read_subject(
            path,
            persons,
            pictures,
            format=inputs.format,
            skeleton=inputs.skeleton,
            images=inputs.images,
            category=inputs.category,
        )
        return run_checks(subject)

    try:
        return look(inputs.pictures), []
    except FormatError as error:
        return look(None), [f"checked without pictures: {error}"]


def _digest(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest() if Path(path).is_file() else ""


def _names(paths: tuple[str, ...]) -> list[str]:
    """Name files by the shortest ends of their paths that tell all apart."""
    parts = [Path(path).parts for path in paths]
    for depth in range(1, max(map(len, parts)) + 1):
        names = ["/".join(each[-depth:]) for each in parts]
        if len(set(names)) == len(set(paths)):
            return names
    return list(paths)
