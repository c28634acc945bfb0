"""``refine convert``: between file formats and skeletons."""

from typing import TYPE_CHECKING, Any

import click

from refine.cli._formats import WithFormats
from refine.cli._options import Input, input_options, read_poses, write_poses
from refine.cli._output import json_option, output_option, say, summary

if TYPE_CHECKING:
    from refine.skeletons import Skeleton


@click.command("convert", cls=WithFormats)
@click.argument("pred", type=click.Path())
@output_option()
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
@json_option
def command(
    pred: str,
    output: str,
    inputs: Input,
    to: str | None,
    to_skeleton: str | None,
    precision: int | None,
    visible_above: float | None,
    as_json: bool,
) -> None:
    """Convert PRED, a file or a folder, and write it to OUT.

    Joints that the other skeleton lacks are left out, as are, in COCO results, images without
    poses; the summary counts them. With --sizes, COCO files get the ids of that file.
    """
    from refine.formats import format_for
    from refine.formats.coco import visibility
    from refine.formats.containers import check_name

    check_name(output)
    poses = read_poses(pred, inputs)
    done = poses.to(to_skeleton) if to_skeleton else poses
    if visible_above is not None:
        if (to or format_for(done, output)) != "coco-gt":
            raise click.UsageError("--visible-above is for annotations, --to coco-gt")
        done = done.replace(score=visibility(done, visible_above), score_kind="flag")
    found, notes = write_poses(done, output, to, inputs.images, precision)
    facts: dict[str, Any] = {
        "poses": len(done),
        "images": len(done.images),
        "format": found,
        "skeleton": done.skeleton.name,
        "joints_in": int(poses.present.sum()),
        "joints_out": int(done.present.sum()),
        "notes": [*poses.meta.get("notes", ()), *notes],
        **_quality(done.skeleton, poses.skeleton),
    }
    say(
        f"wrote {facts['poses']} poses as {found}, {facts['skeleton']}: "
        f"{facts['joints_out']} of {facts['joints_in']} joints"
    )
    for kind in ("near", "none"):
        if facts[kind]:
            told = "about the same point" if kind == "near" else "no source"
            say(f"{told}: {', '.join(facts[kind])}")
    if as_json:
        summary(facts, data_on_stdout=output == "-")


def _quality(target: "Skeleton", source: "Skeleton") -> dict[str, list[str]]:
    """Name the joints that another skeleton has only nearby, and those that it lacks."""
    quality = zip(target.joints, target.map_from(source)[1], strict=True)
    told: dict[str, list[str]] = {"near": [], "none": []}
    for joint, kind in quality:
        if kind in told and not (target == source or joint in target.derived):
            told[kind].append(joint)
    return told
