"""`refine decode`: raw outputs of a network to COCO results."""

import json
from typing import Any

import click

from refine.cli._options import threads_option
from refine.cli._output import json_option, output_option, say, summary

FEW = 150
"""Heatmaps that are decoded sooner, a millisecond each, than what is compiled is loaded."""


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="MAPS...")
@output_option("COCO results to write; - is standard output.")
@click.option("--preset", required=True, help="The system that made the maps: `refine presets`.")
@click.option("--method", help="Another decoder: fit, argmax, quarter, second, dark, taylor, ...")
@click.option("--kernel", type=int, help="Blur size of dark, dark-udp, taylor and second.")
@click.option("--compat", help="Whose borders to reproduce: hrnet, mmpose, udp, rtmlib, ...")
@click.option("--flip-shift", type=float, help="Cells: 0.75 or 1 at stride 4, 0 for UDP.")
@click.option("--no-flip", is_flag=True, help="Leave the maps of the mirrored input out.")
@click.option("--padding", type=float, help="Growth of the boxes, where the crops come from boxes.")
@click.option("--score", help="Instance score: box*mean>0.2, box*mean, mean or box.")
@click.option("--skeleton", metavar="NAME|FILE", help="Skeleton of the maps.")
@click.option("--meta", metavar="JSON", help="What MAPS lacks; by default MAPS with suffix .json.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="Any other option of the preset's family, e.g. assignment=hungarian.",
)
@click.option(
    "--refine",
    is_flag=True,
    help="Read the maps again with what the refiner thinks: families heatmap and paf.",
)
@click.option("--weights", metavar="NAME|FILE", help="Weights of the refiner.  [coco17]")
@click.option(
    "--precision", type=click.IntRange(0, 12), default=3, show_default=True, help="Decimals."
)
@threads_option
@json_option
def command(
    files: tuple[str, ...],
    output: str,
    preset: str,
    meta: str | None,
    no_flip: bool,
    settings: tuple[str, ...],
    refine: bool,
    weights: str | None,
    precision: int,
    as_json: bool,
    **options: Any,
) -> None:
    """Turn raw outputs and their geometry into poses.

    MAPS are .npz, .npy or .safetensors files; arrays without a name are those that the preset
    needs. Of crops: `heatmaps` (N, K, H, W), perhaps `heatmaps_flipped_input`, and one of:
    `affine` (N, 2, 3) image to input; `center` and `scale` (units of 200 px); `box_xywh` or
    `box_xyxy`. Optional: `image_id` (else the digits of the file name), `input_size`, `box_score`.
    Of networks that see a whole image, one image a file: the arrays of the preset's family and
    `affine` (2, 3). Either way `scale` (input px per image px), `pad_left` and `pad_top` may
    stand for the affine. A JSON file beside MAPS, or meta.json with a table `images`, may hold
    what the arrays lack.
    """
    from refine._kernel import interpreted
    from refine.decoding import RawHeatmaps, decode, read_outputs
    from refine.decoding.sanity import count_blank
    from refine.exceptions import FormatError
    from refine.formats import FORMATS, prepared, write
    from refine.formats.containers import check_target
    from refine.poses import Poses

    check_target(output, FORMATS["coco"])
    if weights and not refine:
        raise click.UsageError("--weights needs --refine")
    given = {k: v for k, v in options.items() if v is not None}
    given |= dict(_setting(text) for text in settings)
    if no_flip:
        given["flip"] = False
    parts: list[Any] = []
    merged, blank = set(), 0
    for file in files:
        raw = read_outputs(file, preset, meta)
        merged.add(isinstance(raw, RawHeatmaps) and raw.flipped is not None and not no_flip)
        if len(merged) > 1:
            raise FormatError(
                "expected mirrored heatmaps in all files or in none",
                where=file,
                hint="--no-flip",
            )
        with interpreted(len(files) == 1 and _are_few(raw, preset, given)):
            parts.append(raw if refine else decode(raw, preset, **given))
        blank += count_blank(raw)
    if refine:
        from refine.refiner.pose.refiner import Refiner
        from refine.refiner.reread.files import reread

        poses = reread(parts, preset, Refiner.load(weights or "coco17"), **given)
    else:
        poses = Poses.concat(parts)
    _, notes = prepared(poses, "coco")
    write(poses, output, format="coco", precision=precision)
    for note in notes:
        say(f"{output}: {note}")
    if blank and refine:
        say(f"{blank} maps hold nothing but NaN: their joints are missing")
    told: dict[str, Any] = {"files": len(files), "poses": len(poses), "images": len(poses.images)}
    told |= {"blank_maps": blank} if blank else {}
    told |= {"notes": list(notes)} if notes else {}
    if as_json:
        for step in poses.history:
            told |= step.parameters
        summary(told, data_on_stdout=output == "-")
    else:
        say(f"{len(poses)} poses on {len(poses.images)} images from {len(files)} files")


def _are_few(raw: Any, preset: str, changes: dict[str, Any]) -> bool:
    """Return whether outputs are a few heatmaps, and their decoder is one of small patches."""
    from refine.decoding import get_preset

    system = get_preset(preset)
    method = changes.get("method", getattr(system.options, "method", None))
    patches = method in ("fit", "argmax", "quarter", "dark")
    return system.family == "heatmap" and patches and raw.heatmaps[..., 0, 0].size <= FEW


def _setting(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise click.BadParameter(f"expected NAME=VALUE, got {text!r}", param_hint="--set")
    try:
        return name.replace("-", "_"), json.loads(value)
    except ValueError:
        return name.replace("-", "_"), value
