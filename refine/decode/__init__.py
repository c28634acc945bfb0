"""Raw outputs of networks to poses, and the array functions underneath."""

import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from refine import Verb
from refine.decode.container import RawHeatmaps, raw_heatmaps, read_raw
from refine.decode.flip import merge_flipped
from refine.decode.heatmap import decode_heatmaps
from refine.decode.heatmap_outputs import decode_heatmap_outputs
from refine.decode.image_container import RawImage, raw_image, read_image_outputs
from refine.decode.presets import Preset, get_preset, instance_scores, load_presets
from refine.exceptions import FormatError, RefineError
from refine.poses import Poses

__all__ = [
    "Preset",
    "RawHeatmaps",
    "RawImage",
    "decode",
    "decode_heatmaps",
    "get_preset",
    "instance_scores",
    "load_presets",
    "merge_flipped",
    "raw_heatmaps",
    "raw_image",
    "read_image_outputs",
    "read_raw",
]


class Family(NamedTuple):
    """How outputs of one kind are read and decoded."""

    outputs: type
    read: Callable[..., Any]
    decode: Callable[..., Poses]


FAMILIES = {
    "heatmap": Family(RawHeatmaps, read_raw, decode_heatmap_outputs),
}
"""By the `family` of a preset."""


def decode(
    raw: RawHeatmaps | RawImage | str | Path,
    preset: str | Preset = "refine",
    *,
    meta: str | Path | None = None,
    **options: Any,
) -> Poses:
    """Decode raw network outputs into poses.

    Args:
        raw: the outputs, or the path of a file that holds them: `read_raw` for heatmaps of
            crops, `read_image_outputs` for networks that see a whole image.
        preset: the system that made the outputs, see `load_presets`.
        meta: JSON with what the file lacks.
        options: override the preset; for heatmaps see `decode_heatmap_outputs`, for other
            families the function in `FAMILIES`.

    Returns:
        poses in image px.

    Raises:
        FormatError: the file cannot be read, or the outputs are not of the preset's family.
        GeometryError: nothing says where in the image the outputs lie.
        SkeletonError: the skeleton has another number of joints than there are maps.
        RefineError: no such preset, or an option that its family does not have.

    >>> y, x = np.mgrid[:64, :48]
    >>> maps = np.exp(-((x - 20.3) ** 2 + (y - 30.4) ** 2) / 8) * np.ones((1, 17, 1, 1))
    >>> raw = raw_heatmaps({"heatmaps": maps, "affine": [[[1, 0, -5], [0, 1, 7]]]})
    >>> decode(raw).xy[0, 0].round(2).tolist()
    [86.2, 114.6]
    """
    system = preset if isinstance(preset, Preset) else get_preset(preset)
    family = FAMILIES[system.family]
    outputs = family.read(raw, meta) if isinstance(raw, str | Path) else raw
    if not isinstance(outputs, family.outputs):
        raise FormatError(
            f"expected {family.outputs.__name__} for preset {system.name!r}, "
            f"got {type(outputs).__name__}",
            hint=f"{family.read.__name__}(path)",
        )
    allowed = _options(family.decode)
    if unknown := sorted(set(options) - set(allowed)):
        raise RefineError(
            f"expected an option of {system.family} outputs, got {', '.join(unknown)}",
            hint=f"one of {', '.join(allowed)}",
        )
    return family.decode(outputs, system, **options)


def _options(function: Callable[..., Any]) -> list[str]:
    parameters = inspect.signature(function).parameters.values()
    return [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]


sys.modules[__name__].__class__ = Verb
