"""Crops of poses, cut out of pictures that are read a few ahead."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from refine._types import Indices
from refine.crops.arrays import Pixels, crop_image
from refine.exceptions import FormatError
from refine.geometry import Crop
from refine.refiner.image.crops import Picture
from refine.refiner.image.pictures import read_picture, short

BATCH = 32
"""Crops that go through the network at once."""
AHEAD = 8
"""Pictures that are read while the network works; what bounds the memory."""


def stream_crops(
    image: Indices,
    rows: Indices,
    pictures: Sequence[Picture | None],
    crop: Crop,
    workers: int,
    *,
    exif: bool = True,
    failed: dict[int, str] | None = None,
) -> Iterator[tuple[Indices, Pixels]]:
    """Read every picture once and yield the crops of its poses, in batches of `BATCH`.

    Args:
        image: (N,) number of every pose's image.
        rows: the poses to crop; their images have a picture.
        pictures: of the images.
        crop: image px -> network input, (N,).
        workers: threads that read and crop.
        exif: whether EXIF orientation is applied.
        failed: gets the images whose pictures cannot be read, and why; their poses are passed over.

    Yields:
        rows (B,) and their crops (B, H, W, 3).

    Raises:
        FormatError: a picture that cannot be read, and no `failed` to note it.
    """
    order = rows[np.argsort(image[rows], kind="stable")]
    groups = np.split(order, np.flatnonzero(np.diff(image[order])) + 1) if len(order) else []

    def load(group: Indices) -> list[Pixels]:
        source = pictures[image[group[0]]]
        assert source is not None
        picture = read_picture(source, exif=exif)
        return [crop_image(picture, crop.matrix[i], crop.size) for i in group]

    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[tuple[Indices, Future[list[Pixels]]]] = deque()
        upcoming = iter(groups)
        held_rows: list[int] = []
        held: list[Pixels] = []
        while True:
            while len(waiting) < AHEAD and (group := next(upcoming, None)) is not None:
                waiting.append((group, pool.submit(load, group)))
            if not waiting:
                break
            group, future = waiting.popleft()
            try:
                held += future.result()
            except FormatError as error:
                if failed is None:
                    raise
                failed[int(image[group[0]])] = short(error)
                continue
            held_rows += group.tolist()
            while len(held) >= BATCH:
                yield np.array(held_rows[:BATCH], np.intp), np.stack(held[:BATCH])
                del held_rows[:BATCH], held[:BATCH]
        if held:
            yield np.array(held_rows, np.intp), np.stack(held)
