"""``refine convert``: between file formats and skeletons."""

from typing import TYPE_CHECKING, Any

import click

from refine.cli._batch import Written, for_each, inputs_argument
from refine.cli._corpus import refine_corpus
from refine.cli._formats import WithFormats
from refine.cli._options import Input, input_options, read_poses, write_poses
from refine.cli._output import json_option, output_option, say
from refine.cli._sharding import Sharding, sharding_options, takes_shards

if TYPE_CHECKING:
    from refine.skeletons import Skeleton


@click.command("convert", cls=WithFormats)
@inputs_argument
@output_option("Where to write; - is standard output; for several inputs a folder.")
@input_options
@click.option("--to", metavar="FORMAT", help="Output format; by default that of the input.")
@click.option("--to-skeleton", metavar="NAME|FILE", help="Map the joints onto it by name.")
@click.option(
    "--precision", type=click.IntRange(0, 12), help="Round all coordinates.  [as they are]"
)
@click.option(
    "--visible-above",
    type=float,
    metavar="SCORE",
    help="In annotations v is 2 for joints with a higher score, else 1.  [0.3]",
)
@click.option(
    "--mend",
    "mends",
    multiple=True,
    metavar="WAY",
    help="Mend what `refine check` found, in a way that it names: swap-xy, swap-sides, mirror, "
    "scale=FX,FY, shift=DX,DY, letterbox=SIDE, ids=GT.json, ... Several are done in their order.",
)
@sharding_options
@json_option
def command(
    pred: tuple[str, ...],
    output: str,
    inputs: Input,
    to: str | None,
    to_skeleton: str | None,
    precision: int | None,
    visible_above: float | None,
    mends: tuple[str, ...],
    sharding: Sharding,
    keep_going: bool,
    as_json: bool,
) -> None:
    """Convert PRED, a file or a folder, and write it to OUT.

    Several, or a pattern in quotes, are converted one by one and written to the folder OUT.
    Joints that the other skeleton lacks are left out, as are, in COCO results, images without
    poses; the summary counts them. With --sizes, COCO files get the ids of that file.
    What is large, and data sets, are converted as `refine run` refines them, shard by shard.
    """
    from functools import reduce

    from refine.checks import mend
    from refine.corpus.storage import local
    from refine.formats import format_for
    from refine.formats.coco import visibility

    pred, output = tuple(map(local, pred)), local(output)
    plain = not mends and visible_above is None
    if sharding.asked and not plain:
        raise click.UsageError("--mend and --visible-above look at the whole: without --batch")
    if plain and takes_shards(pred, output, None, to, sharding):
        told = {"keep_going": keep_going, "as_json": as_json}
        written = Written(to, to_skeleton, precision, None)
        refine_corpus(pred, output, inputs, None, written, sharding, **told)
        return

    def change(source: str, target: str) -> dict[str, Any]:
        poses = reduce(mend, mends, read_poses(source, inputs))
        done = poses.to(to_skeleton) if to_skeleton else poses
        if visible_above is not None:
            if (to or format_for(done, target)) != "coco-gt":
                raise click.UsageError("--visible-above is for annotations, --to coco-gt")
            done = done.replace(score=visibility(done, visible_above), score_kind="flag")
        written = write_poses(done, target, to, inputs.images, precision)
        quality = _quality(done.skeleton, poses.skeleton)
        facts: dict[str, Any] = {
            "poses": len(done),
            "images": len(done.images),
            **written,
            "skeleton": done.skeleton.name,
            "joints_in": int(poses.present.sum()),
            "joints_out": int(done.present.sum()),
            **quality,
        }
        say(
            f"wrote {len(done)} poses as {written['format']}, {done.skeleton.name}: "
            f"{facts['joints_out']} of {facts['joints_in']} joints"
        )
        for kind, words in (("near", "about the same point"), ("none", "no source")):
            if quality[kind]:
                say(f"{words}: {', '.join(quality[kind])}")
        return facts

    for_each(pred, output, change, to=to, keep_going=keep_going, as_json=as_json)


def _quality(target: "Skeleton", source: "Skeleton") -> dict[str, list[str]]:
    """Name the joints that another skeleton has only nearby, and those that it lacks."""
    quality = zip(target.joints, target.map_from(source)[1], strict=True)
    told: dict[str, list[str]] = {"near": [], "none": []}
    for joint, kind in quality:
        if kind in told and not (target == source or joint in target.derived):
            told[kind].append(joint)
    return told
