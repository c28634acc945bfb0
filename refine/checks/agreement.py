"""Poses beside annotated persons: in whose frame, scale and place they agree best."""

from collections.abc import Iterator
from functools import reduce
from typing import NamedTuple

import numpy as np

from refine._types import Bools, Floats, Indices
from refine.checks.finding import Finding, Subject
from refine.checks.mends import mend
from refine.evaluation.matching import same_image
from refine.evaluation.persons import Persons
from refine.formats._units import share_of
from refine.oks import keypoint_similarity
from refine.poses import ImageRef, Poses
from refine.skeletons import borrow_sigmas

LEAST = 5
"""Joints of a pair, and persons, that an estimate needs."""
GAIN, TIMES = 0.15, 1.5
"""How much better, in mean OKS of persons, another frame must agree, and how many times."""
CLOSER = 0.03
"""Mean OKS by which a frame must agree better than a simpler one."""
FIT = 0.1
"""Residual of a pair after scaling, over the root of the area, below which the two are alike."""
MATCHED = 0.5
"""OKS of pairs whose shift is measured."""
SURE = 5.0
"""Standard errors that a shift must exceed."""
HALF, CELLS = 0.35, 0.2
"""Shifts in px and in cells that are told, where they are sure. Of the files that
tests/benchmarks/check.py reads none is shifted by more than .18 cells along x; a mirrored average
without its shift is by .375."""
STRIDE, NEAR = 32, 0.01
"""Sides of networks' inputs are multiples of 32 px; estimates are within one per cent of them."""
CROP, MAP = 1.25, (48.0, 64.0)
"""Cells are those of a 48 x 64 map of a crop 1.25 times the box (HRNet, 256x192)."""


class Fit:
    """All pairs of poses and persons of one image, and how well they agree."""

    def __init__(self, s: Subject) -> None:
        assert s.truth is not None
        truth = s.truth
        self.body = truth.skeleton
        self.sigmas = borrow_sigmas(self.body)
        use = ~truth.persons.ignore & (truth.persons.labelled.sum(1) >= LEAST)
        use &= truth.persons.area > 0
        self.persons: Persons = truth.persons[use]
        self.rows: Indices = np.flatnonzero(s.known[s.poses.image] >= 0)
        self.xy = self.body.take(s.poses.xy, s.poses.skeleton)[self.rows]
        self.size = s.size[self.rows]
        image = s.known[s.poses.image[self.rows]]
        pairs = same_image(image, self.persons.image)
        self.a, self.b = np.repeat(np.arange(len(image)), np.diff(pairs.start)), pairs.b
        self.seen: Bools = self.persons.labelled[self.b] & np.isfinite(self.xy[self.a]).all(-1)

    def poses(self, s: Subject) -> Poses:
        """Return the poses as they are fitted, with what is known of their images."""
        sizes = np.where(np.isnan(s.sizes), 0, s.sizes).astype(np.int64).tolist()
        refs = [ImageRef(i, None, w or None, h or None) for i, (w, h) in enumerate(sizes)]
        used, image = np.unique(s.poses.image[self.rows], return_inverse=True)
        return Poses.from_arrays(
            self.body, self.xy, image=image, images=[refs[i] for i in used.tolist()]
        )

    def oks(self, xy: Floats) -> Floats:
        """OKS (P,) of all pairs, over the joints that a person has labelled."""
        p = self.persons
        ks = keypoint_similarity(p.xy[self.b], xy[self.a], p.area[self.b], self.sigmas)
        ks = np.where(self.seen, np.nan_to_num(ks), 0.0)
        return np.asarray(ks.sum(1) / p.labelled[self.b].sum(1).clip(1))

    def best(self, values: Floats) -> Indices:
        """Return the pair of the highest value for every person that has one."""
        order = np.lexsort((-values, self.b))
        first = np.r_[True, np.diff(self.b[order]) > 0] if len(order) else np.zeros(0, np.bool_)
        return np.asarray(order[first])

    def agreement(self, xy: Floats) -> float:
        """Mean over persons of the OKS of the pose that agrees best."""
        oks = self.oks(xy)
        found = oks[self.best(oks)]
        return float(found.mean()) if len(found) else 0.0


def frames(s: Subject) -> list[Finding]:
    """Another frame, labelling or scale, in which poses agree with the truth far better."""
    if s.truth is None:
        return []
    fit = Fit(s)
    if len(np.unique(fit.b)) < LEAST:
        return []
    plain = fit.agreement(fit.xy)
    best, told = max(plain + GAIN, TIMES * plain) - CLOSER, None
    poses = fit.poses(s)
    for candidate in _candidates(fit, poses):
        mended = reduce(mend, candidate.ways, poses)
        if (found := fit.agreement(mended.xy)) > best + CLOSER:  # The simpler ones come first.
            best, told = found, candidate
    if told is None:
        return []
    return [
        Finding(
            told.name,
            f"{told.what}: mean OKS with the persons of {s.gt} is then {best:.2f}, "
            f"as it is {plain:.2f}",
            told.cause,
            "",
            s.mending(*told.ways, sized=True),
            **s.at(np.unique(fit.rows[fit.a])),
            figures={**told.figures, "agreement": plain, "agreement_then": best},
        )
    ]


class Candidate(NamedTuple):
    """Another frame: the finding it would be, and what mends poses that are in it."""

    name: str
    what: str
    cause: str
    ways: tuple[str, ...]
    figures: dict[str, float] = {}


FIXED = (
    Candidate(
        "axes-swapped",
        "x and y change places",
        "a tool that writes y before x (row, column), as MoveNet, TF and NumPy index",
        ("swap-xy",),
    ),
    Candidate(
        "mirrored-labels",
        "left and right joints change places",
        "a flip test whose joints were not swapped back, or labels as the viewer sees them",
        ("swap-sides",),
    ),
)
"""Frames that need no size of the images."""
UPSIDE = "a tool that ignores EXIF where annotations heed it, or heeds it twice"
MIRROR = "poses of mirrored pictures that were not mirrored back"
SIZED = (
    Candidate("mirrored-picture", "the picture is mirrored", MIRROR, ("mirror", "swap-sides")),
    Candidate(
        "mirrored-picture",
        "the picture is mirrored, left and right joints are not",
        MIRROR,
        ("mirror",),
    ),
    *(
        Candidate("exif-frame", f"the picture is turned {words}", UPSIDE, (f"turn={way}",))
        for way, words in (
            ("right", "to the right"),
            ("left", "to the left"),
            ("half", "by a half"),
        )
    ),
)
"""Frames that need them."""
SMALL = "a picture that was resized for the network, and poses not scaled back"
PADDED = "a picture that was scaled and padded for the network, and poses not put back"


def _candidates(fit: Fit, poses: Poses) -> Iterator[Candidate]:
    if share_of(fit.xy):
        return  # `shares` tells.
    sized = bool(np.isfinite(poses.image_sizes).all())
    yield from FIXED
    if sized:
        yield from SIZED
    yield from _scaled(fit, sized)
    yield from _padded(fit, sized)


def _pairs(fit: Fit) -> tuple[Floats, Floats]:
    """Return places (P, K, 2) of poses and persons, 0 where a joint is not labelled."""
    seen = fit.seen[..., None]
    return np.where(seen, fit.xy[fit.a], 0), np.where(seen, fit.persons.xy[fit.b], 0)


def _closest(fit: Fit, left: Floats, ok: Bools) -> Indices:
    """Return the pair of each person that is closest by what is left (P, K, 2), where that is it.

    Fewer than `LEAST` are none.
    """
    rms = np.sqrt((left**2).sum((1, 2)) / fit.seen.sum(1).clip(1) / fit.persons.area[fit.b])
    rms = np.where(ok & (fit.seen.sum(1) >= LEAST), rms, np.inf)
    best = fit.best(-rms)
    best = best[rms[best] < FIT]
    return best if len(best) >= LEAST else best[:0]


def _scaled(fit: Fit, sized: bool) -> Iterator[Candidate]:
    """Factors that are the same for all images, or from all images to one size."""
    xy, there = _pairs(fit)
    squares = (xy**2).sum(1)
    ok = (squares > 0).all(1)
    factor = np.where(ok[:, None], (xy * there).sum(1) / np.where(squares > 0, squares, 1), np.nan)
    best = _closest(fit, xy * factor[:, None] - there, ok)
    if not len(best):
        return
    fx, fy = np.median(factor[best], 0).tolist()
    yield Candidate(
        "resized", f"x times {fx:.4g} and y times {fy:.4g}", SMALL, (f"scale={fx:.6g},{fy:.6g}",),
        {"factor_x": fx, "factor_y": fy},
    )  # fmt: skip
    if not sized:
        return
    size, by = fit.size[fit.a[best]], factor[best]
    w, h = map(_snapped, np.median(size / by, 0).tolist())
    yield Candidate(
        "resized", f"from pictures of {w} x {h} px to the images' own sizes", SMALL,
        (f"from-size={w},{h}",), {"width": w, "height": h},
    )  # fmt: skip
    side = _snapped(float(np.median(size.max(1) / by.mean(1))))
    yield Candidate(
        "resized", f"from pictures with a longer side of {side} px to their own sizes", SMALL,
        (f"from-longer-side={side}",), {"longer_side": side},
    )  # fmt: skip


def _padded(fit: Fit, sized: bool) -> Iterator[Candidate]:
    """One factor and one offset for all images, or a square frame that all were fitted into."""
    xy, there = _pairs(fit)
    count = fit.seen.sum(1).clip(1)[:, None]
    middle, goal = xy.sum(1) / count, there.sum(1) / count
    seen = fit.seen[..., None]
    xy, there = (xy - middle[:, None]) * seen, (there - goal[:, None]) * seen
    squares = (xy**2).sum((1, 2))
    factor = (xy * there).sum((1, 2)) / np.where(squares > 0, squares, 1)
    best = _closest(fit, xy * factor[:, None, None] - there, (squares > 0) & (factor > 0))
    if not len(best):
        return
    f = float(np.median(factor[best]))
    x, y = np.median(goal[best] - factor[best, None] * middle[best], 0).tolist()
    yield Candidate(
        "letterbox", f"x and y times {f:.4g}, and ({x:+.1f}, {y:+.1f}) px", PADDED,
        (f"scale={f:.6g}", f"shift={x:.2f},{y:.2f}"), {"factor": f, "x_px": x, "y_px": y},
    )  # fmt: skip
    if sized:
        side = _snapped(float(np.median(fit.size[fit.a[best]].max(1) / factor[best])))
        yield Candidate(
            "letterbox", f"from pictures padded into {side} x {side} px to their own", PADDED,
            (f"letterbox={side}",), {"side": side},
        )  # fmt: skip


def _snapped(side: float) -> int:
    """Return a side in px: of inputs of networks where one is as near as estimates are good."""
    near = round(side / STRIDE) * STRIDE
    return near if near and abs(side / near - 1) < NEAR else round(side)


def shift(s: Subject) -> list[Finding]:
    """All poses shifted one way: half a pixel, or part of a heatmap cell."""
    if s.truth is None:
        return []
    fit = Fit(s)
    oks = fit.oks(fit.xy)
    best = fit.best(oks)
    best = best[oks[best] > MATCHED]
    if len(best) < 4 * LEAST:
        return []
    seen = fit.seen[best]
    away = np.where(seen[..., None], fit.xy[fit.a[best]] - fit.persons.xy[fit.b[best]], np.nan)
    moved = np.nanmedian(away, 1)
    box = fit.persons.box[fit.b[best]]
    cell = ((box[:, 2:] - box[:, :2]) * CROP / MAP).max(1)
    px, px_z = _centre(moved)
    cells, cells_z = _centre(moved / cell[:, None])
    told = ((np.abs(px) > HALF) & (np.abs(px_z) > SURE)) | (
        (np.abs(cells) > CELLS) & (np.abs(cells_z) > SURE)
    )
    if not told.any():
        return []
    return [
        Finding(
            "shift",
            f"poses lie ({px[0]:+.2f}, {px[1]:+.2f}) px beside {len(best)} persons, or "
            f"({cells[0]:+.2f}, {cells[1]:+.2f}) cells of a 48 x 64 map",
            "pixel centres counted as 0.5 or 1 in the place of 0 where it is half a pixel or one; "
            "a mirrored pass averaged without its shift, or maps decoded without the half cell, "
            "where it is a share of a cell",
            "refine decode --preset NAME of the raw maps, where it is a share of a cell",
            s.mending(f"shift={-px[0]:.2f},{-px[1]:.2f}"),
            figures={
                "x_px": float(px[0]), "y_px": float(px[1]),
                "x_cells": float(cells[0]), "y_cells": float(cells[1]),
            },
        )
    ]  # fmt: skip


def _centre(values: Floats) -> tuple[Floats, Floats]:
    """Return the median (2,) of (M, 2) and how many standard errors of it that is."""
    middle = np.median(values, 0)
    spread = 1.4826 * np.median(np.abs(values - middle), 0)
    error = 1.2533 * spread / np.sqrt(len(values))
    return middle, middle / np.maximum(error, 1e-9)


def areas(s: Subject) -> list[Finding]:
    """Annotations without areas, and boxes that only some poses have."""
    out = []
    for warning in s.truth.warnings if s.truth else ():
        if "area" in warning:
            out.append(
                Finding(
                    "areas",
                    f"{s.gt}: {warning}",
                    "annotations exported without the area of the segmentation, which OKS divides "
                    "by",
                    "figures compare with nothing published; the official annotations have areas",
                )
            )
    box = s.poses.box
    if box is None:
        return out
    bare: Bools = np.asarray(np.isnan(box).any(1))
    empty = ~bare & ~((box[:, 2:] - box[:, :2]) > 0).all(1)
    if bare.any() or empty.any():
        out.append(
            Finding(
                "boxes",
                f"{bare.sum()} of {len(box)} poses have no bbox and {empty.sum()} an empty one; "
                f"the first row has {'none' if bare[0] else 'one'}, and pycocotools does with all "
                "as with the first: its area moves APM and APL",
                "files put together from several tools",
                f"refine eval --gt {s.gt} --area keypoints {s.where} needs none",
                s.mending("boxes"),
                **s.at(bare | empty),
            )
        )
    return out
