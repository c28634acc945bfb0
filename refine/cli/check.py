"""`refine check`: what is wrong with a file, why, and what mends it."""

from typing import Any

import click

from refine.cli._options import Input, input_options
from refine.cli._output import json_option, say


@click.command("check")
@click.argument("pred", metavar="PRED")
@click.option("--gt", metavar="GT.json", help="COCO keypoint annotations of the same images.")
@click.option("--strict", is_flag=True, help="Exit with 1 where something was found.")
@input_options(pictures=True)
@json_option
def command(pred: str, gt: str | None, strict: bool, as_json: bool, inputs: Input) -> Any:
    """Look for what is wrong with the poses in PRED, before it costs a day.

    Each finding tells where, the likely cause, and the command that mends it. With --gt also what
    only shows beside annotations: ids, axes, left and right, scale and shift; with a folder of
    pictures in --images, sizes and EXIF. Nothing is written.
    """
    from refine.checks import check
    from refine.files import dump_json

    found = check(
        pred,
        gt,
        inputs.pictures,
        format=inputs.format,
        skeleton=inputs.skeleton,
        images=inputs.images,
        category=inputs.category,
    )
    if as_json:
        click.echo(dump_json({"file": pred, "findings": [f.to_dict() for f in found]}).decode())
    else:
        for finding in found:
            click.echo(str(finding))
        say(f"{pred}: {len(found) or 'nothing'} found")
    return 1 if strict and found else 0
