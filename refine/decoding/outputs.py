"""Raw outputs of any known system to poses."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from refine.decoding.families import FAMILIES
from refine.decoding.family import Options, change_options, named_skeleton
from refine.decoding.presets import Preset, get_preset
from refine.decoding.raw.crops import (
    ABOUT,
    Crops,
    RawCrops,
    RawHeatmaps,
    raw_crops,
    raw_heatmaps,
)
from refine.decoding.raw.files import named
from refine.decoding.raw.image import NO_OUTPUTS, RawImage, raw_image
from refine.decoding.sanity import checked_poses, count_blank
from refine.exceptions import (
    ArrayError,
    FormatError,
    RefineError,
    RefineWarning,
    SkeletonError,
)
from refine.poses import Poses

Raw = RawHeatmaps | RawCrops | RawImage


def decode(
    raw: Raw | str | Path | npt.ArrayLike | Mapping[str, npt.ArrayLike] | Sequence[npt.ArrayLike],
    preset: str | Preset = "refine",
    *,
    meta: str | Path | None = None,
    affine: npt.ArrayLike | None = None,
    box: npt.ArrayLike | None = None,
    center: npt.ArrayLike | None = None,
    scale: npt.ArrayLike | None = None,
    pad: tuple[float, float] | None = None,
    box_score: npt.ArrayLike | None = None,
    input_size: tuple[int, int] | None = None,
    image_id: int | str | Sequence[int] | Sequence[str] | npt.NDArray[Any] | None = None,
    image_size: tuple[int, int] | None = None,
    **changes: Any,
) -> Poses:
    """Decode raw network outputs into poses.

    Args:
        raw: the path of a file, see `read_outputs`; or an array, several in the order of
            `Family.names`, or arrays by name, as a network returns them. Maps (K, H, W) are those
            of one crop. Or what `raw_heatmaps`, `raw_crops` and `raw_image` make.
        preset: the system that made the outputs, see `load_presets`.
        meta: JSON with what the file lacks.
        affine: (N, 2, 3) or (2, 3), image px to input px. This and what follows is for arrays.
        box: (N, 4) or (4,) xyxy image px, of which the crops were cut.
        center: (N, 2) or (2,) image px of the crops.
        scale: with `center` (N, 2), (N,) or (2,) in units of 200 px; else input px per image px.
        pad: px of the input, left and above the scaled image.
        box_score: (N,).
        input_size: width and height of the network input.
        image_id: of all crops, or (N,); 0 by default.
        image_size: width and height.
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

    >>> y, x = np.mgrid[:64, :48]
    >>> maps = np.exp(-((x - 20.3) ** 2 + (y - 30.4) ** 2) / 8) * np.ones((1, 17, 1, 1))
    >>> decode(maps, affine=[[1, 0, -5], [0, 1, 7]]).xy[0, 0].round(2).tolist()
    [86.2, 114.6]
    """
    system = get_preset(preset)
    family = FAMILIES[system.family]
    told = {
        "affine": affine, "box_xyxy": box, "center": center, "scale": scale,
        "box_score": box_score, "image_id": image_id, "image_size": image_size,
    }  # fmt: skip
    told |= {} if pad is None else {"pad_left": pad[0], "pad_top": pad[1]}
    told = {name: value for name, value in told.items() if value is not None}
    outputs: Any = raw
    if not isinstance(raw, RawHeatmaps | RawCrops | RawImage | str | Path):
        size = {} if input_size is None else {"input_size": input_size}
        outputs = outputs_of_arrays(raw, system, told | size)
    elif not told:
        outputs = read_outputs(raw, system, meta) if isinstance(raw, str | Path) else raw
        changes |= {} if input_size is None else {"input_size": input_size}
    else:
        raise RefineError(
            f"expected geometry in the file, got {', '.join(told)} beside it",
            hint="decode(arrays, ...), or a JSON file as meta",
        )
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
    if blank := count_blank(outputs):
        text = f"{outputs.where}: {blank} maps hold nothing but NaN: their joints are missing"
        warnings.warn(RefineWarning(text), stacklevel=2)
    return poses.done("decode", None, preset=system.name, **options.history_parameters(outputs))


def outputs_of_arrays(raw: Any, preset: str | Preset, told: Mapping[str, Any]) -> Any:
    """Put arrays, as networks return them, and the geometry of one call together.

    Args:
        raw: one array, several in the order of `Family.names`, or by name.
        preset: the system that made them.
        told: geometry under the names of files; of one crop without an axis for crops.

    Raises:
        FormatError: no arrays, or arrays that do not fit together.
        GeometryError: nothing says where in the image the outputs lie.
        RefineError: no such preset.
    """
    family = FAMILIES[get_preset(preset).family]
    several = isinstance(raw, list | tuple) and all(hasattr(a, "shape") for a in raw)
    if isinstance(raw, Mapping):
        fields = dict(raw)
    else:
        fields = {f"arr_{i}": a for i, a in enumerate(raw if several else [raw])}
    arrays = {k: _numpy(v) for k, v in {**fields, **told}.items()}
    whole = family.outputs is RawImage
    fields = named(arrays, family.names, NO_OUTPUTS if whole else ABOUT)
    if not whole and (maps := [v for k, v in fields.items() if k not in ABOUT and np.ndim(v) > 1]):
        if family.outputs is RawHeatmaps and np.ndim(maps[0]) == 3:
            fields = {k: v[None] if np.ndim(v) == 3 else v for k, v in fields.items()}
            maps = [maps[0][None]]
        fields = _for_all_crops(fields, len(maps[0]))
    fields.setdefault("image_id", 0)
    if whole:
        return raw_image(fields)
    return raw_heatmaps(fields) if family.outputs is RawHeatmaps else raw_crops(fields)


def _numpy(value: Any) -> Any:
    """Return arrays and tensors of any device as arrays, and anything else as it is."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        value = value.float() if str(value.dtype) == "torch.bfloat16" else value
    return value if isinstance(value, str) else np.asarray(value)


def _for_all_crops(fields: dict[str, Any], n: int) -> dict[str, Any]:
    """Give what is told once to each of n crops."""
    whole = {"affine": 2, "box_xyxy": 1, "box_xywh": 1, "center": 1, "box_score": 0}
    if "center" in fields and np.shape(fields.get("scale", 0)) == (2,) and n != 2:
        whole["scale"] = 1
    for name, axes in whole.items():
        if name in fields and np.ndim(fields[name]) == axes:
            fields[name] = np.broadcast_to(fields[name], (n, *np.shape(fields[name])))
    return fields


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
    """Read a file .npz, .npy or .safetensors as outputs of a preset's family, for `decode`.

    Arrays without a name, or an only one of any name, are those that the family needs, see
    `Family.names`.

    Raises:
        FormatError: the file cannot be read.
        GeometryError: nothing says where in the image the outputs lie.
        RefineError: no such preset.
    """
    family = FAMILIES[get_preset(preset).family]
    return family.read(path, meta, names=family.names)
