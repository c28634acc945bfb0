"""Poses cut into parts that hold whole images."""

import numpy as np


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
