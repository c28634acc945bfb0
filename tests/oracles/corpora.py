"""Poses of made-up people, and parts of them by image."""

from pathlib import Path

import numpy as np

import refine
from refine.sample import make_people
from refine.sample.estimator import make_predictions


def make_predictions_of(images):
    """Return predictions on so many images, some of them duplicates and fragments."""
    rng = np.random.default_rng(5)
    return make_predictions(make_people(images, rng)[0], rng)


def part(poses, low, high):
    """Return the poses on some of the images, with these alone."""
    rows = np.flatnonzero((poses.image >= low) & (poses.image < high))
    return poses[rows].replace(images=poses.images[low:high], image=poses.image[rows] - low)


def alike(got, expected):
    """Check that poses are the same to the bit, on the same images."""
    assert isinstance(got, refine.Poses)
    assert [ref.id for ref in got.images] == [ref.id for ref in expected.images]
    for name in ("xy", "score", "instance_score", "image"):
        np.testing.assert_array_equal(getattr(got, name), getattr(expected, name))
    assert got.extra == expected.extra


def cut(poses, of_part):
    """Cut poses where `of_part` says, a number for each image; images without poses go along."""
    parts = []
    for number in range(max(of_part, default=0) + 1):
        at = [i for i, each in enumerate(of_part) if each == number]
        place = np.full(len(poses.images), -1)
        place[at] = np.arange(len(at))
        own = poses[place[poses.image] >= 0]
        images = tuple(poses.images[i] for i in at)
        parts.append(own.replace(image=place[own.image], images=images))
    return parts


def contents(root):
    """Return the outputs under a folder by name, and their bytes."""
    return {
        str(p.relative_to(root)): p.read_bytes()
        for p in sorted(root.rglob("*"))
        if p.is_file() and "_refine" not in p.parts
    }


def names_in(place):
    """Return the names in a folder."""
    return sorted(path.name for path in Path(place).iterdir())
