"""Maps read again: what a network's own maps say once the refiner has seen the poses.

`reread` takes files as they come; the functions on arrays are `reread_maps` for one map per pose
and joint, and `find_left_out` for maps of a whole image.
"""

from collections.abc import Callable, Sequence
from typing import Any

from refine.decoding import Preset, RawHeatmaps, RawImage, get_preset
from refine.exceptions import FormatError, RefineError
from refine.poses import Poses
from refine.refiner.belief import SupportsBelief
from refine.refiner.reread.crops import Reading, leave_one_out, reread_heatmaps, reread_maps
from refine.refiner.reread.image import find_left_out, reread_images

__all__ = [
    "Reading",
    "find_left_out",
    "leave_one_out",
    "reread",
    "reread_heatmaps",
    "reread_images",
    "reread_maps",
]

REREADERS: dict[str, tuple[type, Callable[..., Poses]]] = {
    "heatmap": (RawHeatmaps, reread_heatmaps),
    "paf": (RawImage, reread_images),
}
"""By the family of a preset, see `refine.decoding.FAMILIES`."""


def reread(
    raws: Sequence[RawHeatmaps] | Sequence[RawImage],
    preset: str | Preset,
    refiner: SupportsBelief,
    *,
    progress: Callable[[int], None] | None = None,
    **options: Any,
) -> Poses:
    """Decode raw outputs and read their maps again with what the refiner thinks of the poses.

    Args:
        raws: all files of a data set, from `refine.decoding.read_outputs`.
        preset: the system that made them, of family "heatmap" or "paf". (PersonLab leaves no
            joint out, and to look again for its faint ones lowers AP.)
        refiner: its skeleton shares joints with that of the poses.
        progress: called with the number of rows the refiner has done, of K * N and
            then of N.
        options: of `refine.decoding.decode`.

    Raises:
        FormatError: no outputs, or not of the preset's family.
        RefineError: a preset of another family; see also `refine.decoding.decode`.
        WeightsError: the skeletons share too few joints.

    >>> import numpy as np
    >>> from refine.decoding import raw_heatmaps
    >>> from refine.refiner.pose.refiner import Refiner
    >>> y, x = np.mgrid[:64, :48]
    >>> maps = np.exp(-((x - 20.3) ** 2 + (y - 30.4) ** 2) / 8) * np.ones((1, 17, 1, 1))
    >>> raw = raw_heatmaps({"heatmaps": maps, "box_xywh": [[0, 0, 96, 128]]})
    >>> len(reread([raw], "hrnet", Refiner.load()))
    1
    """
    system = preset if isinstance(preset, Preset) else get_preset(preset)
    if system.family not in REREADERS:
        raise RefineError(
            f"expected a preset of family {' or '.join(REREADERS)} to read maps again, "
            f"got {system.name!r} of family {system.family!r}",
            hint="decode without --refine, then `refine run` on the result",
        )
    outputs, read_again = REREADERS[system.family]
    if not raws:
        raise FormatError("expected at least one file of raw outputs, got none")
    for raw in raws:
        if not isinstance(raw, outputs):
            raise FormatError(
                f"expected {outputs.__name__} for preset {system.name!r}, got {type(raw).__name__}"
            )
    return read_again(raws, system, refiner, progress=progress, **options)
