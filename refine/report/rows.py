"""The persons of a report: which poses of the files are theirs, how good, and how changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from refine._types import Indices
from refine.evaluation.kinds import GOOD
from refine.evaluation.pairing import pair_poses
from refine.evaluation.taxonomy import SMALLEST
from refine.oks import pose_area
from refine.poses import ImageRef, Poses
from refine.report.measured import Measured


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """An annotated person, or a pose that is nobody's, in every file of the report.

    Attributes:
        image: the image.
        person: index of the annotated person, -1 for none.
        poses: row of its pose in each file, -1 for none.
        oks: of it in each file; NaN without a person.
        errors: joints of it that are not good in each file, NaN where it is not there.
        score: of the pose in the last file that has one.
        moved: mean distance between first and last file over the root of the pose's area; NaN
            where not in both.
        filled: joints that the last file has and the first lacks.
        removed: joints that the first file has and the last lacks.
    """

    image: ImageRef
    person: int
    poses: tuple[int, ...]
    oks: tuple[float, ...]
    errors: tuple[float, ...]
    score: float
    moved: float
    filled: int
    removed: int

    @property
    def gain(self) -> float:
        """OKS in the last file less that in the first."""
        return self.oks[-1] - self.oks[0]


def rows_of_persons(
    files: Sequence[Poses], measured: Sequence[Measured], images: Sequence[ImageRef]
) -> list[Row]:
    """Return a row for every annotated person that counts and every pose that is nobody's.

    Args:
        files: poses of one skeleton.
        measured: of each.
        images: of the truth.
    """
    truth = measured[0].matched.truth
    most = int(truth.category.max(initial=0)) + 1
    out: list[Row] = []
    owner = [np.full(len(poses), -2) for poses in files]
    place = [np.full(len(truth), -1) for _ in files]
    for f, found in enumerate(measured):
        m = found.matched
        owner[f][m.rows] = m.person
        owned = np.flatnonzero(m.person >= 0)
        place[f][m.person[owned]] = owned
    wrong = [(each.matched.kind > GOOD).sum(1) for each in measured]
    for g in np.flatnonzero(~measured[0].matched.ignore).tolist():
        at = [(f, int(of[g])) for f, of in enumerate(place)]
        poses = tuple(int(measured[f].matched.rows[a]) if a >= 0 else -1 for f, a in at)
        oks = tuple(float(measured[f].oks[a]) if a >= 0 else 0.0 for f, a in at)
        errors = tuple(float(wrong[f][a]) if a >= 0 else np.nan for f, a in at)
        out.append(_row(images[truth.image[g] // most], g, poses, oks, errors, files))
    alone = [np.flatnonzero(who == -1) for who in owner]
    return out + _unowned(files, alone, {ref.id: ref for ref in images})


def rows_of_poses(files: Sequence[Poses]) -> list[Row]:
    """Return a row for every pose, without annotations."""
    return _unowned(files, [np.arange(len(each)) for each in files], {})


def _unowned(
    files: Sequence[Poses], rows: Sequence[Indices], known: Mapping[int | str, ImageRef]
) -> list[Row]:
    unknown = (np.nan,) * len(files)
    out = []
    for poses in _groups(files, rows):
        f = next(i for i, row in enumerate(poses) if row >= 0)
        ref = files[f].images[files[f].image[poses[f]]]
        out.append(_row(known.get(ref.id, ref), -1, poses, unknown, unknown, files))
    return out


def _groups(files: Sequence[Poses], rows: Sequence[Indices]) -> list[tuple[int, ...]]:
    """Join the poses of files that are the same, by those of the first."""
    first = files[0][rows[0]]
    joined = [[int(row), *(-1 for _ in files[1:])] for row in rows[0]]
    rest = []
    for f in range(1, len(files)):
        for row, was in zip(rows[f], pair_poses(first, files[f][rows[f]]).tolist(), strict=True):
            if was >= 0:
                joined[was][f] = int(row)
            else:
                rest.append([int(row) if i == f else -1 for i in range(len(files))])
    return [tuple(each) for each in joined + rest]


def _row(
    ref: ImageRef,
    person: int,
    poses: tuple[int, ...],
    oks: tuple[float, ...],
    errors: tuple[float, ...],
    files: Sequence[Poses],
) -> Row:
    scores = [each.instance_score[i] for each, i in zip(files, poses, strict=True) if i >= 0]
    moved, filled, removed = np.nan, 0, 0
    if len(files) > 1 and poses[0] >= 0 and poses[-1] >= 0:
        old, new = files[0].xy[poses[0]], files[-1].xy[poses[-1]]
        had, has = np.isfinite(old[:, 0]), np.isfinite(new[:, 0])
        filled, removed = int((has & ~had).sum()), int((had & ~has).sum())
        both = had & has
        away = np.hypot(*(new[both] - old[both]).T)
        if both.any():
            area = pose_area(np.stack([old, new]), "keypoints").max()
            moved = float(away.mean() / np.sqrt(max(area, SMALLEST)))
    return Row(
        ref, person, poses, oks, errors, scores[-1] if scores else np.nan, moved, filled, removed
    )
