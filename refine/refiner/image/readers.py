"""Weights by name: which reader of crops they are, an eye with its fusion or a trained network."""

from pathlib import Path

from refine.refiner.eyes.eye import load_eye
from refine.refiner.eyes.weights import KIND as EYES
from refine.refiner.fusion.reader import FusionReader
from refine.refiner.fusion.source import SourceProfile
from refine.refiner.fusion.weights import KIND as FUSIONS, load_fusion
from refine.refiner.image.network_reader import NetworkReader
from refine.refiner.image.weights import load_image_weights
from refine.refiner.prediction import CropReader
from refine.skeletons import Skeleton

FUSION = "image"
"""The fusion of eyes that have none of their own."""


def load_reader(
    weights: str | Path,
    body: Skeleton,
    *,
    flip: bool = True,
    preset: str | None = None,
    profile: SourceProfile | None = None,
) -> CropReader:
    """Load shipped eyes by name, eyes of a file, or a network of `refine train --images`.

    Args:
        weights: "image", "image-small", a .safetensors file, or an .onnx file with a preset.
        body: the image-free refiner's skeleton.
        flip: also look at the mirrored crops and take the mean of both.
        preset: of an .onnx file.
        profile: of the source, for eyes.

    Raises:
        WeightsError: no such weights, or a damaged file.
        FormatError: a file that cannot be read.
        RefineError: see `refine.refiner.eyes.eye.eye_from_onnx`.
    """
    if preset is None and not EYES.holds(weights):
        network, facts = load_image_weights(weights)
        return NetworkReader(network, facts, body, flip)
    own = str(weights) if str(weights) in FUSIONS.shipped() else FUSION
    return FusionReader(load_eye(weights, preset), load_fusion(own), body, profile, flip)
