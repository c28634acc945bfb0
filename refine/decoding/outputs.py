"""Raw outputs of any known system to poses."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from refine.decoding.families import FAMILIES
from refine.decoding.family import Options, change_options, named_skeleton
from refine.decoding.presets import Preset, get_preset
from refine.decoding.raw.crops import Crops, RawCrops, RawHeatmaps
from refine.decoding.raw.image import RawImage
from refine.decoding.sanity import checked_poses
from refine.exceptions import ArrayError, FormatError, SkeletonError
from refine.poses import Poses


def decode(
    raw: RawHeatmaps | RawCrops | RawImage | str | Path,
    preset: str | Preset = "refine",
    *,
    meta: str | Path | None = None,
    **changes: Any,
) -> Poses:
    """Decode raw network outputs into poses.

    Args:
        raw: the outputs, or the path of a file that holds them: `read_raw` for heatmaps of
            crops, `read_crop_outputs` for what else networks say about crops,
            `read_image_outputs` for networks that see a whole image.
        preset: the system that made the outputs, see `load_presets`.
        meta: JSON with what the file lacks.
        changes: options of the preset's family that differ from the preset; they are the
            attributes of `FAMILIES[...].options`, and `refine presets NAME` lists them. None
            leaves an option as it is, unless it is a value of its own.

    Returns:
        poses in image px.

    Raises:
        FormatError: the file cannot be read, its arrays do not fit together or with an option, they
            are not of the preset's family, they hold infinity, or what comes out of them is no
            place in an image. Maps of NaN give missing joints.
        GeometryError: nothing says where in the image the outputs lie.
        SkeletonError: the skeleton has another number of joints than there are maps.
        RefineError: no such preset, an option that its family does not have, or a value of the
            wrong type or out of its choices.

    >>> import numpy as np
    >>> from refine.decoding import raw_heatmaps
    >>> y, x = np.mgrid[:64, :48]
    >>> maps = np.exp(-((x - 20.3) ** 2 + (y - 30.4) ** 2) / 8) * np.ones((1, 17, 1, 1))
    >>> raw = raw_heatmaps({"heatmaps": maps, "affine": [[[1, 0, -5], [0, 1, 7]]]})
    >>> decode(raw).xy[0, 0].round(2).tolist()
    [86.2, 114.6]
    """
    system = get_preset(preset)
    outputs: Any = read_outputs(raw, system, meta) if isinstance(raw, str | Path) else raw
    family = FAMILIES[system.family]
    if not isinstance(outputs, family.outputs):
        raise FormatError(
            f"expected {family.outputs.__name__} for preset {system.name!r}, "
            f"got {type(outputs).__name__}",
            hint=f"read_outputs(path, {system.name!r})",
        )
    options = options_for(outputs, system, changes)
    try:
        # What overflows is found among the poses.
        with np.errstate(over="ignore", invalid="ignore"):
            poses = family.decode(outputs, options)
    except ArrayError as error:
        where = f"{outputs.where}, {error.where}" if error.where else outputs.where
        raise FormatError(error.message, where=where, hint=error.hint) from None
    poses = checked_poses(poses, outputs.where)
    return poses.done("decode", None, preset=system.name, **options.told(outputs))


def options_for(raw: Any, preset: str | Preset, changes: Mapping[str, Any]) -> Options:
    """Return the options for outputs: the preset's, what the file says, and the caller's changes.

    Raises:
        RefineError: see `decode`.
    """
    system = get_preset(preset)
    options = system.options
    if isinstance(raw, Crops) and raw.joints is not None and options.file_names_joints:
        try:
            named = named_skeleton(raw.joints)
        except SkeletonError as error:
            raise SkeletonError(error.message, where=raw.where, hint=error.hint) from None
        options = change_options(options, {"skeleton": named}, system.family)
    return change_options(options, changes, system.family)


def read_outputs(
    path: str | Path, preset: str | Preset = "refine", meta: str | Path | None = None
) -> Any:
    """Read a file as outputs of a preset's family, for `decode`.

    Raises:
        FormatError: the file cannot be read.
        GeometryError: nothing says where in the image the outputs lie.
        RefineError: no such preset.
    """
    return FAMILIES[get_preset(preset).family].read(path, meta)
