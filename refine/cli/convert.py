"""``refine convert``: between file formats and skeletons."""

import click

from refine.cli.common import json_option, output_option, say, summary
from refine.cli.inputs import input_options, read_poses


@click.command("convert")
@click.argument("pred")
@output_option()
@input_options
@click.option("--to", metavar="FORMAT", help="Output format; by default that of the input.")
@click.option("--to-skeleton", metavar="NAME|FILE", help="Map the joints onto it by name.")
@click.option("--precision", type=int, help="Round coordinates to so many decimals.")
@json_option
def command(
    pred: str,
    output: str,
    from_: str | None,
    skeleton: str | None,
    images: str | None,
    keep_zeros: bool,
    to: str | None,
    to_skeleton: str | None,
    precision: int | None,
    as_json: bool,
) -> None:
    """Convert PRED, a file or a folder, and write it to OUT.

    Formats: coco, coco-gt, openpose, controlnet, alphapose, alphapose-cmu, alphapose-open, mmpose,
    ndjson. What a format has no place for is left out: the summary says how many joints.
    """
    from refine.formats import convert, write

    poses = read_poses(pred, from_, skeleton, images, keep_zeros)
    done = convert(poses, to_skeleton) if to_skeleton else poses
    write(done, output, to, precision=precision)
    facts = {
        "poses": len(done),
        "images": len(done.images),
        "format": to or done.meta["format"],
        "skeleton": done.skeleton.name,
        "joints_in": int(poses.present.sum()),
        "joints_out": int(done.present.sum()),
    }
    say(
        f"wrote {facts['poses']} poses as {facts['format']}, {facts['skeleton']}: "
        f"{facts['joints_out']} of {facts['joints_in']} joints"
    )
    if as_json:
        summary(facts, data_on_stdout=output == "-")
