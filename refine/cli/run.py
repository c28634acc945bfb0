"""``refine run``: the main job from file to file."""

import tomllib
from pathlib import Path
from typing import Any, get_args

import click

from refine._kernel import interpreted
from refine._types import AreaRule, Smoothing
from refine.cli._batch import Written, for_each, inputs_argument
from refine.cli._corpus import refine_corpus
from refine.cli._options import Input, input_options, read_poses, threads_option, write_poses
from refine.cli._output import (
    json_option,
    output_option,
    progress_option,
    say,
)
from refine.cli._progress import count_poses
from refine.cli._sharding import Sharding, sharding_options, takes_shards
from refine.corpus.storage import local
from refine.exceptions import FormatError, RefineError
from refine.files import read_bytes
from refine.pipeline import Config, run, steps as step_list
from refine.pipeline.runner import summarise

FEW = 50
"""Poses of a file that are refined sooner, 2 ms each, than what is compiled is loaded."""


def _list_steps() -> str:
    width = max(len(step.name) for step in step_list.STEPS)
    return "\b\nSteps, in their order:\n" + "\n".join(
        f"  {step.name:<{width}}  {step.help}" for step in step_list.STEPS
    )


@click.command("run", epilog=_list_steps())
@inputs_argument
@output_option("Where to write; - is standard output; for several inputs a folder.")
@input_options(pictures=True)
@click.option(
    "--steps",
    metavar="LIST",
    help=f"Comma-separated, out of {','.join(s.name for s in step_list.STEPS)}.",
)
@click.option("--no-refine", is_flag=True, help="Remove duplicates only.")
@click.option("--weights", metavar="NAME|FILE", help="Weights of the refiner.  [coco17]")
@click.option("--pictures", metavar="DIR", hidden=True, help="What --images was called.")
@click.option(
    "--eyes",
    metavar="NAME|FILE",
    help="What looks at the pictures: image, image-small, .safetensors, or an .onnx file of your "
    "own with --preset.  [image]",
)
@click.option("--picture-weights", hidden=True, help="What --eyes was called.")
@click.option("--preset", "eyes_preset", metavar="NAME", help="Of an .onnx file, e.g. vitpose.")
@click.option("--profile", metavar="FILE", help="What `refine profile` knows of the source.")
@click.option("--flip/--no-flip", default=None, help="Also look at mirrored crops.  [flip]")
@click.option(
    "--exif/--no-exif",
    default=None,
    help="Turn pictures as their EXIF says, as cv2 did for who predicted with it.  [exif]",
)
@click.option("--margin", type=float, help="Expected similarity that moving a joint must gain.")
@click.option(
    "--scores",
    metavar="RECIPE",
    help="Instance scores: blend, expected-oks, own, or published: box, mean, box*mean, hrnet, "
    "cpn, g-rmi, ae, openpose, openpose-cpp, alphapose, pifpaf, rle, ...  [blend]",
)
@click.option("--calibration", metavar="FILE", help="What `refine calibrate` knows of the source.")
@click.option(
    "--nms-threshold", type=float, help="OKS above which duplicates go.  [0.9, but for peers]"
)
@click.option(
    "--merge/--no-merge",
    default=None,
    help="Average duplicates into the pose that stays.  [where poses are refined]",
)
@click.option("--nms-area", type=click.Choice(get_args(AreaRule)))
@click.option("--again", is_flag=True, default=None, help="Refine poses that were refined before.")
@click.option("--fps", type=float, help="Frames per second, where the file does not tell.")
@click.option("--smoothing", type=click.Choice(get_args(Smoothing)), help="  [paths]")
@click.option("--smoothing-weights", metavar="NAME|FILE", help="Of learned.  [pennaction13]")
@click.option("--longest-gap", type=float, help="Seconds, of gaps that are filled.  [0.5]")
@click.option("--retrack", is_flag=True, default=None, help="Drop the tracks that poses have.")
@click.option(
    "--join-tracks",
    type=float,
    metavar="SECONDS",
    help="Let track join who was lost for up to so long.  [off]",
)
@click.option(
    "--lag",
    type=float,
    help="Seconds of video by which --stream may be behind with the steps for videos.  [1]",
)
@click.option("--config", metavar="FILE.toml", help="Read these options from a file; flags win.")
@click.option("--to", metavar="FORMAT", help="Output format; by default that of the input.")
@click.option("--to-skeleton", metavar="NAME|FILE", help="Map the joints onto it when done.")
@click.option(
    "--stream",
    is_flag=True,
    help="Refine NDJSON from - to - line by line, flushed at once; a bad line is answered by an "
    "error. With steps for videos, lines are frames, and come out --lag later.",
)
@click.option("--precision", type=click.IntRange(0, 12), help="Decimals of all coordinates.")
@sharding_options
@threads_option
@progress_option
@json_option
def command(
    pred: tuple[str, ...],
    output: str,
    to: str | None,
    to_skeleton: str | None,
    precision: int | None,
    progress: bool | None,
    keep_going: bool,
    as_json: bool,
    stream: bool,
    inputs: Input,
    sharding: Sharding,
    **options: Any,
) -> None:
    """Join, complete, correct, rescore and de-duplicate the poses in PRED and write them to OUT.

    PRED is a file or a folder of any format that `refine convert` reads; - is standard input.
    Several, or a pattern in quotes, are refined one by one and written to the folder OUT.
    With a folder of pictures in --images every pose is looked at again in its picture; pictures
    that cannot be read or do not fit are named, and the exit code is 4.
    Fragments of one person become one pose; nothing is dropped but duplicates.

    Large NDJSON and Parquet, data sets of them (folders, also partitioned, and URLs of fsspec) and
    thousands of files are done shard by shard in bounded memory, by --workers. A folder OUT keeps
    the names of the inputs.
    """
    options["pictures"] = inputs.pictures or options["pictures"]
    options["picture_weights"] = options.pop("eyes") or options["picture_weights"]
    config = _config_of(**options)
    if stream:
        if pred != ("-",) or output != "-":
            raise click.UsageError(
                "--stream reads standard input and writes standard output: - -o -"
            )
        from refine.cli._lines import refine_lines

        refine_lines(inputs, config)
        return
    written = Written(to, to_skeleton, precision, progress)
    pred, output = tuple(map(local, pred)), local(output)
    if takes_shards(pred, output, config, to, sharding):
        told = {"keep_going": keep_going, "as_json": as_json}
        refine_corpus(pred, output, inputs, config, written, sharding, **told)
        return
    refine_each(pred, output, inputs, config, written, keep_going=keep_going, as_json=as_json)


def refine_each(
    pred: tuple[str, ...],
    output: str,
    inputs: Input,
    config: Config,
    written: Written,
    **summaries: bool,
) -> None:
    """Refine files one by one; `summaries` are options of `for_each`."""
    for_each(
        pred,
        output,
        lambda source, target: _refine_file(source, target, inputs, config, written),
        to=written.to,
        **summaries,
    )


def _refine_file(
    source: str, target: str, inputs: Input, config: Config, written: Written
) -> dict[str, Any]:
    """Refine a file and return the facts of its summary."""
    from refine.poses import convert
    from refine.skeletons import skeleton

    body = skeleton(written.skeleton) if written.skeleton else None
    poses = read_poses(source, inputs)
    with interpreted(len(poses) <= FEW and not config.pictures):
        result = count_poses(len(poses), lambda bar: run(poses, config, bar), written.progress)
    if body:
        result = convert(result, body)
    told = write_poses(result, target, written.to, inputs.images, written.precision)
    new = result.history[len(poses.history) :]
    done = {step.name: step.parameters for step in new}
    sentence, counts = summarise(new)
    facts = {
        "poses_in": len(poses),
        "poses_out": len(result),
        "images": len(poses.images),
        **told,
        **counts,
        "weights": next((s.weights for s in new if s.weights), None),
        "steps": list(done),
    }
    outcome = f": {sentence}" if sentence else ""
    say(f"{len(poses)} poses on {len(poses.images)} images{outcome}")
    if look := done.get("look"):
        facts["poses_seen"] = look["poses"]
        facts["pictures_unread"], facts["pictures_unfit"] = (
            look.get(name, 0) for name in ("unread", "unfit")
        )
        facts["partial"] = bool(facts["pictures_unread"] or facts["pictures_unfit"])
        say(
            f"{facts['poses_seen']} poses looked at in their pictures; "
            f"{look['without_picture']} without a picture were refined without"
        )
    return facts


def _config_of(config: str | None, steps: str | None, no_refine: bool, **options: Any) -> Config:
    """Put together what a file and the flags ask for; flags win."""
    if no_refine and steps:
        raise click.UsageError("--no-refine and --steps exclude one another")
    table = _read_config(config) if config else {}
    table |= {key: value for key, value in options.items() if value is not None}
    if no_refine:
        table["steps"] = ["suppress"]
    elif steps is not None:
        table["steps"] = steps.split(",")
    return Config.from_table(table)


def _read_config(path: str) -> dict[str, Any]:
    if Path(path).suffix != ".toml":
        raise FormatError("expected a .toml file", where=path)
    try:
        table = tomllib.loads(read_bytes(path).decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FormatError(f"expected TOML, got: {error}", where=path) from None
    try:
        Config.from_table(table)
    except RefineError as error:
        raise RefineError(error.message, where=path, hint=error.hint) from None
    return table
