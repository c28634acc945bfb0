"""`refine stats`: measure error statistics that `refine train --stats` takes."""

import sys
from pathlib import Path

import click

from refine.cli._options import Input, input_options
from refine.cli._output import json_option, output_option, say, summary
from refine.cli._truth import Truth, ground_truth_options


@click.command("stats")
@click.argument("predictions", metavar="PRED")
@ground_truth_options("max_dets")
@output_option("Where to write the TOML; - is standard output.")
@click.option("--name", help="Of the statistics.  [name of OUT]")
@click.option("--source", metavar="TEXT", help="What was measured, in words.  [name of PRED]")
@click.option(
    "--without",
    multiple=True,
    metavar="FILE[:KEY]",
    help="These images do not count; may be given several times.",
)
@input_options
@json_option
def command(
    predictions: str,
    output: str,
    name: str | None,
    source: str | None,
    without: tuple[str, ...],
    as_json: bool,
    inputs: Input,
    truth: Truth,
) -> None:
    """Measure how an estimator errs: rates, distances, omissions, scores.

    PRED is a file of any format that `refine convert` reads. OUT holds statistics only, nothing
    of the data; `refine train --stats OUT` draws errors from it.
    """
    from refine.cli._options import read_image_ids
    from refine.errors.measure import measure_statistics
    from refine.errors.toml import statistics_to_toml
    from refine.files import write_bytes

    persons, ids = truth.read_with_sigmas(inputs), truth.image_ids
    if without:
        left_out = {i for file in without for i in read_image_ids(file)}
        ids = [i for i in (persons.ids if ids is None else ids) if i not in left_out]
    poses, warnings = truth.read_predictions(predictions, persons, inputs)
    statistics = measure_statistics(
        persons,
        poses,
        name=name or Path(output).stem.lstrip("-") or Path(predictions).stem,
        source=source or Path(predictions).name,
        command=_command(sys.argv[1:]),
        image_ids=ids,
        max_dets=truth.max_dets,
    )
    write_bytes(output, statistics_to_toml(statistics).encode())
    counts = statistics.counts
    kinds = ("good", "jitter", "inversion", "swap", "miss", "absent")
    joints = max(counts["joints"], 1)
    say(
        f"{counts['persons']} persons found on {counts['images']} images, {joints} joints: "
        + ", ".join(f"{kind} {counts[kind] / joints:.3f}" for kind in kinds)
    )
    if as_json:
        facts = {"name": statistics.name, "counts": counts, "warnings": warnings}
        summary(facts, data_on_stdout=output == "-")


def _command(arguments: list[str]) -> str:
    """Repeat the command without --source and without folders, which tell of a machine."""
    words, skip = ["refine"], False
    for word in arguments:
        if not skip and not word.startswith("--source"):
            words.append(word.rpartition("/")[2])
        skip = word == "--source"
    return " ".join(words)
