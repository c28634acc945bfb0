"""`refine eval`: one table for any number of prediction files."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from refine._types import AreaRule
from refine.cli._options import Input, input_options, read_poses
from refine.cli._output import say, table
from refine.cli._sharding import parts_of, reading_of
from refine.cli._truth import Truth, ground_truth_options
from refine.exceptions import FormatError

if TYPE_CHECKING:
    from refine.evaluation.ground_truth import GroundTruth
    from refine.evaluation.parts import Options
    from refine.poses import Poses

    Parts = Iterator[tuple[str, Poses]]

VIDEO = ("temporal", "tracking", "posetrack")
"""Metrics of videos."""


@click.command("eval")
@click.argument("predictions", nargs=-1, required=True, metavar="PRED...")
@ground_truth_options("keep_going", "max_dets")
@click.option(
    "--metric",
    type=click.Choice(["oks", "pckh", *VIDEO]),
    default="oks",
    show_default=True,
    help="temporal: error, PCK, jitter, gaps and swaps over a video; tracking: IDF1 and MOTA; "
    "posetrack: MOTA joint by joint, in head sizes.",
)
@click.option(
    "--before",
    metavar="FILE",
    help="What PRED was made of: how gaps were filled, and swaps and switches mended.",
)
@click.option(
    "--area",
    type=click.Choice(["auto", *get_args(AreaRule)]),
    default="auto",
    show_default=True,
    help="Area of predictions; it moves APM and APL. auto: box if the first pose has one.",
)
@click.option(
    "--backend",
    type=click.Choice(["refine", "pycocotools"]),
    default="refine",
    show_default=True,
    help="Who counts OKS; both find the same figures.",
)
@input_options
@click.option("--json", "as_json", is_flag=True, help="Print all figures as JSON.")
def command(
    predictions: tuple[str, ...],
    metric: str,
    before: str | None,
    area: Any,
    backend: Any,
    as_json: bool,
    inputs: Input,
    truth: Truth,
) -> None:
    """Score poses against ground truth: COCO AP and AR as pycocotools has them, PCKh, or a video's.

    PRED are files of any format that `refine convert` reads; those that do not tell their joints
    have the annotations' own, if as many. A pattern in quotes, a folder of NDJSON or Parquet and a
    large file are read in parts, with the figures of the whole. Images without predictions count.
    Categories are scored one by one; CrowdPose's images also by crowding, AP(E), AP(M) and AP(H).
    """
    if before and metric not in ("temporal", "tracking"):
        raise click.UsageError("--before is for --metric temporal and tracking")
    if metric in VIDEO:
        _follow(predictions, metric, before, as_json, inputs, truth)
        return
    from refine.evaluation.parts import Options
    from refine.files import dump_json
    from refine.report.tables import evaluation_table

    persons = truth.read(inputs)
    options = Options(
        truth.sigma_source(), truth.image_ids, truth.max_dets, area, truth.strict, backend
    )
    reports: dict[str, Any] = {}
    for name in predictions:
        parts = _parts(name, inputs, persons)
        if parts is None:
            poses = read_poses(name, inputs, persons.skeleton, plain=True)
            reports[name] = _score(persons, poses, metric, options)
        else:
            reports[name] = _score_parts(persons, parts, metric, options)
        for text in getattr(reports[name], "warnings", ()):
            say(f"{name}: {text}")
    if as_json:
        click.echo(dump_json({name: r.to_dict() for name, r in reports.items()}).decode())
    elif metric == "pckh":
        rows = [[n, f"{r.mean:.4f}", r.poses, r.persons] for n, r in reports.items()]
        click.echo(table(["predictions", "PCKh@0.5", "poses", "persons"], rows))
    else:
        click.echo(table(*evaluation_table(reports)))
        first = next(iter(reports.values()))
        say(
            f"sigmas of {first.sigmas}"
            + ("" if first.official_sigmas else ", not those published: compares with nothing")
        )


def _score(persons: "GroundTruth", poses: "Poses", metric: str, options: "Options") -> Any:
    from refine.evaluation.coco import evaluate_counted
    from refine.evaluation.pck import evaluate_pckh

    if metric == "pckh":
        return evaluate_pckh(persons, poses, image_ids=options.image_ids, strict=options.strict)
    return evaluate_counted(persons, poses, options).report


def _parts(name: str, inputs: Input, persons: "GroundTruth") -> "Parts | None":
    """Return predictions that come in parts, None of a file that is read as a whole."""
    from refine.corpus.evaluation import read_parts

    places = parts_of(name)
    if places is None:
        return None
    try:
        return read_parts(places, reading_of(inputs, persons.skeleton))
    except FormatError:
        if places == [name] and Path(name).is_file():
            return None  # Not made to be cut: lines without ids, or of one image in many places.
        raise


def _score_parts(persons: "GroundTruth", parts: "Parts", metric: str, options: "Options") -> Any:
    """Score predictions that come in parts, one after the other."""
    from refine.evaluation.coco import evaluate_parts
    from refine.evaluation.pck import evaluate_pckh_parts

    if metric == "pckh":
        return evaluate_pckh_parts(
            persons, parts, image_ids=options.image_ids, strict=options.strict
        )
    return evaluate_parts(persons, parts, options).report


def _follow(
    predictions: tuple[str, ...],
    metric: str,
    before: str | None,
    as_json: bool,
    inputs: Input,
    truth: Truth,
) -> None:
    """Score the tracks of videos; the truth is poses with tracks, of any format."""
    from refine.files import dump_json
    from refine.motion import evaluate_motion, evaluate_posetrack, evaluate_tracking

    if parts := [name for name in predictions if parts_of(name) is not None]:
        raise FormatError(
            f"expected one file for --metric {metric}, got parts: it follows persons from frame to "
            "frame",
            where=parts[0],
        )
    true = read_poses(truth.path, inputs)
    given = read_poses(before, inputs, true.skeleton) if before else None
    reports: dict[str, dict[str, Any]] = {}
    for name in predictions:
        poses = read_poses(name, inputs, true.skeleton)
        if metric == "temporal":
            figures = evaluate_motion(true, poses, given).to_dict()
        elif metric == "tracking":
            figures = evaluate_tracking(true, poses, before=given).to_dict()
        else:
            figures = evaluate_posetrack(true, poses).to_dict()
        reports[name] = {**figures.pop("pck", {}), **figures}
    if as_json:
        click.echo(dump_json(reports).decode())
        return
    flat = [dict(_flat(figures)) for figures in reports.values()]
    rows = [[name, *(_spelt(each[name]) for each in flat)] for name in flat[0]]
    click.echo(table(["figure", *reports], rows))


def _flat(figures: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield figures, those of joints one by one."""
    for name, value in figures.items():
        yield from value.items() if isinstance(value, dict) else [(name, value)]


def _spelt(value: float) -> str:
    """Spell a figure; a dash where there is nothing to tell."""
    if value != value:
        return "-"
    return f"{value:.4f}" if isinstance(value, float) else str(value)
