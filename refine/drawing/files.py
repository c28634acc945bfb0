"""Drawings as files: what they are called, how they are encoded, many at once."""

import io
import os
import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
from PIL import Image

from refine.drawing.canvas import Canvas
from refine.drawing.cases import Case
from refine.drawing.cells import Look, Row, draw_case, show_case
from refine.drawing.marks import ellipses
from refine.drawing.raster import paint
from refine.drawing.sheet import legend, sheet
from refine.drawing.stages import Stages, on_images
from refine.drawing.svg import svg
from refine.exceptions import ArrayError, FormatError
from refine.files import write_bytes
from refine.poses import Poses
from refine.refiner.image.crops import SUFFIXES, Stored, find_pictures
from refine.refiner.image.pictures import Sight, check_found, look_at, read_picture, short

S = TypeVar("S")
T = TypeVar("T")
Encoding = Literal["png", "jpg", "svg"]
ENDINGS: dict[str, Encoding] = {".png": "png", ".jpg": "jpg", ".jpeg": "jpg", ".svg": "svg"}
QUALITY = 90
"""Of JPEGs."""
EFFORT = 1
"""Of the deflate of PNGs: pictures of a seventh more in a third of the time of zlib's usual 6."""
TALLEST = 65_500
"""Px that a JPEG may be wide or high (libjpeg, JPEG_MAX_DIMENSION), and no one looks further."""
LONGEST = 80
"""Letters of a name that is made of an image's; of three bytes each they still fit."""
WORKERS = min(4, os.cpu_count() or 1)
"""Threads: decoding, resizing and encoding are done outside of Python's lock."""


@dataclass(slots=True)
class Pictures:
    """Pictures of the images of stages, read when they are drawn on.

    Attributes:
        paths: one per image, None where there is none that serves.
        exif: whether EXIF orientation is applied.
        sight: which of them do not serve, and why; None without any.
    """

    paths: Sequence[Stored | None]
    exif: bool = True
    sight: Sight | None = None

    def read(self, image: int) -> Image.Image | None:
        """Return the picture of an image, None where there is none.

        Raises:
            FormatError: one that cannot be read, without a `sight` that takes note.
        """
        path = self.paths[image]
        if path is None:
            return None
        try:
            return Image.fromarray(read_picture(path, exif=self.exif))
        except FormatError as error:
            if self.sight is None:
                raise
            self.sight.unread[path.name] = short(error)
            return None


def find_drawn(
    stages: Stages, cases: Sequence[Case], folder: str | Path, *, exif: bool = True
) -> Pictures:
    """Find the pictures of cases in a folder, and leave out those that do not serve.

    Args:
        stages: that the cases are of.
        cases: that will be drawn.
        folder: of pictures, see `refine.refiner.image.crops.find_pictures`.
        exif: whether EXIF orientation is applied.

    Raises:
        FormatError: no such folder, or no picture of any of these images in it.
    """
    drawn = sorted({case.image for case in cases})
    seen = find_all(on_images(stages.poses[-1], drawn), folder, exif=exif)
    paths: list[Stored | None] = [None] * len(stages.images)
    for image, path in zip(drawn, seen.paths, strict=True):
        paths[image] = path
    return Pictures(paths, exif, seen.sight)


def find_all(poses: Poses, folder: str | Path, *, exif: bool = True) -> Pictures:
    """Find the pictures of the images of poses in a folder, leaving out those that do not serve.

    Raises:
        FormatError: no such folder, or no picture of any of these images in it.
    """
    found = find_pictures(folder, poses.images)
    check_found(folder, found, poses)
    sight = look_at(poses, found, exif=exif)
    paths = [None if u is None else path for path, u in zip(found, sight.pictures, strict=True)]
    return Pictures(paths, exif, sight)


def encode(canvas: Canvas, encoding: Encoding, title: str = "poses") -> bytes:
    """Return what is drawn as a file.

    Raises:
        ArrayError: pixels of more than `TALLEST` px.
    """
    if encoding == "svg":
        return svg(canvas, title)
    if max(canvas.width, canvas.height) > TALLEST:
        raise ArrayError(
            f"expected at most {TALLEST} px, got {canvas.width} x {canvas.height}",
            hint="fewer, smaller, as .svg, or in a folder",
        )
    data = io.BytesIO()
    if encoding == "png":
        paint(canvas).save(data, "PNG", compress_level=EFFORT)
    else:
        paint(canvas).save(data, "JPEG", quality=QUALITY, subsampling=0)
    return data.getvalue()


def contact_sheet(
    stages: Stages,
    cases: Sequence[Case],
    pictures: Pictures,
    look: Look,
    progress: Callable[[int], None] | None = None,
) -> Canvas:
    """Draw a sheet: a row for each case, a column for each stage; of one stage, several in a row.

    Args:
        stages: that the cases are of.
        cases: in their order.
        pictures: of the images.
        look: how they are shown.
        progress: called with the number of cases done.
    """

    def show(case: Case) -> Row:
        return show_case(stages, case, pictures.read(case.image), look)

    rows = list(counted(mapped(show, cases), progress))
    marks = legend(
        [poses.skeleton for poses in stages.poses],
        compared=len(stages.poses) > 1,
        uncertain=any(np.isfinite(ellipses(poses)).any() for poses in stages.poses),
    )
    return sheet(rows, stages.heads, marks)


def write_each(
    stages: Stages,
    cases: Sequence[Case],
    pictures: Pictures,
    look: Look,
    folder: str | Path,
    encoding: Encoding = "jpg",
    progress: Callable[[int], None] | None = None,
) -> list[str]:
    """Write a file for each case: the last stage, compared with the first, over the truth.

    Args:
        stages: that the cases are of.
        cases: in their order.
        pictures: of the images.
        look: how they are shown.
        folder: is there already.
        encoding: of the files.
        progress: called with the number of files written.

    Returns:
        the names of the files.

    Raises:
        FormatError: a file that cannot be written.
    """
    names = [f"{name}.{encoding}" for name in names_of(stages, cases)]

    def write(at: int) -> str:
        case = cases[at]
        canvas = draw_case(stages, case, pictures.read(case.image), look)
        write_bytes(Path(folder, names[at]), encode(canvas, encoding, names[at]))
        return names[at]

    return list(counted(mapped(write, range(len(cases))), progress))


def names_of(stages: Stages, cases: Sequence[Case]) -> list[str]:
    """Name the files of cases, without endings: as their images, with numbers where that is two.

    Folders that images name become part of the name where images of two folders share one.
    """
    told = [str(ref.file_name or ref.id) for ref in stages.images]
    parts = [[p for p in re.split(r"[/\\]", name) if p.strip(". ")] for name in told]
    short = [_stem(each[-1:]) for each in parts]
    shared = {name for name, times in Counter(short).items() if times > 1}
    names = [_stem(p) if s in shared else s for s, p in zip(short, parts, strict=True)]
    times = Counter(names[case.image] for case in cases)
    used = {name for name, number in times.items() if number == 1}
    out = []
    for case in cases:
        name = names[case.image]
        if times[name] > 1:
            name = next(n for i in count(1) if (n := f"{name}-{i}") not in used)
            used.add(name)
        out.append(name)
    return out


def _stem(parts: Sequence[str]) -> str:
    """Make a name of a file of the parts of a path, without its ending."""
    whole = "_".join(parts) or "image"
    bare = Path(whole).stem if Path(whole).suffix.lower() in SUFFIXES else whole
    return re.sub(r"[^\w.+ -]", "_", bare)[:LONGEST].strip(". ")


def mapped(do: Callable[[S], T], over: Iterable[S]) -> Iterator[T]:
    """Do something with all of a sequence in a few threads, a few ahead; yield in its order."""
    with ThreadPoolExecutor(WORKERS) as pool:
        ahead: deque[Future[T]] = deque()
        try:
            for each in over:
                ahead.append(pool.submit(do, each))
                if len(ahead) > 2 * WORKERS:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()


def counted(results: Iterator[T], progress: Callable[[int], None] | None) -> Iterator[T]:
    """Pass on results, and tell `progress` of each how many there were."""
    for done, result in enumerate(results, 1):
        if progress:
            progress(done)
        yield result
