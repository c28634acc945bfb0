"""Ways of holding documents, whatever the format: a file, a folder of files, lines of a file."""

import codecs
import os
import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from refine.exceptions import FormatError
from refine.files import (
    STDIO,
    dump_json,
    is_stream,
    parse_json,
    read_bytes,
    write_bytes,
    write_folder,
)
from refine.formats._encodings import ENCODINGS, Encoding, are_numbers, told_by_content
from refine.formats._images import stem
from refine.formats.base import Document, Format, Holding, Source
from refine.poses import ImageRef, Poses

LINE_SUFFIXES = (".ndjson", ".jsonl")

PICKLE = b"\x80\2\3\4\5"
"""The first byte of a pickle, and the protocols that may follow; pickletools.py."""

OTHERS = frozenset(
    {".csv", ".tsv", ".txt", ".xml", ".yaml", ".yml", ".toml", ".npy", ".npz", ".pkl", ".pickle"}
    | {".pt", ".pth", ".h5", ".hdf5", ".parquet", ".xlsx", ".mat", ".zip", ".tar", ".jpg", ".png"}
    | {".slp", ".nc"}
)
"""Endings of files that are not written, and that nobody gives to folders."""


def natural_key(name: str) -> tuple[list[str | int], str]:
    """Return what sorts names as people number them: frame2 before frame10.

    >>> sorted(["frame10", "frame2", "frame1"], key=natural_key)
    ['frame1', 'frame2', 'frame10']
    """
    parts = re.split(r"(\d+)", name)
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], name


def load(path: str | Path, endings: Sequence[str] = ()) -> Source:
    """Read a file or folder.

    Args:
        path: ``"-"`` is standard input; gzip is told by the content.
        endings: in a folder with files that end so, the others are left alone.

    Raises:
        FormatError: unreadable, empty or not JSON.
    """
    where = str(path)
    if where != STDIO and Path(path).is_dir():
        return load_files(path, names_in(path, endings))
    return parse(read_bytes(path), where)


def load_files(folder: str | Path, names: Sequence[str]) -> Source:
    """Read some files of a folder.

    Raises:
        FormatError: unreadable, empty or not JSON.
    """
    pages = [_parse_one(Path(folder) / name) for name in names]
    return Source(str(folder), "folder", pages, names)


def parse_lines(data: bytes, where: str, before: int = 0) -> Source:
    """Parse some of the lines of a file, of which others come before.

    Raises:
        FormatError: not JSON.
    """
    return Source(where, "lines", _lines(data, where, before), before=before)


def parse(data: bytes, where: str) -> Source:
    """Parse the content of a file that is named so.

    Raises:
        FormatError: not JSON.
    """
    if data[:1] == PICKLE[:1] and data[1:2] in PICKLE[1:]:
        raise FormatError(
            "expected JSON, got a pickle, which could run any code and is not loaded",
            where=where,
            hint="refine.read(pickle.load(file)) in Python, where it is to be trusted",
        )
    if encoding := told_by_content(data) or ENCODINGS.get(_suffix(where)) or _looks_like(data):
        return Source(where, "document", [encoding.parse(data, where)])
    if is_lines_name(where) or _looks_like_lines(data):
        return parse_lines(data, where)
    return Source(where, "document", [parse_json(data, where)])


def is_lines_name(path: str | Path) -> bool:
    """Whether a file of this name holds JSON by the line."""
    return str(path).removesuffix(".gz").endswith(LINE_SUFFIXES)


def renamed(name: str, form: Format) -> str:
    """Name a file as another, with the ending that is usual with a format.

    >>> from refine.formats.known import get_format
    >>> renamed("a.json", get_format("ndjson")), renamed("b.ndjson.gz", get_format("parquet"))
    ('a.ndjson', 'b.parquet')
    """
    ends = {"document": form.ending, "lines": LINE_SUFFIXES[0], "folder": ""}
    bare = name.removesuffix(".gz")
    known = _suffix(bare) in (".json", *LINE_SUFFIXES, *ENCODINGS)
    return (str(Path(bare).with_suffix("")) if known else bare) + ends[form.holdings[0]]


def is_file_name(path: str | Path) -> bool:
    """Whether a name ends as those of files do, ours or others'."""
    name = str(path).removesuffix(".gz")
    return name != str(path) or Path(name).suffix.lower() in {".json", *LINE_SUFFIXES, *OTHERS}


def check_target(path: str | Path, form: Format | None = None) -> None:
    """Check, before anything is read for it, that a target can be written as far as its name tells.

    Args:
        path: of the target.
        form: what is to be written, if that is known.

    Raises:
        FormatError: it is named as what no format is (names of folders may end otherwise), its
            folder is not there, or the format is held in no such way.
    """
    if is_stream(path):
        return
    target, suffix = Path(path), _suffix(path)
    known = suffix in ENCODINGS if form is None else suffix in (form.ending, *form.endings)
    if suffix in OTHERS and not known and not target.is_dir():
        raise _unknown_name(path)
    if not Path(os.path.realpath(target)).parent.is_dir():
        raise FormatError(
            "expected a writable target, got a folder that is not there",
            where=str(path),
            hint="another -o",
        )
    if form and "folder" not in form.holdings and (target.is_dir() or str(path).endswith("/")):
        raise FormatError(f"expected the name of a file for {form.name}", where=str(path))
    if form and is_lines_name(path) and "lines" not in form.holdings:
        raise FormatError(
            f"expected a name that ends in .json for {form.name}, which is not held in lines",
            where=str(path),
        )


def holding_for(form: Format, poses: Poses, path: str | Path) -> Holding:
    """Choose how a target holds poses, by its name and by how their source held them.

    Names of lines and of JSON tell; a folder is what exists as one, ends with a slash, or has
    another name where the source was one; else it is as usual with the format.

    Raises:
        FormatError: a name that ends as those of other files.
    """
    name = str(path).removesuffix(".gz")
    check_target(path, form)
    own = poses.meta.get("format") == form.name
    if is_lines_name(path):
        wanted: Holding = "lines"
    elif is_stream(path) or name.endswith(".json") or _suffix(path) in ENCODINGS:
        files = [held for held in form.holdings if held != "folder"]
        before = poses.meta.get("held") if own and name == STDIO else None
        return next((held for held in files if held == before), files[0])
    elif name.endswith("/") or Path(path).is_dir() or (own and poses.meta.get("held") == "folder"):
        wanted = "folder"
    else:
        wanted = form.holdings[0]
    if wanted != "folder" and Path(name).suffix not in ("", ".json", *LINE_SUFFIXES):
        raise _unknown_name(path)
    return wanted if wanted in form.holdings else form.holdings[0]


def save(form: Format, poses: Poses, path: str | Path, precision: int | None = None) -> None:
    """Write poses in a format as a whole or not at all.

    Raises:
        FormatError: a target that cannot be written, or poses that the format cannot hold.
    """
    held = holding_for(form, poses, path)
    names = file_names(form, poses) if held == "folder" else []
    if needs_folder(form, poses, held) or (held == "folder" and not _is_free(Path(path))):
        raise _needs_folder(form, poses, path)
    written = documents_of(form, poses, precision, held)
    if held == "folder":
        documents = written if isinstance(written, list) else [written]
        pages = zip(names, documents, strict=True)
        write_folder(path, ((name, dump(page, "document", name)) for name, page in pages))
    else:
        write_bytes(path, dump(written, held, form.ending if is_stream(path) else str(path)))


def needs_folder(form: Format, poses: Poses, held: Holding) -> bool:
    """Whether one document would not tell the images apart, nor did so in the source."""
    many = len(poses.images) != 1 and not poses.meta.get("listed")
    return held == "document" and form.holdings[0] == "folder" and many


def documents_of(form: Format, poses: Poses, precision: int | None, held: Holding) -> Document:
    """Return what `Format.write` gives; a record that stood alone in its file does so again."""
    written = form.write(poses, precision, held)
    if held == "document" and poses.meta.get("single") and isinstance(written, list):
        only: Document = written[0] if len(written) == 1 else written
        return only
    return written


def is_binary(name: str) -> bool:
    """Whether the content of a file that is named or ends so is no text."""
    encoding = ENCODINGS.get(_suffix(f"x{name}"))
    return encoding is not None and encoding.binary


def dump(written: Document, held: Holding, name: str) -> bytes:
    """Return what `Format.write` gave as the content of one file that is named or ends so."""
    if held == "document":
        encoding = ENCODINGS.get(_suffix(f"x{name}"))
        return encoding.dump(written) if encoding else dump_json(written)
    lines = written if isinstance(written, list) else [written]
    return b"".join(dump_json(line) + b"\n" for line in lines)


def file_names(form: Format, poses: Poses) -> list[str]:
    """Name the files of a folder after the images.

    Raises:
        FormatError: images of one name.
    """
    own = poses.meta.get("format") == form.name
    ending = poses.meta.get("ending", form.ending)
    files = poses.meta.get("files", {})
    names: dict[str, ImageRef] = {}
    for ref in poses.images:
        name = stem(str(ref.id)) if own else Path(ref.file_name or str(ref.id)).stem
        name = files.get(ref.id, name + ending)
        if name in names:
            raise FormatError(
                f"expected images of different names, got two that would be {name!r}",
                hint="another --to",
            )
        names[name] = ref
    return list(names)


def _needs_folder(form: Format, poses: Poses, path: str | Path) -> FormatError:
    return FormatError(
        f"expected a new or empty folder for {len(poses.images)} {form.name} files, one per image",
        where=str(path),
        hint="-o FOLDER, or --to ndjson" if is_stream(path) else "another -o",
    )


def _unknown_name(path: str | Path) -> FormatError:
    ends = ", ".join([".json", *LINE_SUFFIXES])
    return FormatError(
        f"expected a name that ends in one of {ends} (or these and .gz), or in / for a folder",
        where=str(path),
        hint="another -o, or --to with a format of such files: `refine formats` lists them",
    )


def _is_free(path: Path) -> bool:
    return not (path.is_file() or (path.is_dir() and any(path.iterdir())))


def names_in(folder: str | Path, endings: Sequence[str] = ()) -> list[str]:
    """List the files that `load` reads of a folder.

    Raises:
        FormatError: none.
    """
    path = Path(folder)
    # Hidden files: macOS leaves a `._a.json` beside every a.json on foreign disks.
    files = [f for f in path.iterdir() if f.is_file() and not f.name.startswith(".")]
    kinds = (".json", *ENCODINGS)
    found = next((of for kind in kinds if (of := [f.name for f in files if f.suffix == kind])), [])
    names = sorted(found, key=natural_key)
    names = [n for n in names if n.endswith(tuple(endings))] or names
    if not names:
        raise FormatError(
            f"expected a folder with {' or '.join(kinds)} files, got none", where=str(path)
        )
    return names


def _suffix(path: str | Path) -> str:
    return Path(str(path).removesuffix(".gz")).suffix.lower()


def _parse_one(path: Path) -> Document:
    encoding = ENCODINGS.get(_suffix(path))
    if encoding is None:
        document: Document = parse_json(read_bytes(path), str(path))
        return document
    # An image without poses may have a file without a line.
    return encoding.parse(read_bytes(path) if path.stat().st_size else b"", str(path))


def _lines(data: bytes, where: str, before: int) -> list[Document]:
    try:
        values: list[Document] = msgspec.json.Decoder().decode_lines(data)
        return values
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return [
            parse_json(line, f"{where}, line {number}")
            for number, line in enumerate(data.split(b"\n"), before + 1)
            if line.strip()
        ]


def _looks_like(data: bytes) -> Encoding | None:
    """Tell what has no telling name by a first line that is no JSON: with commas, or of numbers."""
    head = data.removeprefix(codecs.BOM_UTF8).split(b"\n", 1)[0]
    if head[:1].isalpha() and b"," in head:
        return ENCODINGS[".csv"]
    return ENCODINGS[".txt"] if are_numbers(head.decode("latin-1")) else None


def _looks_like_lines(data: bytes) -> bool:
    """Whether the first line is a whole JSON object or list and another such line follows."""
    start = data.lstrip()[:1]
    end, closing = data.find(b"\n"), {b"{": b"}", b"[": b"]"}.get(start)
    if closing is None or end < 0 or not data[:end].rstrip().endswith(closing):
        return False
    return data[end:].lstrip()[:1] == start
