"""refine makes other people's poses better: decode, correct, rescore, de-duplicate, evaluate."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from refine.decoding import decode
    from refine.evaluation.coco import evaluate
    from refine.exceptions import RefineError
    from refine.formats import convert, read, sniff, write
    from refine.geometry import Crop, Grid
    from refine.pipeline import Config, run
    from refine.poses import ImageRef, Poses
    from refine.refiner.image.refiner import PictureRefiner
    from refine.refiner.pose.refiner import Refiner
    from refine.skeletons.registry import Skeleton, skeleton
    from refine.suppression.arrays import suppress

__version__ = "0.1.0"

__all__ = [
    "Config",
    "Crop",
    "Grid",
    "ImageRef",
    "PictureRefiner",
    "Poses",
    "RefineError",
    "Refiner",
    "Skeleton",
    "convert",
    "decode",
    "evaluate",
    "read",
    "run",
    "skeleton",
    "sniff",
    "suppress",
    "write",
]

_HOME = {
    "Config": "pipeline",
    "Crop": "geometry",
    "Grid": "geometry",
    "ImageRef": "poses",
    "PictureRefiner": "refiner.image.refiner",
    "Poses": "poses",
    "RefineError": "exceptions",
    "Refiner": "refiner.pose.refiner",
    "Skeleton": "skeletons",
    "convert": "formats",
    "decode": "decoding",
    "evaluate": "evaluation",
    "read": "formats",
    "run": "pipeline",
    "skeleton": "skeletons",
    "sniff": "formats",
    "suppress": "suppression",
    "write": "formats",
}


def __getattr__(name: str) -> Any:
    """Load a public name on first use (PEP 562): importing `refine` imports no torch, no numba."""
    if name in _HOME:
        return getattr(import_module(f"refine.{_HOME[name]}"), name)
    raise AttributeError(f"module 'refine' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
