"""The pictures under a video's poses: frames of a file that is decoded, one after the other."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from PIL import Image

from refine._types import Indices
from refine.exceptions import FormatError

QUARTER = 90
"""Degrees: telephones store videos turned by multiples of it, and cv2 turns them back."""


@dataclass(frozen=True, slots=True)
class Film:
    """A video file.

    Attributes:
        path: of the file.
        size: width and height in px, upright.
        fps: frames per second, None where the file does not tell.
        frames: their number, 0 where the file does not tell.
    """

    path: str
    size: tuple[int, int]
    fps: float | None
    frames: int


def look_into(path: str | Path) -> Film:
    """Read what a video file tells of itself, and its first frame.

    Raises:
        FormatError: PyAV is not installed, or the file is no video.
    """
    with _opened(path) as (container, stream):
        first = next(_upright(container, stream), None)
        if first is None:
            raise FormatError("expected a video, got no frame", where=str(path))
        rate = stream.average_rate
        return Film(str(path), first.size, float(rate) if rate else None, int(stream.frames))


def first_number(film: Film, numbers: Indices) -> int:
    """Return the number of a video's first frame: 1 where the last is as many as it has, else 0."""
    return int(numbers[0] >= 1 and numbers[-1] == film.frames)


def pictures_of(film: Film, numbers: Iterator[int]) -> Iterator[Image.Image | None]:
    """Yield the picture of each of some frames, None beyond the last; one is in memory at a time.

    Args:
        film: the file.
        numbers: of the frames, rising; 0 is the first.

    Raises:
        FormatError: damage within the file.
    """
    with _opened(film.path) as (container, stream):
        frames = enumerate(_upright(container, stream))
        at, picture = next(frames, (-1, None))
        for number in numbers:
            while picture is not None and at < number:
                at, picture = next(frames, (-1, None))
            yield picture if at == number else None


def av(where: str | None = None) -> ModuleType:
    """Return PyAV.

    Raises:
        FormatError: it is not installed.
    """
    try:
        return import_module("av")
    except ImportError:
        raise FormatError(
            "expected PyAV for videos, which is not installed",
            where=where,
            hint='pip install "refine-pose[video]"',
        ) from None


@contextmanager
def _opened(path: str | Path) -> Iterator[tuple[Any, Any]]:
    """Open a file with its first stream of pictures."""
    module = av(str(path))
    if not Path(path).is_file():
        raise FormatError("expected a video, got no regular file", where=str(path))
    try:
        with module.open(str(path)) as container:
            if not container.streams.video:
                raise FormatError("expected a video, got no pictures in it", where=str(path))
            yield container, container.streams.video[0]
    except module.error.FFmpegError as error:
        raise FormatError(
            f"expected a video, got: {error.strerror or error}", where=str(path)
        ) from None


def _upright(container: Any, stream: Any) -> Iterator[Image.Image]:
    stream.thread_type = "AUTO"
    for frame in container.decode(stream):
        picture: Image.Image = frame.to_image()
        turn = round(frame.rotation / QUARTER) % 4
        yield picture.rotate(turn * QUARTER, expand=True) if turn else picture
