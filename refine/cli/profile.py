"""``refine profile``: what a source of poses is like, by pictures and without ground truth."""

from pathlib import Path

import click

from refine.cli._options import Input, input_options, read_poses
from refine.cli._output import json_option, output_option, progress_option, say, summary
from refine.cli._progress import count_poses


@click.command("profile")
@click.argument("pred")
@output_option("Where to write the profile.")
@input_options(pictures=True)
@click.option("--eyes", metavar="NAME|FILE", default="image", help="As of `refine run`.  [image]")
@click.option("--preset", metavar="NAME", help="Of an .onnx file, e.g. vitpose.")
@click.option("--weights", metavar="NAME|FILE", default="coco17", help="As of `refine run`.")
@click.option("--exif/--no-exif", default=True, help="As of `refine run`.  [exif]")
@progress_option
@json_option
def command(
    pred: str,
    output: str,
    inputs: Input,
    eyes: str,
    preset: str | None,
    weights: str,
    exif: bool,
    progress: bool | None,
    as_json: bool,
) -> None:
    """Learn what the errors of a source are like, from its poses in PRED and their pictures.

    No ground truth is needed; some fifty poses are enough. With `refine run --profile`, single
    pictures and streams of the source are then refined as a whole file is. Said is how the joints
    that the eyes see clearly lie in what they see; of COCO's own labels 34% lie within the densest
    half of what `image` sees, and 88% within nine tenths.
    """
    if inputs.pictures is None:
        raise click.UsageError("expected the pictures of the poses: --images DIR")
    from refine.refiner.fusion.source import save_profile
    from refine.refiner.image.refiner import ImageRefiner
    from refine.refiner.pose.refiner import Refiner

    poses = read_poses(pred, inputs)
    refiner = ImageRefiner.load(
        inputs.pictures, eyes, Refiner.load(weights), exif=exif, preset=preset
    )
    found = count_poses(len(poses), lambda bar: refiner.profile(poses, bar), progress)
    save_profile(output, found)
    facts = found.summary()
    say(
        "{poses} poses; of {clear} joints seen clearly {half:.0%} lie within the densest half of "
        "what is seen, {most:.0%} within nine tenths".format(**facts)
    )
    if as_json:
        summary({"source": Path(pred).name, **facts}, data_on_stdout=output == "-")
