"""Places: what shows in the coordinates alone, and in the sizes of the images."""

from typing import Any

import numpy as np

from refine._types import Bools, Floats
from refine.categories import groups_of
from refine.checks.finding import OUT, Finding, Subject, named
from refine.formats._units import share_of
from refine.geometry import keypoint_box
from refine.oks import pairwise_oks
from refine.skeletons import borrow_sigmas

MARGIN = 0.05
"""Of an image: joints so far beyond its border may be real ones, cut off."""
OUTSIDE = 0.1
"""Share of joints further out than `MARGIN` from which the frame is another; of the networks of
tests/benchmarks/check.py none has more than .041."""
ALIKE = 0.999
"""OKS above which poses are copies. NMS at .9 is what to do about echoes of lower score."""
FEW = 10
"""Poses below which shares over poses tell nothing."""
LYING = 0.8
"""Share of poses wider than high, head to hip, from which axes are swapped."""
FACING = 0.75
"""Share of faces with the left eye left of the right, which in a picture is right of it."""
COLLAPSED = 0.05
"""Distance of left and right joints over the longer side of the pose, below which averages of
mirrored passes have lost them."""


def shares(s: Subject) -> list[Finding]:
    """Coordinates that are shares of the image."""
    found = share_of(s.poses.xy)
    if not found or s.poses.history:
        return []
    return [
        Finding(
            "normalised",
            f"coordinates lie nearly all within {found}",
            "a tool that writes shares of the image in the place of px (MediaPipe, Ultralytics "
            "xyn, OpenPose --keypoint_scale 3 or 4)",
            "",
            (f"refine convert {s.where} --normalised --sizes {s.gt} -o {OUT}",),
        )
    ]


def outside(s: Subject) -> list[Finding]:
    """Joints outside their image, and what frame they may be of."""
    if share_of(s.poses.xy):
        return []
    xy, size = s.poses.xy, s.size
    known: Bools = s.poses.present & np.isfinite(size).all(-1, keepdims=True)
    if known.sum() < FEW:
        return []
    beyond = _beyond(xy, size) & known
    share = beyond.sum() / known.sum()
    if share <= OUTSIDE:
        return []
    turned = s.turned[s.poses.image]
    if (beyond & turned[:, None]).sum() > 0.5 * beyond.sum():
        return []  # `exif_frame` tells.
    swapped = (_beyond(xy[..., ::-1], size) & known).sum() / known.sum()
    told = f"{share:.0%} of the joints lie outside their image"
    rows = s.at(beyond.any(1))
    if swapped < share / 4:
        what = f"{told}, {swapped:.0%} if x and y change places"
        return [_swapped(s, what, rows)]
    reach = np.nanpercentile(np.where(known[..., None], xy / size[:, None], np.nan), 99, (0, 1))
    return [
        Finding(
            "outside",
            f"{told}; they reach {reach[0]:.2f} of its width and {reach[1]:.2f} of its height",
            "coordinates of a picture of another size, of crops, or ids of other images",
            f"refine check {s.where} --gt GT.json, which estimates the factor",
            **rows,
            figures={"share": float(share)},
        )
    ]


def _beyond(xy: Floats, size: Floats) -> Bools:
    limit = size[:, None]
    return np.asarray(((xy < -MARGIN * limit) | (xy > (1 + MARGIN) * limit)).any(-1))


def _swapped(s: Subject, what: str, rows: dict[str, Any]) -> Finding:
    return Finding(
        "axes-swapped",
        what,
        "a tool that writes y before x (row, column), as MoveNet, TF and NumPy index",
        "",
        s.mending("swap-xy"),
        **rows,
    )


def lying(s: Subject) -> list[Finding]:
    """Nobody stands: x and y changed places, where no image size tells."""
    size = s.size
    if np.isfinite(size).all() and len(size):
        return []
    head, feet = _middle(s, ("nose", "shoulder")), _middle(s, ("hip", "knee", "ankle"))
    if head is None or feet is None:
        return []
    along = np.abs(feet - head)
    told = np.isfinite(along).all(1)
    lie = told & (along[:, 0] > along[:, 1])
    if told.sum() < FEW or lie.sum() < LYING * told.sum():
        return []
    what = f"{lie.sum()} of {told.sum()} people lie: their bodies are wider than high"
    return [_swapped(s, what, s.at(lie))]


def _middle(s: Subject, parts: tuple[str, ...]) -> Floats | None:
    index = [i for i, j in enumerate(s.poses.skeleton.joints) if any(p in j for p in parts)]
    if not index:
        return None
    xy = s.poses.xy[:, index]
    seen = np.isfinite(xy)
    count = seen.sum(1)
    return np.asarray(np.where(count, np.where(seen, xy, 0).sum(1) / count.clip(1), np.nan))


def copies(s: Subject) -> list[Finding]:
    """The same pose twice on one image."""
    poses = s.poses
    sigmas, present = borrow_sigmas(poses.skeleton), poses.present
    area = np.prod(np.nan_to_num(s.extent)[:, None].repeat(2, 1), 1)
    groups = groups_of(poses)
    order = np.argsort(groups, kind="stable")
    twice = []
    for rows in np.split(order, np.flatnonzero(np.diff(groups[order])) + 1):
        if len(rows) > 1:
            oks = pairwise_oks(poses.xy[rows], poses.xy[rows], area[rows], sigmas)
            # Fragments of bottom-up networks share joints, and are no copies.
            shown = present[rows]
            same = (shown[:, None] == shown[None]).all(-1)
            later = np.tril(same & (oks > ALIKE), -1).any(1)
            twice += rows[later].tolist()
    if not twice:
        return []
    return [
        Finding(
            "duplicates",
            f"{len(twice)} of {len(poses)} poses are copies of another one of their image",
            "files put together twice, overlapping crops or tiles, or no NMS",
            "",
            (f"refine nms {s.where} -o {OUT}",),
            **s.at(sorted(twice)),
        )
    ]


def faces(s: Subject) -> list[Finding]:
    """Left and right labels that changed places: nobody looks at the camera that way."""
    joints = s.poses.skeleton.joints
    if s.truth is not None or not {"left_eye", "right_eye", "nose"} <= set(joints):
        return []
    left, right, nose = (s.poses.xy[:, joints.index(j)] for j in ("left_eye", "right_eye", "nose"))
    wide = np.abs(left - right)[:, 0] > np.abs(left - right)[:, 1]
    upright = nose[:, 1] > np.minimum(left, right)[:, 1]
    told = wide & upright & ((left + right) / 2 - nose != 0).any(1)
    # From behind, a network's eyes are guesses; seen from the front, the nose is between them.
    told &= (nose[:, 0] - left[:, 0]) * (nose[:, 0] - right[:, 0]) < 0
    wrong = told & (left[:, 0] < right[:, 0])
    if told.sum() < FEW or wrong.sum() < FACING * told.sum():
        return []
    return [
        Finding(
            "mirrored-labels",
            f"of {told.sum()} faces {wrong.sum()} have the left eye on the left of the picture",
            "mirrored pictures, a flip test whose joints were not swapped back, or labels as the "
            "viewer sees them",
            "",
            s.mending("swap-sides"),
            **s.at(wrong),
        )
    ]


def collapsed(s: Subject) -> list[Finding]:
    """Left and right joints in one place: a mirrored pass averaged without the flip table."""
    body = s.poses.skeleton
    index = [i for i, j in enumerate(body.mirror.tolist()) if j > i]
    if not index or len(s.poses) < FEW:
        return []
    gap = np.abs(s.poses.xy[:, index, 0] - s.poses.xy[:, body.mirror[index], 0])
    extent = np.where(s.extent > 0, s.extent, np.nan)[:, None]
    known = np.isfinite(gap / extent)
    told = known.any(1)
    widest = np.where(known, gap / extent, -1).max(1)
    flat = told & (widest < COLLAPSED)
    if told.sum() < FEW or flat.sum() < LYING * told.sum():
        return []
    return [
        Finding(
            "flip-table",
            f"left and right joints lie above one another in {flat.sum()} of {told.sum()} poses",
            "maps of a mirrored pass averaged without swapping left and right channels",
            "the network's flip pairs at inference; refine decode --preset NAME knows them",
            **s.at(flat),
        )
    ]


def jumps(s: Subject) -> list[Finding]:
    """Tracks that leave their person from one frame to the next, or stand twice in one."""
    track = s.poses.track
    if track is None:
        return []
    frames = [r.frame for r in s.poses.images]
    ids = [r.id for r in s.poses.images]
    if not any(f is None for f in frames):
        time = np.array(frames, np.int64)
    elif all(isinstance(i, int) for i in ids):
        time = np.array(ids)
    else:
        time = np.arange(len(ids))
    box = keypoint_box(s.poses.xy)
    centre, extent = (box[:, :2] + box[:, 2:]) / 2, s.extent
    when = time[s.poses.image]
    order = np.lexsort((when, track))
    a, b = order[:-1], order[1:]
    same = (track[a] == track[b]) & (track[a] >= 0)
    step = when[b] - when[a]
    away = np.hypot(*(centre[b] - centre[a]).T)
    far = same & (step == 1) & (away > np.maximum(extent[a], extent[b]))
    rows = np.sort(b[far | (same & (step == 0))])
    if not len(rows):
        return []
    return [
        Finding(
            "track-jumps",
            f"{len(rows)} times a track moves further than its person is long from one frame to "
            "the next, or stands twice in one",
            "ids that changed persons, or frames in another order",
            "the tracker again with a lower gate; until then, no smoothing along these tracks",
            **s.at(rows),
            figures={"tracks": np.unique(track[rows]).tolist()},
        )
    ]


def exif_frame(s: Subject) -> list[Finding]:
    """Poses on pictures that EXIF turns, in the frame of the picture as stored."""
    turned = s.turned[s.poses.image]
    if not turned.any():
        return []
    xy, size = s.poses.xy, s.size
    stored = size[:, ::-1]
    out = (turned & (_beyond(xy, size) & s.poses.present).any(1)) & ~(
        _beyond(xy, stored) & s.poses.present
    ).any(1)
    if not out.any():
        return []
    images = np.unique(s.poses.image[out])
    return [
        Finding(
            "exif-frame",
            f"poses on {len(images)} pictures that EXIF turns fit the picture as stored alone",
            "a tool that ignores EXIF (PIL's Image.open) where annotations and cv2 heed it",
            f"refine run {s.where} --images {s.pictures} --no-exif, which keeps their frame",
            s.mending(f"upright={s.pictures}"),
            **named([f"image {s.poses.images[i].id!r}" for i in images]),
        )
    ]
