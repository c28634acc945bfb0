"""Raw outputs of networks that see one crop per pose: heatmaps, or something else."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from refine._types import Floats, Indices
from refine.decoding.raw.files import (
    FLIPPED,
    KEYS,
    MOST_IMAGE,
    MOST_SIDE,
    Arrays,
    as_array,
    check_finite,
    id_of_name,
    named,
    names_of,
    numbers_of,
    read_arrays,
    read_meta,
    size_of,
)
from refine.decoding.raw.image import LETTERBOX, affine_of, input_size_of
from refine.exceptions import FormatError, GeometryError
from refine.geometry import Alignment, Crop, xywh_to_xyxy
from refine.poses import ImageRef

GEOMETRY = (
    "`affine` (N, 2, 3), `center` and `scale`, `box_xywh` or `box_xyxy`, "
    "or `scale` with `pad_left` and `pad_top`"
)
ABOUT = {
    *(name for key in KEYS if key not in ("heatmaps", "flipped", "joints") for name in KEYS[key]),
    *LETTERBOX,
}
"""Names of what is not an output of the network."""
FLAGS = ("pose_flag", "output_poseflag")  # outputs of one number per pose


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Crops:
    """What is known about the crops of N poses.

    Attributes:
        affine: (N, 2, 3) image px -> input px, or None.
        center: (N, 2) image px, or None.
        scale: (N, 2) or (N,) in units of 200 px (HRNet), or None.
        box: (N, 4) xyxy image px, or None.
        box_score: (N,), NaN where there is none.
        input_size: width and height of the network input in px, or None.
        stride: input px per cell, or None.
        image: (N,) index into `images`.
        images: the images.
        extra: one mapping per pose: other arrays of the file with one row per pose.
        where: the file.
        joints: names of the K joints in the order of the outputs, or None.
    """

    affine: Floats | None
    center: Floats | None
    scale: Floats | None
    box: Floats | None
    box_score: Floats
    input_size: tuple[int, int] | None
    stride: float | None
    image: Indices
    images: tuple[ImageRef, ...]
    extra: tuple[Mapping[str, Any], ...]
    where: str
    joints: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.image)

    def crop(self, size: tuple[int, int], alignment: Alignment, padding: float | None) -> Crop:
        """Build the maps image -> input from whatever geometry the file holds.

        Args:
            size: width and height of the network input.
            alignment: of crops built from centres or boxes, see `Crop.from_center_scale`.
            padding: growth of boxes, see `Crop.from_box`.

        Raises:
            GeometryError: no geometry, or one that cannot be used.
        """
        try:
            if self.affine is not None:
                return Crop.from_matrix(self.affine, size)
            if self.center is not None and self.scale is not None:
                return Crop.from_center_scale(self.center, self.scale, size, alignment=alignment)
            if self.box is not None and padding is not None:
                return Crop.from_box(self.box, size, padding=padding, alignment=alignment)
        except GeometryError as error:
            where = f"{self.where}, {error.where}" if error.where else self.where
            raise GeometryError(error.message, where=where, hint=error.hint) from None
        if self.box is not None:
            raise GeometryError(
                "expected a padding for crops from boxes: this preset has none",
                where=self.where,
                hint="--padding 1.25",
            )
        raise no_geometry(self.where)


def no_geometry(where: str) -> GeometryError:
    """Say that outputs came without the geometry of their crops."""
    return GeometryError(
        f"expected the geometry of the crops, got outputs alone: {GEOMETRY}",
        where=where,
        hint="adding one of them to the file, or a JSON file with --meta",
    )


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class RawHeatmaps(Crops):
    """Heatmaps of N poses and what is known about their crops.

    Attributes:
        heatmaps: (N, K, H, W), as the network gave them.
        flipped: the same of the mirrored input, as the network gave them, or None.
    """

    heatmaps: npt.NDArray[Any]
    flipped: npt.NDArray[Any] | None

    def size_of_input(self, stride: float) -> tuple[int, int]:
        """Return width and height of the network input; from a stride if the file does not say."""
        if self.input_size is not None:
            return self.input_size
        s = self.stride or stride
        return round(self.heatmaps.shape[3] * s), round(self.heatmaps.shape[2] * s)


def read_raw(
    path: str | Path,
    meta: str | Path | None = None,
    *,
    names: Sequence[Sequence[str]] = (KEYS["heatmaps"],),
) -> RawHeatmaps:
    """Read heatmaps and crop geometry from an .npz or .safetensors file.

    Args:
        path: the arrays, under any of the names in `KEYS`. Without `image_id` the digits at the
            end of the file name are the image id, or else the name itself.
        meta: JSON object with what the file lacks; by default the file of the same name with
            the suffix .json, if there is one. Arrays in `path` come first. Where neither holds
            `affine`, `center` or a box, `scale_x` and `scale_y`, or `scale`, with `pad_left` and
            `pad_top` stand for it, one for all crops or one for each.
        names: of arrays that have none, see `Family`.

    Raises:
        FormatError: not such a file, no heatmaps, or arrays that do not fit together.
    """
    where = str(path)
    fields = named(read_arrays(Path(path)), names, ABOUT | {*KEYS["flipped"], *KEYS["joints"]})
    side = Path(path).with_suffix(".json") if meta is None else Path(meta)
    table: Mapping[str, Any] = {}
    if meta is not None or side.is_file():
        table = read_meta(side)
        for key, name in ((key, alias) for key, aliases in KEYS.items() for alias in aliases):
            if name in table and (key != "joints" or names_of(table[name])):
                fields.setdefault(name, table[name])
    return raw_heatmaps(fields, table, where=where)


def raw_heatmaps(
    fields: Mapping[str, Any], meta: Mapping[str, Any] | None = None, *, where: str = "heatmaps"
) -> RawHeatmaps:
    """Check arrays named as in `KEYS` and put them together, see `read_raw`.

    Raises:
        FormatError: no heatmaps, or arrays that do not fit together.

    >>> raw = raw_heatmaps({"heatmaps": np.ones((1, 17, 64, 48)), "box_xywh": [[0, 0, 9, 9]]})
    >>> raw.box.tolist(), raw.size_of_input(4)
    ([[0.0, 0.0, 9.0, 9.0]], (192, 256))
    """
    found = {key: _find(fields, key) for key in ("heatmaps", "flipped")}
    if found["heatmaps"] is None:
        names = ", ".join(fields) or "nothing"
        raise FormatError(
            f"expected an array `heatmaps` (N, K, H, W), got {names}",
            where=where,
            hint=f"one of the names {', '.join(KEYS['heatmaps'])}",
        )
    heatmaps = np.asarray(found["heatmaps"][1])
    flipped = None if found["flipped"] is None else np.asarray(found["flipped"][1])
    if heatmaps.ndim != 4 or heatmaps.dtype.kind not in "fiu" or 0 in heatmaps.shape[1:]:
        raise FormatError(
            f"expected `heatmaps` (N, K, H, W) of numbers, got {heatmaps.dtype} {heatmaps.shape}",
            where=where,
        )
    if flipped is not None and flipped.shape != heatmaps.shape:
        raise FormatError(
            f"expected mirrored heatmaps of shape {heatmaps.shape}, got {flipped.shape}",
            where=where,
        )
    check_finite(heatmaps, found["heatmaps"][0], where)
    if flipped is not None:
        check_finite(flipped, "heatmaps_flipped_input", where)
    return RawHeatmaps(
        heatmaps=heatmaps, flipped=flipped, **crop_fields(fields, meta, len(heatmaps), where)
    )


def _find(fields: Mapping[str, Any], key: str) -> tuple[str, Any] | None:
    return next(((n, fields[n]) for n in KEYS[key] if n in fields), None)


def crop_fields(
    fields: Mapping[str, Any], meta: Mapping[str, Any] | None, n: int, where: str
) -> dict[str, Any]:
    """Check what is told about the crops of n poses; return the attributes of `Crops`.

    Args:
        fields: under the names of `KEYS`.
        meta: where there is neither affine nor centre nor box: see `affine_of`.
        n: poses.
        where: the file.

    Raises:
        FormatError: arrays that do not fit together.
    """
    found = {key: _find(fields, key) for key in KEYS}

    def numbers(key: str, *shapes: tuple[int, ...]) -> Floats | None:
        entry = found[key]
        if entry is None:
            return None
        array = numbers_of(entry[1], entry[0], where)
        if array.shape not in shapes:
            expected = " or ".join(map(str, shapes))
            raise FormatError(
                f"expected `{entry[0]}` of shape {expected}, got {array.shape}", where=where
            )
        return array

    box = numbers("box_xyxy", (n, 4))
    if box is None and (box_xywh := numbers("box_xywh", (n, 4))) is not None:
        box = xywh_to_xyxy(box_xywh)
    size, stride = found["input_size"], numbers("stride", ())
    if stride is not None and not 0 < stride <= MOST_SIDE:
        raise FormatError(f"expected a positive `stride`, got {stride.tolist()}", where=where)
    box_score = numbers("box_score", (n,), (n, 1))
    image, images = _images(found["image_id"], found["image_size"], n, where)
    told = {n: names_of(fields[n]) for n in KEYS["joints"] if n in fields}
    known = {name for key in KEYS if key != "joints" for name in KEYS[key]}
    known |= {name for name, joints in told.items() if joints} | set(LETTERBOX)
    affine, center = numbers("affine", (n, 2, 3)), numbers("center", (n, 2))
    # Without centres `scale` is that of the whole image.
    if affine is None and center is None and box is None:
        affine = _letterbox(fields, meta or {}, n, where)
    return {
        "affine": affine,
        "center": center,
        "scale": None if center is None else numbers("scale", (n, 2), (n,)),
        "box": box,
        "box_score": np.full(n, np.nan) if box_score is None else box_score.reshape(n),
        "input_size": None if size is None else size_of(size[1], size[0], where),
        "stride": None if stride is None else float(stride),
        "image": image,
        "images": images,
        "joints": next(filter(None, told.values()), None),
        "extra": _extra({k: v for k, v in fields.items() if k not in known}, n, where),
        "where": where,
    }


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class RawCrops(Crops):
    """What a network said about the crops of N poses.

    Attributes:
        arrays: (N, ...) each, by the names of the file.
    """

    arrays: Mapping[str, npt.NDArray[Any]]

    def array(self, *names: str, flipped: bool = False) -> npt.NDArray[Any]:
        """Return the first array that goes by one of these names, or that of the mirrored input.

        Raises:
            FormatError: there is none.
        """
        wanted = [name + FLIPPED * flipped for name in names]
        for name in wanted:
            if name in self.arrays:
                return self.arrays[name]
        raise FormatError(
            f"expected an array `{wanted[0]}`, got {', '.join(self.arrays) or 'none'}",
            where=self.where,
            hint=f"one of the names {', '.join(wanted)}" if len(wanted) > 1 else None,
        )

    def has_flipped(self) -> bool:
        """Tell whether there are outputs of the mirrored input."""
        return any(name.endswith(FLIPPED) for name in self.arrays)


def read_crop_outputs(
    path: str | Path, meta: str | Path | None = None, *, names: Sequence[Sequence[str]] = ()
) -> RawCrops:
    """Read the outputs for the crops of N poses from an .npz or .safetensors file.

    Args:
        path: the arrays and the geometry of the crops, the latter under any of the names in
            `refine.decoding.raw.files.KEYS`.
        meta: JSON object with what the file lacks; by default the file of the same name with
            the suffix .json, if there is one; see `read_raw` for the geometry.
        names: of arrays that have none, see `Family`.

    Raises:
        FormatError: not such a file, no arrays, or arrays that do not fit together.
    """
    fields = named(read_arrays(Path(path)), names, ABOUT)
    side = Path(path).with_suffix(".json") if meta is None else Path(meta)
    table: Any = {}
    if meta is not None or side.is_file():
        table = read_meta(side)
        for name in ABOUT & table.keys():
            fields.setdefault(name, table[name])
        for name in (n for n in KEYS["joints"] if names_of(table.get(n))):
            fields.setdefault(name, table[name])
        if "input_size" not in fields and (size := input_size_of(None, table, str(path))):
            fields["input_size"] = size
    return raw_crops(fields, table, where=str(path))


def raw_crops(
    fields: Mapping[str, Any], meta: Mapping[str, Any] | None = None, *, where: str = "arrays"
) -> RawCrops:
    """Put outputs and the geometry of their crops together, see `read_crop_outputs`.

    Raises:
        FormatError: no arrays, or arrays that do not fit together.
        GeometryError: nothing says where the crops lie.

    >>> raw = raw_crops({"simcc_x": np.ones((1, 17, 384)), "affine": [[[1, 0, 0], [0, 1, 0]]]})
    >>> len(raw), raw.array("simcc_x").shape
    (1, (1, 17, 384))
    """
    arrays = {k: as_array(v) for k, v in fields.items() if k not in ABOUT}
    arrays = {k: v for k, v in arrays.items() if v.dtype.kind in "fiu"}
    arrays = {k: v for k, v in arrays.items() if v.ndim > (k not in FLAGS)}
    if not arrays:
        raise FormatError(
            f"expected the arrays of a network, got {', '.join(fields) or 'nothing'}", where=where
        )
    n = len(next(iter(arrays.values())))
    if any(len(v) != n for v in arrays.values()):
        shapes = ", ".join(f"`{k}` {v.shape}" for k, v in arrays.items())
        raise FormatError(f"expected as many rows as there are poses, got {shapes}", where=where)
    known = crop_fields({k: v for k, v in fields.items() if k not in arrays}, meta, n, where)
    if all(known[key] is None for key in ("affine", "center", "box")):
        raise no_geometry(where)
    return RawCrops(arrays=Arrays(arrays, where), **known)


def _letterbox(
    fields: Mapping[str, Any], meta: Mapping[str, Any], n: int, where: str
) -> Floats | None:
    with suppress(GeometryError):
        return affine_of(fields, meta, where, n)
    return None


def _images(
    ids: tuple[str, Any] | None, size: tuple[str, Any] | None, n: int, where: str
) -> tuple[Indices, tuple[ImageRef, ...]]:
    width, height = (None, None)
    if size is not None and np.shape(size[1]) == (2,):
        width, height = size_of(size[1], size[0], where, MOST_IMAGE)
    if ids is None:
        return np.zeros(n, np.intp), (ImageRef(id_of_name(Path(where)), None, width, height),)
    values = np.asarray(ids[1])
    if values.shape not in ((), (n,)) or values.dtype.kind not in "iuU":
        raise FormatError(
            f"expected `{ids[0]}` ({n},) of whole numbers or strings, got "
            f"{values.dtype} {values.shape}",
            where=where,
        )
    place: dict[int | str, int] = {}
    each = np.broadcast_to(values, n).tolist()
    image = np.array([place.setdefault(i, len(place)) for i in each], np.intp)
    return image, tuple(ImageRef(i, None, width, height) for i in place)


def _extra(fields: Mapping[str, Any], n: int, where: str) -> tuple[dict[str, Any], ...]:
    for name, kind in ((k, v.dtype) for k, v in fields.items() if isinstance(v, np.ndarray)):
        if kind.kind in "cV":
            raise FormatError(f"expected real numbers in `{name}`, got {kind}", where=where)
    rows = {k: v for k, v in fields.items() if np.ndim(v) in (1, 2) and np.shape(v)[0] == n}
    return tuple({k: np.asarray(v[i]).tolist() for k, v in rows.items()} for i in range(n))
