"""`refine smooth`: gaps, flips, jumps and jitter of tracks."""

from typing import get_args

import click

from refine._types import Smoothing
from refine.cli._batch import Written, inputs_argument
from refine.cli._options import Input, input_options
from refine.cli._output import json_option, output_option
from refine.cli.run import refine_each
from refine.pipeline import Config


@click.command("smooth")
@inputs_argument
@output_option("Where to write; - is standard output; for several inputs a folder.")
@input_options
@click.option("--fps", type=float, help="Frames per second, where the file does not tell.")
@click.option(
    "--weights",
    metavar="NAME|FILE",
    default="pennaction13",
    show_default=True,
    help="Of --method learned.",
)
@click.option(
    "--method",
    type=click.Choice(get_args(Smoothing)),
    default="paths",
    show_default=True,
    help="How.",
)
@click.option(
    "--longest-gap",
    type=float,
    default=0.5,
    show_default=True,
    help="Seconds, of gaps that are filled; 0 fills none.",
)
@click.option(
    "--unswap/--no-unswap",
    default=True,
    help="Put left and right, and persons who were exchanged, back.  [unswap]",
)
@click.option("--to", metavar="FORMAT", help="Output format; by default that of the input.")
@click.option("--precision", type=click.IntRange(0, 12), help="Decimals of all coordinates.")
@json_option
def command(
    pred: tuple[str, ...],
    output: str,
    inputs: Input,
    fps: float | None,
    method: Smoothing,
    longest_gap: float,
    weights: str,
    unswap: bool,
    to: str | None,
    precision: int | None,
    keep_going: bool,
    as_json: bool,
) -> None:
    """Smooth the tracks in PRED, a video's poses, and write them to OUT.

    Left and right, and persons, that change places are put back, gaps filled, jumps and jitter
    removed; nothing is carried from one track to another. Poses without tracks need `refine track`
    before, unless no image holds more than one.

    With --method learned a network tells which places are wrong, and they count less.
    """
    steps = ("unswap",) * unswap + ("gaps",) * (longest_gap > 0) + ("smooth",)
    config = Config(
        steps=steps,
        fps=fps,
        smoothing=method,
        smoothing_weights=weights,
        longest_gap=longest_gap or 1.0,
    )
    written = Written(to, None, precision, False)
    refine_each(pred, output, inputs, config, written, keep_going=keep_going, as_json=as_json)
