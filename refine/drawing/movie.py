"""Pictures, one after the other, as a file that plays: H.264 in .mp4, or .gif."""

import tempfile
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain, pairwise
from pathlib import Path
from typing import IO

from PIL import Image, ImageChops, ImageStat

from refine.drawing.footage import av
from refine.exceptions import ArrayError, FormatError
from refine.files import is_stream, write_parts

MOVIES = (".mp4", ".gif")
"""Endings of files."""
CODECS = ("libx264", "libopenh264")
"""Of FFmpeg's for H.264; the first that it has."""
QUALITY = {"crf": "20", "preset": "veryfast"}
"""Of libx264: 18 looks like the source (trac.ffmpeg.org/wiki/Encode/H.264), 23 is usual."""
DENOMINATOR = 1001
"""Largest of frames per second as a fraction: 30000 / 1001 is NTSC's rate."""
GIF_TICKS = 100
"""Of a GIF's clock per second (GIF89a, 23);"""
GIF_FASTEST = 50
"""and what players show: shorter times than two ticks become ten."""
GIF_COLOURS = 64
"""Of a frame;"""
GIF_OFF = 4.0
"""and the mean difference of a channel, of 255, up to which they are those of the frame before, so
that only what moves is stored."""
GIF_MOST = 2000
"""Frames of a GIF, which is made in memory."""
CHUNK = 1 << 20
"""Bytes that are copied at a time."""


def write_movie(path: str | Path, pictures: Iterable[Image.Image], fps: float) -> None:
    """Write pictures to a file as they come, whole or not at all.

    Of .mp4 one picture is in memory at a time; every player knows H.264 in yuv420p.

    Args:
        path: ends in one of `MOVIES`.
        pictures: RGB, of one size, its sides even numbers.
        fps: frames per second.

    Raises:
        FormatError: another ending, a target that cannot be written, no PyAV, a GIF that is too
            fast or too long.
        ArrayError: less than a frame in `DENOMINATOR` s.
    """
    ending = Path(path).suffix.lower()
    if ending not in MOVIES:
        raise FormatError(
            f"expected a file that ends in {' or '.join(MOVIES)}", where=str(path), hint="another"
        )
    encode = _write_mp4 if ending == ".mp4" else _write_gif
    folder = None if is_stream(path) else Path(path).parent
    try:
        draft = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115, closed below
    except OSError as error:
        raise FormatError(
            f"expected a writable target, got: {error.strerror}", where=str(path), hint="another"
        ) from None
    with draft:
        encode(draft, iter(pictures), fps)
        draft.seek(0)
        write_parts(path, iter(lambda: draft.read(CHUNK), b""))


def _write_mp4(draft: IO[bytes], pictures: Iterator[Image.Image], fps: float) -> None:
    module = av()
    codec = next((name for name in CODECS if name in module.codec.codecs_available), None)
    if codec is None:
        raise FormatError(
            f"expected PyAV with one of {', '.join(CODECS)}, got none",
            hint='pip install "refine-pose[video]", or a .gif',
        )
    rate = Fraction(fps).limit_denominator(DENOMINATOR)
    if not rate:
        raise ArrayError(f"expected at least 1 frame in {DENOMINATOR} s, got {fps:g} per second")
    first = next(pictures)
    with module.open(draft, "w", format="mp4") as container:
        options = QUALITY if codec == CODECS[0] else {}
        stream = container.add_stream(codec, rate=rate, options=options)
        stream.width, stream.height = first.size
        stream.pix_fmt = "yuv420p"
        for picture in chain([first], pictures):
            container.mux(stream.encode(module.VideoFrame.from_image(picture)))
        container.mux(stream.encode(None))


def _write_gif(draft: IO[bytes], pictures: Iterator[Image.Image], fps: float) -> None:
    if fps > GIF_FASTEST:
        raise FormatError(
            f"expected at most {GIF_FASTEST} frames per second in a .gif, got {fps:g}",
            hint="an .mp4",
        )
    frames: list[Image.Image] = []
    for picture in pictures:
        if len(frames) == GIF_MOST:
            raise FormatError(f"expected at most {GIF_MOST} frames in a .gif", hint="an .mp4")
        frames.append(_indexed(picture, frames[-1] if frames else None))
    ends = [round(GIF_TICKS * i / fps) for i in range(len(frames) + 1)]
    times = [10 * (b - a) for a, b in pairwise(ends)]
    frames[0].save(
        draft, "GIF", save_all=True, append_images=frames[1:], duration=times, loop=0, disposal=1
    )


def _indexed(picture: Image.Image, before: Image.Image | None) -> Image.Image:
    """Return a picture of few colours, those of the frame before as long as they serve."""
    if before is not None:
        found = picture.quantize(palette=before, dither=Image.Dither.NONE)
        off = ImageStat.Stat(ImageChops.difference(picture, found.convert("RGB"))).mean
        if max(off) <= GIF_OFF:
            return found
    return picture.quantize(GIF_COLOURS, dither=Image.Dither.NONE)
