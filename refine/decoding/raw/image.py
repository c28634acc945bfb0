"""Raw outputs of networks that see a whole image: the arrays of one image and its geometry."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from refine._types import Floats
from refine.decoding.raw.files import (
    KEYS,
    MOST_IMAGE,
    MOST_SIDE,
    Arrays,
    as_array,
    id_of_name,
    named,
    numbers_of,
    read_arrays,
    read_meta,
    size_of,
)
from refine.exceptions import FormatError, GeometryError
from refine.geometry import Crop
from refine.poses import ImageRef

ABOUT = {
    "affine": KEYS["affine"],
    "input_size": KEYS["input_size"],
    "image_size": KEYS["image_size"],
    "image_id": KEYS["image_id"],
}
"""What is read besides the arrays, and the names under which files hold it."""

LETTERBOX = ("scale", "scale_x", "scale_y", "pad_left", "pad_top", "crop_xyxy")
"""The other way to say how an image became the input, see `affine_of`; in the file or beside it."""

NO_OUTPUTS = {*LETTERBOX, *(name for names in ABOUT.values() for name in names)}
"""Names of what is not an output of the network."""

GEOMETRY = "`affine_image_to_input` (2, 3), or `scale` with `pad_left` and `pad_top`"


@dataclass(frozen=True, slots=True, eq=False)
class RawImage:
    """What a network said about one image.

    Attributes:
        arrays: by the names of the file, without a batch axis of 1.
        affine: (2, 3) image px -> input px.
        input_size: width and height of the network input in px, or None.
        image: the image.
        meta: the JSON beside the arrays, entries of this image first.
        where: the file.
    """

    arrays: Mapping[str, npt.NDArray[Any]]
    affine: Floats
    input_size: tuple[int, int] | None
    image: ImageRef
    meta: Mapping[str, Any]
    where: str

    def array(self, *names: str) -> npt.NDArray[Any]:
        """Return the first array that goes by one of these names.

        Raises:
            FormatError: there is none.
        """
        for name in names:
            if name in self.arrays:
                return self.arrays[name]
        raise FormatError(
            f"expected an array `{names[0]}`, got {', '.join(self.arrays) or 'none'}",
            where=self.where,
            hint=f"one of the names {', '.join(names)}" if len(names) > 1 else None,
        )

    def stride(self, default: float) -> float:
        """Return input px per cell: `stride` of the JSON, or the default.

        Raises:
            FormatError: no positive number.
        """
        value = self.meta.get("stride")
        if value is None:
            return float(default)
        if isinstance(value, bool | str | list | dict) or not 0 < value <= MOST_SIDE:
            raise FormatError(f"expected a positive `stride`, got {value!r:.40}", where=self.where)
        return float(value)

    def to_image(self, xy: npt.ArrayLike) -> Floats:
        """Map points (..., 2) from input px to image px; NaN stays NaN."""
        crop = Crop.from_matrix(self.affine, self.input_size or (0, 0))
        points = np.asarray(xy, np.float64)
        return crop.inverse()(points[None]).reshape(points.shape)


def channels_first(raw: RawImage, channels: int, *names: str) -> npt.NDArray[Any]:
    """Return an array (channels, H, W) by any of its names, a view where channels come last.

    Where both ends have that many, the channels come first.

    Raises:
        FormatError: no such array, or another shape.

    >>> raw = raw_image({"maps": np.zeros((8, 9, 17)), "affine": np.eye(2, 3)})
    >>> channels_first(raw, 17, "maps").shape
    (17, 8, 9)
    """
    array = raw.array(*names)
    if array.ndim == 3 and array.shape[0] == channels:
        return array
    if array.ndim == 3 and array.shape[2] == channels:
        return np.moveaxis(array, 2, 0)
    name = next(n for n in names if n in raw.arrays)
    raise FormatError(
        f"expected `{name}` with {channels} channels, first or last, got {array.shape}",
        where=raw.where,
        hint="another --skeleton",
    )


def read_image_outputs(
    path: str | Path,
    meta: str | Path | None = None,
    picture: str | None = None,
    *,
    names: Sequence[Sequence[str]] = (),
) -> RawImage:
    """Read the outputs for one image from an .npz or .safetensors file.

    Args:
        path: the arrays; geometry under the names of `ABOUT` may stand among them and comes
            first. Where every array has a first axis of 1, that is the batch and goes.
        meta: JSON object with the geometry: of this image alone, or for many with a table
            `images` by name. By default the file of the same name with the suffix .json, else
            meta.json in the same folder.
        picture: key in `images`; by default the name of the file without its suffix.
        names: of arrays that have none, see `Family`.

    Raises:
        FormatError: not such a file, no arrays, or numbers of another shape.
        GeometryError: nothing says how the image became the input.
    """
    path = Path(path)
    fields = named(read_arrays(path), names, NO_OUTPUTS)
    table, side = _sidecar(path, meta, picture)
    for names in (*ABOUT.values(), LETTERBOX):
        for name in names:
            if name in table:
                fields.setdefault(name, table[name])
    return raw_image(fields, table, where=str(path), side=side)


def raw_image(
    fields: Mapping[str, Any],
    meta: Mapping[str, Any] | None = None,
    *,
    where: str = "arrays",
    side: str | None = None,
) -> RawImage:
    """Put arrays and geometry of one image together, see `read_image_outputs`.

    Raises:
        FormatError: no arrays, or numbers of another shape.
        GeometryError: nothing says how the image became the input.

    >>> raw = raw_image({"heatmaps": np.ones((1, 18, 46, 54)), "affine": [[2, 0, 0], [0, 2, 5]]})
    >>> raw.arrays["heatmaps"].shape, raw.to_image([[10, 15]]).tolist()
    ((18, 46, 54), [[5.0, 5.0]])
    """
    meta = {} if meta is None else meta
    about = {key: _first(fields, names) for key, names in ABOUT.items()}
    arrays = {k: as_array(v) for k, v in fields.items() if k not in NO_OUTPUTS}
    arrays = {k: v for k, v in arrays.items() if v.ndim and v.dtype.kind in "fiub"}
    if not arrays:
        raise FormatError(
            f"expected the arrays of a network, got {', '.join(fields) or 'nothing'}", where=where
        )
    batch = all(v.shape[0] == 1 for v in arrays.values())
    size, image_size = about["input_size"], about["image_size"]
    affine = _numbers(about["affine"], ((2, 3), (1, 2, 3)), "affine", where)
    affine = affine_of(fields, meta, where)[0] if affine is None else affine.reshape(2, 3)
    try:
        Crop.from_matrix(affine, (0, 0))
    except GeometryError as error:
        raise GeometryError(error.message, where=side or where) from None
    width, height = (
        (None, None) if image_size is None else size_of(image_size, "image_size", where, MOST_IMAGE)
    )
    return RawImage(
        Arrays(arrays, where, batch=batch),
        affine,
        input_size_of(size, meta, where),
        ImageRef(_image_id(about["image_id"], meta, where), None, width, height),
        meta,
        where,
    )


def _sidecar(
    path: Path, meta: str | Path | None, picture: str | None
) -> tuple[Mapping[str, Any], str | None]:
    beside = (path.with_suffix(".json"), path.with_name("meta.json"))
    side = Path(meta) if meta is not None else next((p for p in beside if p.is_file()), None)
    if side is None:
        return {}, None
    table = read_meta(side)
    images = table.get("images")
    if not isinstance(images, dict):
        return table, str(side)
    name = picture or path.name.removesuffix(".gz").rsplit(".", 1)[0]
    if not isinstance(images.get(name), dict):
        raise FormatError(f"expected {name!r} among the {len(images)} `images`", where=str(side))
    shared = {k: v for k, v in table.items() if k != "images"}
    return {**shared, **images[name]}, str(side)


def _first(fields: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((fields[n] for n in names if n in fields), None)


def _numbers(
    value: Any, shapes: tuple[tuple[int, ...], ...], name: str, where: str
) -> Floats | None:
    if value is None:
        return None
    array = numbers_of(value, name, where)
    if array.shape not in shapes:
        expected = " or ".join(map(str, shapes))
        raise FormatError(f"expected `{name}` {expected}, got {array.shape}", where=where)
    return array


def affine_of(fields: Mapping[str, Any], meta: Mapping[str, Any], where: str, n: int = 1) -> Floats:
    """Build image -> input (n, 2, 3) from `scale` (or `scale_x`, `scale_y`), padding, `crop_xyxy`.

    The scale is input px per image px; the padding is px of the input, left and above.

    Args:
        fields: what stands among the arrays; it comes first.
        meta: the JSON, perhaps with a table `preprocessing`.
        where: the file.
        n: number of inputs; a value is one for all, or one for each.

    Raises:
        FormatError: numbers of another shape.
        GeometryError: there is no scale.

    >>> affine_of({"scale": np.array(0.5), "pad_top": [4]}, {}, "here").tolist()
    [[[0.5, 0.0, 0.0], [0.0, 0.5, 4.0]]]
    """
    inner = meta["preprocessing"] if _is_table(meta, "preprocessing") else {}
    told = (item for t in (meta, inner, fields) for item in t.items())
    table = {k: v for k, v in told if k in LETTERBOX and v is not None}

    def column(name: str, value: Any, width: int = 1) -> Floats:
        shapes = ((), (1,), (n,), (n, 1)) if width == 1 else ((width,), (n, width))
        numbers = _numbers(value, shapes, name, where)
        assert numbers is not None
        return np.broadcast_to(numbers.reshape(-1, width), (n, width))

    scales = [table.get(name, table.get("scale")) for name in ("scale_x", "scale_y")]
    if any(value is None for value in scales):
        raise GeometryError(
            f"expected how the image became the input: {GEOMETRY}",
            where=where,
            hint="adding it to the file, or a JSON file with --meta",
        )
    scale = np.concatenate([column("scale", value) for value in scales], 1)
    pads = [column(name, table.get(name, 0)) for name in ("pad_left", "pad_top")]
    shift = np.concatenate(pads, 1)
    if table.get("crop_xyxy") is not None:
        shift = shift - scale * column("crop_xyxy", table["crop_xyxy"], 4)[:, :2]
    return np.concatenate([scale[:, :, None] * np.eye(2), shift[:, :, None]], 2)


def input_size_of(size: Any, meta: Mapping[str, Any], where: str) -> tuple[int, int] | None:
    """Return width and height of the network input: `size`, or from the shape under `input`.

    Raises:
        FormatError: no two numbers of px.
    """
    if size is not None:
        return size_of(size, "input_size", where)
    if not _is_table(meta, "input"):
        return None
    shape, layout = meta["input"].get("shape"), meta["input"].get("layout")
    if layout not in ("NHWC", "NCHW") or not isinstance(shape, list) or len(shape) != 4:
        return None
    return size_of([shape[layout.index(axis)] for axis in "WH"], "input.shape", where)


def _image_id(value: Any, meta: Mapping[str, Any], where: str) -> int | str:
    if value is None:
        named = meta.get("picture")
        return id_of_name(Path(named if isinstance(named, str) else where))
    single = np.asarray(value)
    if single.size != 1 or single.dtype.kind not in "iuU":
        raise FormatError(
            f"expected one `image_id`, a whole number or a string, got {single.tolist()}",
            where=where,
        )
    return single.item()  # type: ignore[no-any-return]


def _is_table(meta: Mapping[str, Any], key: str) -> bool:
    return isinstance(meta.get(key), dict)
