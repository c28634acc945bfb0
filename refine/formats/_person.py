"""One made-up person, of which the formats' samples are written."""

import numpy as np

from refine.poses import ImageRef, Poses
from refine.skeletons import skeleton

STANDING = [
    (150, 60), (154, 56), (146, 56), (160, 58), (140, 58), (170, 90), (130, 90), (178, 130),
    (122, 130), (182, 168), (118, 168), (162, 172), (138, 172), (164, 232), (136, 232), (166, 292),
    (134, 292),
]  # fmt: skip
"""Somebody who stands and looks at us, in COCO's order; px."""


def one_person(joints: str = "coco17") -> Poses:
    """Return one pose that has everything; its right wrist is missing.

    >>> len(one_person("openpose18"))
    1
    """
    xy = np.array([STANDING], np.float64)
    score = np.linspace(0.9, 0.5, xy.shape[1])[None].round(3)
    missing = skeleton("coco17").index("right_wrist")
    xy[0, missing], score[0, missing] = np.nan, 0
    person = Poses.from_arrays(
        skeleton("coco17"),
        xy,
        score,
        instance_score=[0.75],
        images=[ImageRef(7, "7.jpg", 640, 480, frame=7)],
        score_kind="peak",
        box=[[110, 40, 190, 300]],
        area=[12500],
    )
    return person.replace(track=np.array([3])).to(joints)
