"""`refine calibrate`: learn from annotated images how far a source is to be trusted."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from refine.cli._options import Input, input_options
from refine.cli._output import json_option, output_option, say, summary, table
from refine.cli._truth import Truth, ground_truth_options

if TYPE_CHECKING:
    from refine.calibration.measure import CalibrationReport


@click.command("calibrate")
@click.argument("pred")
@ground_truth_options("keep_going", argument=True)
@output_option("Where to write the calibration (JSON); - is standard output.")
@click.option("--weights", metavar="NAME|FILE", default="coco17", help="Weights of the refiner.")
@click.option("--picture", metavar="OUT.png", help="Draw what was expected against what came.")
@input_options
@json_option
def command(
    pred: str,
    output: str,
    weights: str,
    picture: str | None,
    as_json: bool,
    inputs: Input,
    truth: Truth,
) -> None:
    """Calibrate the refiner for the source of PRED, whose images GT annotates.

    PRED is a file of any format that `refine convert` reads, as the source gave it; GT are COCO
    keypoint annotations. `refine run --calibration OUT` takes the result. What it is worth is
    told by cross-validation: every fifth of the images is measured with a calibration fitted on
    the others.
    """
    from dataclasses import replace

    from refine.calibration import write_calibration
    from refine.calibration.fit import calibrate, read_sample
    from refine.calibration.measure import measure
    from refine.files import write_bytes
    from refine.refiner.pose.refiner import Refiner

    persons, ids = truth.read_with_sigmas(inputs), truth.image_ids
    refiner = Refiner.load(weights)
    poses, warnings = truth.read_predictions(pred, persons, inputs)
    sample = read_sample(persons, poses, refiner, image_ids=ids, strict=truth.strict)
    found = calibrate(sample, refiner)
    report = measure(sample, refiner, persons, image_ids=ids)
    facts = {"source": Path(pred).name, **report.to_dict()}
    write_calibration(replace(found, facts=facts), output)
    if picture:
        from refine.drawing.reliability import draw_reliability

        write_bytes(picture, draw_reliability(report))
    say(_table(report))
    if as_json:
        summary({**facts, "warnings": warnings}, data_on_stdout=output == "-")


def _table(report: "CalibrationReport") -> str:
    from refine.report.tables import calibration_table

    told = (
        f"{report.images} images, {report.poses} poses, {report.joints} labelled joints; "
        "measured on images that were not learned from:"
    )
    return f"{told}\n{table(*calibration_table(report))}"
