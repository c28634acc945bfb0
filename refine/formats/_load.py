"""What a path holds before anyone knows the format: JSON, lines of JSON, a folder of JSON."""

from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from refine.exceptions import FormatError
from refine.files import STDIO, parse_json, read_bytes

LINE_SUFFIXES = (".ndjson", ".jsonl")
OPENPOSE_SUFFIX = "_keypoints.json"


class Folder(NamedTuple):
    """The parsed files of a folder by name, sorted."""

    files: dict[str, Any]


class Lines(NamedTuple):
    """The parsed lines of a file; blank ones left out."""

    values: list[Any]


def load(path: str | Path) -> Any:
    """Read a file or folder: parsed JSON, `Lines` or `Folder`.

    Raises:
        FormatError: unreadable, empty or not JSON.
    """
    if str(path) != STDIO and Path(path).is_dir():
        return Folder(_folder(Path(path)))
    data = read_bytes(path)
    if is_lines_name(path) or _looks_like_lines(data):
        return Lines(_lines(data, str(path)))
    return parse_json(data, str(path))


def is_lines_name(path: str | Path) -> bool:
    """Whether a file of this name holds JSON by the line."""
    return str(path).removesuffix(".gz").endswith(LINE_SUFFIXES)


def _folder(path: Path) -> dict[str, Any]:
    names = sorted(f.name for f in path.iterdir() if f.suffix == ".json" and f.is_file())
    # OpenPose may share its folder with COCO results (--write_coco_json).
    names = [n for n in names if n.endswith(OPENPOSE_SUFFIX)] or names
    if not names:
        raise FormatError("expected a folder with .json files, got none", where=str(path))
    return {name: parse_json(read_bytes(path / name), str(path / name)) for name in names}


def _lines(data: bytes, where: str) -> list[Any]:
    try:
        values: list[Any] = msgspec.json.Decoder().decode_lines(data)
        return values
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return [
            parse_json(line, f"{where}, line {number}")
            for number, line in enumerate(data.split(b"\n"), 1)
            if line.strip()
        ]


def _looks_like_lines(data: bytes) -> bool:
    """Whether the first line is a whole JSON object and another line follows."""
    start = data.lstrip()[:1]
    end = data.find(b"\n")
    if start != b"{" or end < 0 or not data[:end].rstrip().endswith(b"}"):
        return False
    return data[end:].lstrip()[:1] == b"{"
