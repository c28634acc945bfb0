"""Paths to poses and back, whatever the format and however its documents are held."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, TypeAlias

import refine.skeletons as skeletons
from refine.categories import categories_of
from refine.exceptions import ArrayError, FormatError
from refine.files import STDIO, plain_data, read_bytes, unpack, write_parts
from refine.formats._crossing import prepare
from refine.formats._images import with_images
from refine.formats._losses import count_losses
from refine.formats._units import in_pixels
from refine.formats.base import HOLDINGS, LARGE, Format, Loss, Options, Source
from refine.formats.containers import (
    documents_of,
    dump,
    holding_for,
    is_binary,
    is_lines_name,
    load,
    needs_folder,
    parse,
    save,
)
from refine.formats.known import FORMATS, endings, get_format, tell
from refine.formats.ndjson import scan_ndjson, spell_ndjson
from refine.formats.parquet import spell_parquet
from refine.formats.plain import scan_results
from refine.formats.spelling.results import spell_results
from refine.poses import Poses
from refine.skeletons import Skeleton

_Readable: TypeAlias = str | Path | IO[Any] | Mapping[str, Any] | list[Any] | Source
"""A path, a file that is open, or what it would hold."""
ENDINGS = {".csv": "csv", ".parquet": "parquet", ".slp": "sleap", ".nc": "movement"}
"""Names of files that tell the format to write."""
DECIMALS = 12
"""Of coordinates, at most: px below 1e6 have no more in 64 bits."""


def read(
    path: _Readable,
    format: str | None = None,
    *,
    skeleton: Skeleton | str | Path | None = None,
    zero_is_missing: bool = True,
    images: str | Path | None = None,
    normalised: bool | None = None,
    default: Skeleton | None = None,
    category: int | str | None = None,
) -> Poses:
    """Read poses from a file, or from a folder with a file per image.

    Fields that are not understood are carried in `extra` and `meta` and written back.

    Args:
        path: ``"-"`` is standard input; ``*.gz`` is gunzipped; or a file that is open for reading,
            text or bytes; or what a file would hold, parsed, NumPy's numbers and arrays in it too;
            or a `Source` with some of the documents of a file or folder.
        format: one of `FORMATS`; by default `sniff` tells.
        skeleton: of the poses, where the file does not tell.
        zero_is_missing: whether (0, 0) means a missing joint whatever its score.
        images: a COCO file whose `images` tell sizes and names, see `with_images`.
        normalised: whether coordinates are shares of the images instead of px; by default they are
            looked at. What is read is px, scaled by the sizes of the images.
        default: skeleton where neither the file nor `skeleton` tells and the number of joints fits:
            that of the ground truth which the poses are compared with.
        category: read only poses of this one: its id or, of annotations, its name.

    Raises:
        FormatError: unreadable, not of this format, ambiguous, or shares of images without sizes.
        SkeletonError: the number of joints fits no skeleton, or several.
    """
    body = None if skeleton is None else skeletons.skeleton(skeleton)
    form = None if format is None else get_format(format)
    unnamed = "<data>" if isinstance(path, Mapping | list) else "<file>"
    named = path.path if isinstance(path, Source) else path
    where = str(named) if isinstance(named, str | Path) else _name(named, unnamed)
    options = Options(where, body, zero_is_missing, default, category)
    scanned = None if category is not None else _scanned(path, form, options)
    poses = _parsed(path, form, options) if scanned is None else scanned
    form = get_format(poses.meta["format"])
    poses = poses if images is None else with_images(poses, images)
    shares = bool(form.shares) if normalised is None else normalised
    return in_pixels(poses, where, shares or normalised, whole=form.shares)


def _scanned(path: _Readable, form: Format | None, options: Options) -> Poses | None:
    """Read a large file of lines, or of COCO results that are nothing but numbers.

    Returns:
        None of all others.
    """
    large = isinstance(path, str | Path) and Path(path).is_file()
    if not large or Path(str(path)).stat().st_size <= LARGE:
        return None
    name = None if form is None else form.name
    if is_lines_name(str(path)) and name in (None, "ndjson"):
        poses = scan_ndjson(read_bytes(str(path)), options)
        about = {"format": "ndjson", "held": "lines"}
    elif str(path).removesuffix(".gz").endswith(".json") and name in (None, "coco"):
        found = scan_results(read_bytes(str(path)), options)
        poses = None if found is None or found.others else found.poses()
        about = {"format": "coco", "held": "document"}
    else:
        return None
    if poses is None:
        return None
    return poses.replace(meta={**poses.meta, **about, "ending": ".json", "single": False})


def _parsed(path: _Readable, form: Format | None, options: Options) -> Poses:
    source = _load(path)
    form = form or tell(source)
    if source.held not in form.holdings:
        raise FormatError(
            f"expected {' or '.join(HOLDINGS[held] for held in form.holdings)} for {form.name}, "
            f"got {HOLDINGS[source.held]}",
            where=source.path,
        )
    head = source.documents[0]
    alone = source.held == "document" and isinstance(head, dict) and not form.detect(head)
    alone = alone and bool(form.detect([head]))
    if alone:
        source = replace(source, documents=[[head]])
    poses = form.read(source, options)
    if options.category is not None and form.name != "coco-gt":
        poses = _of_category(poses, options.category, source.path)
    named = all(name.endswith(form.ending) for name in source.names or (source.path,))
    ending = form.ending if named else ".json"
    about = {"format": form.name, "held": source.held, "ending": ending, "single": alone}
    return poses.replace(meta={**poses.meta, **about})


def _spelled(
    form: Format, poses: Poses, path: str | Path, precision: int | None
) -> Iterator[bytes] | None:
    """Return what `save` would write of many plain poses, in parts; None of all others."""
    if poses.xy.nbytes < LARGE:
        return None
    if form.name == "parquet":
        return spell_parquet(poses, precision) if is_binary(str(path)) else None
    held = holding_for(form, poses, path)
    if form.name == "ndjson" and held == "lines":
        return spell_ndjson(poses, precision)
    if form.name != "coco" or held != "document" or poses.meta.get("single"):
        return None
    return spell_results(poses, precision)


def _of_category(poses: Poses, category: int | str, where: str) -> Poses:
    found = categories_of(poses)
    rows = [i for i, each in enumerate(found) if str(each) == str(category)]
    if len(poses) and not rows:
        told = ", ".join(sorted(set(map(repr, found)))[:20])
        raise FormatError(
            f"expected poses of category {category!r}, got those of {told}",
            where=where,
            hint="the number of the category, which is all that predictions tell",
        )
    return poses[rows]


def write(
    poses: Poses,
    path: str | Path | IO[Any],
    format: str | None = None,
    *,
    precision: int | None = None,
) -> None:
    """Write poses as a whole or not at all.

    Args:
        poses: with what their source file held beside them in `extra` and `meta`.
        path: ``"-"`` is standard output; ``*.gz`` is gzipped; ``*.ndjson`` and ``*.jsonl`` get a
            document per line. OpenPose files go to a folder, unless there is one image and the name
            ends in .json; so do those of other formats that came from one. A file that is open for
            writing, text or bytes, gets what one that is named so would hold.
        format: one of `FORMATS`; by default that of the source, else COCO results; but NDJSON for
            the names of lines, unless the source held lines.
        precision: round all coordinates to so many decimals, 0 to `DECIMALS`; None leaves them as
            they are.

    Raises:
        ArrayError: a precision that is none.
        FormatError: no such format, a target that cannot be written, or poses that the format
            cannot hold.
        SkeletonError: joints that the format has no order for.
    """
    if precision is not None and precision not in range(DECIMALS + 1):
        raise ArrayError(f"expected a precision of 0 to {DECIMALS} decimals, got {precision!r:.40}")
    name = path if isinstance(path, str | Path) else _name(path, STDIO)
    form = get_format(format or format_for(poses, name))
    poses, _ = prepared(poses, form.name)
    if isinstance(path, str | Path):
        spelled = _spelled(form, poses, path, precision)
        if spelled is None:
            save(form, poses, path, precision)
        else:
            write_parts(path, spelled)
    else:
        _save(form, poses, path, precision)


def prepared(poses: Poses, format: str) -> tuple[Poses, tuple[str, ...]]:
    """Return poses as `write` writes them in a format, and what a person should know of that.

    Raises:
        FormatError: no such format.
        SkeletonError: joints that the format has no order for.
    """
    return prepare(poses, get_format(format), FORMATS.get(str(poses.meta.get("format"))))


def losses(poses: Poses, format: str, path: str | Path | None = None) -> dict[Loss, int]:
    """Count what of poses is lost by writing them in a format, by the names of `cannot_hold`.

    Args:
        poses: any.
        format: one of `FORMATS`.
        path: of the target, which may be a folder; None is the usual way of holding the format.

    Raises:
        FormatError: no such format, or a target that cannot be written.

    >>> poses = Poses.from_arrays("coco17", [[[1, 2]] * 17], box=[[1, 2, 3, 4]])
    >>> losses(poses, "openpose")
    {'boxes': 1}
    """
    form = get_format(format)
    return count_losses(poses, form, None if path is None else holding_for(form, poses, path))


def format_for(poses: Poses, path: str | Path) -> str:
    """Name the format that `write` takes by default."""
    if is_lines_name(path) and poses.meta.get("held") != "lines":
        return "ndjson"
    ending = Path(str(path).removesuffix(".gz")).suffix.lower()
    if ending in ENDINGS and poses.meta.get("ending") != ending:
        return ENDINGS[ending]
    return str(poses.meta.get("format", "coco"))


def sniff(path: _Readable) -> str:
    """Tell the format of a file or folder; a file that is open is read to its end.

    Raises:
        FormatError: unreadable, unknown, or several formats fit.
    """
    return tell(_load(path)).name


def _load(path: _Readable) -> Source:
    if isinstance(path, Source):
        return path
    if isinstance(path, str | Path):
        return load(path, endings())
    if isinstance(path, Mapping | list):
        return Source("<data>", "document", [plain_data(path)])
    name, data = _name(path, "<file>"), path.read()
    data = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    # gzip.open has unpacked what is named so.
    return parse(unpack(data, name.removesuffix(".gz")), name)


def content_of(poses: Poses, name: str, form: Format, precision: int | None) -> bytes:
    """Return poses that are `prepared` as the content of one file that is named so.

    Raises:
        FormatError: several images for a format with a file for each.
    """
    held = holding_for(form, poses, name if is_lines_name(name) else STDIO)
    if needs_folder(form, poses, held):
        raise FormatError(
            f"expected one image for a {form.name} file, got {len(poses.images)}",
            where=name,
            hint="a folder, or another format",
        )
    ending = form.ending if name == STDIO else name
    return dump(documents_of(form, poses, precision, held), held, ending)


def _save(form: Format, poses: Poses, file: IO[Any], precision: int | None) -> None:
    name = _name(file, STDIO)
    text = hasattr(file, "encoding")
    binary = is_binary(form.ending if name == STDIO else name) and not is_lines_name(name)
    if text and binary:
        raise FormatError(
            f"expected a file that is open for bytes for {form.name}, got one for text",
            where=name,
            hint='open(..., "wb")',
        )
    data = content_of(poses, name, form, precision)
    # Text has an encoding; `mode` is a number for gzip, and "w" for the bytes of a zip.
    file.write(data.decode() if text else data)


def _name(file: object, unnamed: str) -> str:
    name = getattr(file, "name", unnamed)
    return name if isinstance(name, str) else unnamed
