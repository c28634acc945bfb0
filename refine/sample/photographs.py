"""Two free photographs with people, labelled by hand, and predictions that a poor network makes.

The astronaut Eileen Collins (NASA, public domain) and a man with a camera (Lav Varshney, CC0); both
as scikit-image ships them, as JPEG.
"""

import io
from collections.abc import Iterator
from importlib import resources

import msgspec
import numpy as np
from PIL import Image

from refine.crops.arrays import Pixels
from refine.evaluation.ground_truth import read_ground_truth
from refine.poses import ImageRef, Poses

FOLDER = resources.files("refine") / "sample" / "photographs"
LABELS = "people.json"


def photographs() -> Iterator[tuple[str, bytes]]:
    """Yield the files, pictures and labels, with their names."""
    for file in sorted(FOLDER.iterdir(), key=lambda f: f.name):
        yield file.name, file.read_bytes()


def photographed_people(times: int = 1) -> tuple[Poses, list[Pixels]]:
    """Return the people on the photographs, and a picture for every image.

    Args:
        times: the photographs are shown; their images are numbered from 1.

    Returns:
        poses with areas, boxes and flags for scores, and (H, W, 3) uint8 RGB of the images.

    >>> people, pictures = photographed_people(3)
    >>> len(people), len(people.images), pictures[0].shape
    (6, 6, (512, 512, 3))
    """
    truth = read_ground_truth(msgspec.json.decode((FOLDER / LABELS).read_bytes()))
    persons, images = truth.persons, truth.images
    pictures = [_read(ref.file_name or "") for ref in images]
    count = len(images)
    refs = [
        ImageRef(i + 1, ref.file_name, ref.width, ref.height)
        for i, ref in enumerate(images * times)
    ]
    image = np.concatenate([persons.image + count * i for i in range(times)])
    people = Poses.from_arrays(
        truth.skeleton,
        np.tile(persons.xy, (times, 1, 1)),
        np.tile(persons.visible.astype(np.float64), (times, 1)),
        image=image,
        images=refs,
        score_kind="flag",
        box=np.tile(persons.box, (times, 1)),
        area=np.tile(persons.area, times),
    )
    return people.replace(extra=tuple({"id": i + 1} for i in range(len(people)))), pictures * times


def _read(name: str) -> Pixels:
    with Image.open(io.BytesIO((FOLDER / name).read_bytes())) as picture:
        return np.asarray(picture.convert("RGB"))
