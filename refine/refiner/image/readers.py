"""Weights by name: which reader of crops they are, an eye with its fusion or a trained network."""

import warnings
from pathlib import Path

from refine.exceptions import RefineWarning, WeightsError
from refine.refiner.eyes.eye import Eye, load_eye
from refine.refiner.eyes.weights import KIND as EYES
from refine.refiner.fusion.reader import FusionReader
from refine.refiner.fusion.source import SourceProfile
from refine.refiner.fusion.weights import KIND as FUSIONS, Fusion, load_fusion
from refine.refiner.image.network_reader import NetworkReader
from refine.refiner.image.weights import load_image_weights
from refine.refiner.prediction import CropReader
from refine.skeletons import Skeleton

FUSION = "image"
"""The fusion of eyes that have none of their own."""


def load_reader(
    weights: str | Path | Eye,
    body: Skeleton,
    *,
    flip: bool = True,
    preset: str | None = None,
    profile: SourceProfile | None = None,
) -> CropReader:
    """Load shipped eyes by name, eyes of a file, or a network of `refine train --images`.

    Args:
        weights: "image", "image-small", a .safetensors file, an .onnx file with a preset, or eyes
            themselves.
        body: the image-free refiner's skeleton.
        flip: also look at the mirrored crops and take the mean of both.
        preset: of an .onnx file.
        profile: of the source, for eyes.

    Raises:
        WeightsError: no such weights, a damaged file, a fusion of other eyes, or a profile that
            was made with others.
        FormatError: a file that cannot be read.
        RefineError: see `refine.refiner.eyes.eye.eye_from_onnx`.
    """
    if not isinstance(weights, Eye) and preset is None and not is_eye(weights):
        network, facts = load_image_weights(weights)
        if profile is not None:
            raise WeightsError(
                "expected eyes for a profile, got a network that takes sources as they come",
                where=str(weights),
                hint="--eyes image, or no --profile",
            )
        return NetworkReader(network, facts, body, flip)
    eye = weights if isinstance(weights, Eye) else load_eye(weights, preset)
    return FusionReader(eye, _fusion_for(eye, weights), body, profile, flip)


def is_eye(name: str | Path) -> bool:
    """Whether weights are eyes, for which sources are measured, and no network trained on crops."""
    told = str(name).lower().endswith((".onnx", EYES.suffix))
    return told or EYES.holds(name)


def _fusion_for(eye: Eye, name: str | Path | Eye) -> Fusion:
    """Return the fusion of eyes; that of `FUSION` where they have none of their own.

    A shipped one has the name of the eyes; that of a file lies beside it, for ``mine.onnx`` or
    ``mine.eye.safetensors`` ``mine.fusion.safetensors``.
    """
    own = None if isinstance(name, Eye) else _own_fusion(name)
    fusion = load_fusion(own or FUSION)
    if fusion.facts["eye"] == eye.weights:
        return fusion
    if own:
        raise WeightsError(
            f"expected the fusion of {eye.name} ({eye.weights}), got that of other eyes "
            f"({fusion.facts['eye']})",
            where=str(own),
            hint="`refine train --eyes` with these eyes",
        )
    warnings.warn(
        f"{eye.name} has no fusion of its own: how far it is to be trusted was measured with "
        f"other eyes ({FUSION}); `refine train --eyes` measures it",
        RefineWarning,
        stacklevel=2,
    )
    return fusion


def _own_fusion(name: str | Path) -> str | Path | None:
    if str(name) in EYES.shipped():
        return name if str(name) in FUSIONS.shipped() else None
    path = Path(name)
    stem = path.name.removesuffix(EYES.suffix).removesuffix(path.suffix)
    beside = path.with_name(stem + FUSIONS.suffix)
    return beside if beside.is_file() else None
