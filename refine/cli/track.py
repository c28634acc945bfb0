"""`refine track`: who is who from frame to frame."""

import click

from refine.cli._batch import Written, inputs_argument
from refine.cli._options import Input, input_options
from refine.cli._output import json_option, output_option
from refine.cli.run import refine_each
from refine.pipeline import Config


@click.command("track")
@inputs_argument
@output_option("Where to write; - is standard output; for several inputs a folder.")
@input_options
@click.option("--again", is_flag=True, help="Drop the tracks that poses have.")
@click.option(
    "--join-tracks",
    type=float,
    default=0.0,
    metavar="SECONDS",
    help="Join who was lost for up to so long, by motion, size and proportions of the body.  [off]",
)
@click.option("--fps", type=float, help="Frames per second, for that, where the file tells none.")
@click.option("--to", metavar="FORMAT", help="Output format; by default that of the input.")
@json_option
def command(
    pred: tuple[str, ...],
    output: str,
    inputs: Input,
    again: bool,
    join_tracks: float,
    fps: float | None,
    to: str | None,
    keep_going: bool,
    as_json: bool,
) -> None:
    """Give the poses in PRED track ids, frame by frame, and write all of them to OUT.

    Frames are told by `frame_id` or by the numbers that end names. Poses are assigned by OKS with
    where each track should be by now; ids are never used twice. Tracks that poses have are kept
    unless --again drops them.
    """
    config = Config(steps=("track",), retrack=again, join_tracks=join_tracks, fps=fps)
    written = Written(to, None, None, False)
    refine_each(pred, output, inputs, config, written, keep_going=keep_going, as_json=as_json)
