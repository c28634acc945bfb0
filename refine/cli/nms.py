"""`refine nms`: duplicates out, by OKS."""

from typing import Any, get_args

import click

from refine._types import AreaRule
from refine.cli._batch import for_each, inputs_argument
from refine.cli._options import Input, input_options, read_poses, threads_option, write_poses
from refine.cli._output import json_option, output_option, say

_METHODS = ["nms", "soft-gaussian", "soft-linear"]
FEW = 20_000
"""Pairs of poses on one image that are compared sooner than what is compiled is loaded: .1 s."""


@click.command("nms")
@inputs_argument
@output_option("Where to write; - is standard output; for several inputs a folder.")
@input_options
@click.option("--method", type=click.Choice(_METHODS), default="nms", show_default=True)
@click.option("--threshold", type=float, default=0.9, show_default=True, help="OKS.")
@click.option(
    "--area",
    type=click.Choice(get_args(AreaRule)),
    default="keypoints",
    show_default=True,
    help="What stands for the size of a pose.",
)
@click.option("--score-threshold", type=float, help="Remove poses with a lower (decayed) score.")
@click.option("--visible-threshold", type=float, help="Count only joints with a higher score.")
@click.option("--max-poses", type=int, help="Keep no more than these per image.")
@click.option(
    "--merge", is_flag=True, help="Average duplicates into the pose that stays, by score and OKS."
)
@click.option("--compat", is_flag=True, help="Joint visibility as HRNet and AlphaPose have it.")
@threads_option
@click.option("--to", metavar="FORMAT", help="Output format; by default that of the input.")
@json_option
def command(
    pred: tuple[str, ...],
    output: str,
    inputs: Input,
    to: str | None,
    keep_going: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Remove duplicate poses from PRED and write the others, in their order, to OUT.

    Several inputs, or a pattern in quotes, are done one by one and written to the folder OUT.
    The soft methods write the decayed scores and remove nothing unless --score-threshold or
    --max-poses asks for it.
    """
    import numpy as np

    from refine._kernel import interpreted
    from refine.suppression import suppress

    def thin(source: str, target: str) -> dict[str, Any]:
        poses = read_poses(source, inputs)
        pairs = int((np.bincount(poses.image) ** 2).sum())
        # Decayed scores would differ in their last digits.
        few = len(pred) == 1 and pairs <= FEW and not options["merge"]
        with interpreted(few and options["method"] == "nms"):
            kept = suppress(poses, **options)
        written = write_poses(kept, target, to, inputs.images, None)
        facts = {
            "poses_in": len(poses),
            "poses_out": len(kept),
            "images": len(poses.images),
            **written,
            **kept.history[-1].parameters,
        }
        say(f"{len(poses)} poses on {len(poses.images)} images: {facts['removed']} removed")
        return facts

    for_each(pred, output, thin, to=to, keep_going=keep_going, as_json=as_json)
