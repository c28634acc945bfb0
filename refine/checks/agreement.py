"""Poses beside annotated persons: in whose frame, scale and place they agree best."""

from collections.abc import Iterator

import numpy as np

from refine._types import Bools, Floats, Indices
from refine.checks.finding import Finding, Subject
from refine.evaluation.matching import same_image
from refine.evaluation.persons import Persons
from refine.formats._units import share_of
from refine.oks import keypoint_similarity
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
    for candidate, xy in _candidates(fit, s):
        if (found := fit.agreement(xy)) > best + CLOSER:  # The simpler ones come first.
            best, told = found, candidate
    if told is None:
        return []
    name, what, cause, cure, figures = told
    return [
        Finding(
            name,
            f"{what}: mean OKS with the persons of {s.gt} is then {best:.2f}, as it is {plain:.2f}",
            cause,
            cure,
            **s.at(np.unique(fit.rows[fit.a])),
            figures={**figures, "agreement": plain, "agreement_then": best},
        )
    ]


Told = tuple[str, str, str, str, dict[str, float]]


def _candidates(fit: Fit, s: Subject) -> Iterator[tuple[Told, Floats]]:
    xy, size, mirror = fit.xy, fit.size[:, None], fit.body.mirror
    if share_of(xy):
        return  # `shares` tells.
    put = "poses.replace(xy=...), then refine.write: "
    yield (
        "axes-swapped", "x and y change places",
        "a tool that writes y before x (row, column), as MoveNet, TF and NumPy index",
        put + "poses.xy[..., ::-1].copy()", {},
    ), xy[..., ::-1]  # fmt: skip
    yield (
        "mirrored-labels", "left and right joints change places",
        "a flip test whose joints were not swapped back, or labels as the viewer sees them",
        put + "poses.xy[:, poses.skeleton.mirror], and the score likewise", {},
    ), xy[:, mirror]  # fmt: skip
    if np.isfinite(size).any():
        flipped = np.stack([size[..., 0] - 1 - xy[..., 0], xy[..., 1]], -1)
        cause = "poses of mirrored pictures that were not mirrored back"
        yield (
            "mirrored-picture", "the picture is mirrored", cause,
            put + "width - 1 - x, joints by poses.skeleton.mirror", {},
        ), flipped[:, mirror]  # fmt: skip
        yield (
            "mirrored-picture", "the picture is mirrored, left and right joints are not", cause,
            put + "width - 1 - x", {},
        ), flipped  # fmt: skip
        width, height = size[..., 0], size[..., 1]
        turns = {
            "to the right": (width - 1 - xy[..., 1], xy[..., 0]),
            "to the left": (xy[..., 1], height - 1 - xy[..., 0]),
            "by a half": (width - 1 - xy[..., 0], height - 1 - xy[..., 1]),
        }
        for way, parts in turns.items():
            yield (
                "exif-frame", f"the picture is turned {way}",
                "a tool that ignores EXIF where annotations heed it, or heeds it twice",
                f"refine check {s.where} --images DIR names the pictures; make them upright", {},
            ), np.stack(parts, -1)  # fmt: skip
    yield from _scaled(fit, put)


def _scaled(fit: Fit, put: str) -> Iterator[tuple[Told, Floats]]:
    """Factors that are the same for all images, or from all images to one size."""
    xy, there = np.where(fit.seen[..., None], fit.xy[fit.a], 0), fit.persons.xy[fit.b]
    there = np.where(fit.seen[..., None], there, 0)
    squares = (xy**2).sum(1)
    ok = (fit.seen.sum(1) >= LEAST) & (squares > 0).all(1)
    factor = np.where(ok[:, None], (xy * there).sum(1) / np.where(squares > 0, squares, 1), np.nan)
    left = (xy * factor[:, None] - there) ** 2
    rms = np.sqrt(left.sum((1, 2)) / fit.seen.sum(1).clip(1) / fit.persons.area[fit.b])
    rms = np.where(ok, rms, np.inf)
    best = fit.best(-rms)
    best = best[rms[best] < FIT]
    if len(best) < LEAST:
        return
    cause = "a picture that was resized for the network, and poses not scaled back"
    fx, fy = np.median(factor[best], 0).tolist()
    yield (
        "resized", f"x times {fx:.4g} and y times {fy:.4g}", cause,
        f"{put}poses.xy * [{fx:.4g}, {fy:.4g}]", {"factor_x": fx, "factor_y": fy},
    ), fit.xy * [fx, fy]  # fmt: skip
    size = fit.size[fit.a[best]]
    known = np.isfinite(size).all(1)
    if known.sum() < LEAST:
        return
    w, h = np.median(size[known] / factor[best][known], 0).tolist()
    yield (
        "resized", f"from pictures of {w:.0f} x {h:.0f} px to the images' own sizes", cause,
        f"{put}poses.xy * (width / {w:.0f}, height / {h:.0f})", {"width": w, "height": h},
    ), fit.xy * (fit.size / [w, h])[:, None]  # fmt: skip
    side = float(np.median(size[known].max(1) / factor[best][known].mean(1)))
    yield (
        "resized", f"from pictures with a longer side of {side:.0f} px to their own sizes", cause,
        f"{put}poses.xy * max(width, height) / {side:.0f}", {"longer_side": side},
    ), fit.xy * (fit.size.max(1) / side)[:, None, None]  # fmt: skip


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
            f"poses.replace(xy=poses.xy - [{px[0]:.2f}, {px[1]:.2f}]), then refine.write, if in "
            "px; refine decode --preset NAME of the raw maps, if in cells",
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
                f"refine eval --gt {s.gt} --area keypoints {s.where}, or bbox in all rows",
                **s.at(bare | empty),
            )
        )
    return out
