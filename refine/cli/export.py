"""`refine export`: networks and the heatmap decoder as ONNX files, compared with torch."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from refine.cli._output import json_option, output_option, say, summary

if TYPE_CHECKING:
    from refine.onnx import Exportable

DECODER = "decoder"


@click.command("export")
@click.argument("what", metavar="[NAME|FILE.safetensors|decoder]", default="coco17")
@output_option("The ONNX file; - is standard output.")
@click.option("--int8", is_flag=True, help="Quantise: weights of eight bits, a third of the size.")
@click.option(
    "--flip/--no-flip",
    default=None,
    help="PoseFix: whether mirrored crops are looked at, too.  [flip]",
)
@click.option(
    "--method",
    type=click.Choice(["argmax", "quarter", "dark"]),
    help="Decoder: how keypoints are read off maps.  [dark]",
)
@click.option("--kernel", type=int, help="Decoder: blur of dark, cells.  [11]")
@click.option(
    "--compat",
    type=click.Choice(["hrnet", "mmpose"]),
    help="Decoder: do as this code base where a map has no peak.  [NaN]",
)
@json_option
def command(
    what: str,
    output: str,
    int8: bool,
    flip: bool | None,
    as_json: bool,
    **decoder: Any,
) -> None:
    """Export a refiner, eyes, PoseFix or the heatmap decoder as an ONNX file.

    Any number of poses goes in at once. The refiner takes keypoints in image px and returns where
    it believes each joint, eyes (image, image-small) take crops and return maps, PoseFix takes
    crops, the decoder maps; the file's metadata tell joints, sizes, the hash of the weights and
    what every input and output means. The file is
    compared with torch in onnxruntime, and only written if they agree.
    Needs pip install "refine-pose[export]".
    """
    if output != "-" and Path(output).suffix != ".onnx":
        raise click.UsageError(f"expected -o to name an .onnx file, got {output}")
    given = {name: value for name, value in decoder.items() if value is not None}
    if what == DECODER:
        if int8 or flip is not None:
            raise click.UsageError("the decoder has no weights: neither --int8 nor --flip serve it")
        model = _decoder(given)
    else:
        if given:
            raise click.UsageError(f"--{next(iter(given))} is an option of `refine export decoder`")
        model = _network(what, flip)
    from refine.files import write_bytes
    from refine.onnx import CHECKED, export_onnx

    data, found = export_onnx(model, int8=int8)
    write_bytes(output, data)
    worst = max(found, key=lambda name: found[name])
    say(
        f"{model.facts['kind']}, {len(data) / 1000:,.0f} kB{', int8' if int8 else ''}: "
        f"{CHECKED} random rows differ from torch by {found[worst]:.2g} at most, in {worst}"
    )
    if as_json:
        facts = {"kind": model.facts["kind"], "int8": int8, "bytes": len(data)}
        summary(facts | {"largest_difference": found}, data_on_stdout=output == "-")


def _decoder(options: dict[str, Any]) -> "Exportable":
    from refine.decoding.heatmap.export import exportable_decoder
    from refine.decoding.heatmap.torch import TorchHeatmapDecoder

    return exportable_decoder(TorchHeatmapDecoder(**options))


def _network(what: str, flip: bool | None) -> "Exportable":
    from refine.refiner.eyes.weights import KIND as EYES, load_eye_weights
    from refine.refiner.image.weights import KIND as POSEFIX, load_image_weights

    if POSEFIX.holds(what):
        from refine.refiner.image.export import exportable_image_refiner

        return exportable_image_refiner(*load_image_weights(what), flip=flip is not False)
    if flip is not None:
        raise click.UsageError("--flip is an option of PoseFix, these weights look once or at none")
    if EYES.holds(what):
        from refine.refiner.eyes.export import exportable_eye

        return exportable_eye(*load_eye_weights(what))
    from refine.refiner.pose.export import exportable_refiner
    from refine.refiner.pose.weights import load_network

    return exportable_refiner(*load_network(what))
