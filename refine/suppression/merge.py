"""Merging the duplicates that suppression finds into the poses that stay.

Score-weighted means of poses that are alike: what weighted box fusion (Solovyev et al. 2021) does
for boxes and keypoint merging in PersonLab-style parsers for poses, with OKS in the weight.
"""

import numpy as np

from refine._types import Bools, Floats, Indices
from refine.oks import EPS, keypoint_similarity


def assign_duplicates(
    xy: Floats, area: Floats, sigmas: Floats, image: Indices, kept: Indices
) -> tuple[Indices, Floats]:
    """Find for every pose the kept one of its image that it is most alike to.

    Args:
        xy: (N, K, 2) px, NaN where missing.
        area: (N,) px^2.
        sigmas: (K,).
        image: (N,).
        kept: indices of the poses that stay.

    Returns:
        index (N,) of that pose, itself for kept ones and -1 where the image has none, and the OKS
        (N,) over the joints that both have, with the mean of both areas.
    """
    winner, alike = np.full(len(xy), -1, np.intp), np.zeros(len(xy))
    winner[kept], alike[kept] = kept, 1.0
    lost = np.setdiff1d(np.arange(len(xy)), kept)
    of_image: dict[int, list[int]] = {}
    for i in kept.tolist():
        of_image.setdefault(int(image[i]), []).append(i)
    for i in lost.tolist():
        others = np.array(of_image.get(int(image[i]), []), np.intp)
        if not len(others):
            continue
        both = np.isfinite(xy[others]).all(-1) & np.isfinite(xy[i]).all(-1)
        size = (area[others] + area[i]) / 2 + EPS
        same = keypoint_similarity(
            np.broadcast_to(xy[i], xy[others].shape), xy[others], size, sigmas
        )
        oks = np.where(both, same, 0.0).sum(1) / np.maximum(both.sum(1), 1)
        best = int(oks.argmax())
        winner[i], alike[i] = others[best], oks[best]
    return winner, alike


def merge_joints(
    xy: Floats, weight: Floats, winner: Indices, alike: Floats
) -> tuple[Floats, Bools]:
    """Average the joints of poses over all that were merged into them.

    Args:
        xy: (N, K, 2) px, NaN where missing.
        weight: (N, K) of every joint, none negative.
        winner: (N,) the pose that each is merged into, itself for those that stay, -1 for none.
        alike: (N,) OKS between the two, a factor on the weight.

    Returns:
        xy (N, K, 2), changed in the rows that stay, and (N, K) which joints these gained.

    >>> xy = np.array([[[0.0, 0.0], [np.nan, np.nan]], [[4.0, 0.0], [8.0, 8.0]]])
    >>> merged, gained = merge_joints(xy, np.ones((2, 2)), np.array([0, 0]), np.array([1.0, 1.0]))
    >>> merged[0].tolist(), gained[0].tolist()
    ([[2.0, 0.0], [8.0, 8.0]], [False, True])
    """
    present = np.isfinite(xy).all(-1)
    into = winner >= 0
    mass = np.where(present, weight * alike[:, None], 0.0)
    total, place = np.zeros(weight.shape), np.zeros(xy.shape)
    np.add.at(total, winner[into], mass[into])
    np.add.at(place, winner[into], (mass[..., None] * np.nan_to_num(xy))[into])
    stays = (winner == np.arange(len(xy)))[:, None]
    alone = np.bincount(winner[into], minlength=len(xy))[:, None] < 2
    use = stays & ~alone & (total > 0)
    mean = place / np.where(total > 0, total, 1.0)[..., None]
    return np.where(use[..., None], mean, xy), use & ~present
