"""`refine decode`: raw outputs of a network to COCO results."""

from typing import Any

import click

from refine.cli.common import json_option, output_option, say, summary


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="MAPS...")
@output_option("COCO results to write; - is standard output.")
@click.option("--preset", required=True, help="The system that made the maps: `refine presets`.")
@click.option("--method", help="Another decoder: fit, argmax, quarter, second, dark, ...")
@click.option("--kernel", type=int, help="Blur size of dark, dark-udp and second.")
@click.option("--compat", help="Whose borders to reproduce: hrnet, mmpose, udp, rtmlib.")
@click.option("--flip-shift", type=float, help="Cells: 0.75 or 1 at stride 4, 0 for UDP.")
@click.option("--no-flip", is_flag=True, help="Leave the maps of the mirrored input out.")
@click.option("--padding", type=float, help="Growth of the boxes, where the crops come from boxes.")
@click.option("--score", help="Instance score: box*mean>0.2, box*mean, mean or box.")
@click.option("--skeleton", help="Name or file of the skeleton of the maps.")
@click.option("--meta", metavar="JSON", help="What MAPS lacks; by default MAPS with suffix .json.")
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True)
@json_option
def command(
    files: tuple[str, ...],
    output: str,
    meta: str | None,
    no_flip: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Turn heatmaps and crop geometry into poses.

    MAPS are .npz or .safetensors files with `heatmaps` (N, K, H, W), perhaps
    `heatmaps_flipped_input`, and one of: `affine` (N, 2, 3) image to input; `center` and `scale`
    (units of 200 px); `box_xywh` or `box_xyxy`. Optional: `image_id` (else the digits of the file
    name), `input_size`, `box_score`. A JSON file beside MAPS may hold what the arrays lack.
    """
    from refine.decode import decode, read_raw
    from refine.exceptions import FormatError
    from refine.formats import write
    from refine.poses import Poses

    parts, merged = [], set()
    for file in files:
        raw = read_raw(file, meta)
        merged.add(raw.flipped is not None and not no_flip)
        if len(merged) > 1:
            raise FormatError(
                "expected mirrored heatmaps in all files or in none",
                where=file,
                hint="--no-flip",
            )
        parts.append(decode(raw, flip=not no_flip, **options))
    poses = Poses.concat(parts)
    write(poses, output, format="coco")
    told = {"files": len(files), "poses": len(poses), "images": len(poses.images)}
    if as_json:
        summary({**told, **poses.history[-1].parameters}, data_on_stdout=output == "-")
    else:
        say(f"{len(poses)} poses on {len(poses.images)} images from {len(files)} files")
