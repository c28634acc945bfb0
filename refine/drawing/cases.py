"""What is worth looking at: images or persons, by what changed, gained, lost or went wrong."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from refine._types import Floats, Indices
from refine.drawing.stages import Stages
from refine.evaluation.pairing import likeness_sigmas
from refine.evaluation.taxonomy import MATCH_OKS
from refine.exceptions import ArrayError
from refine.oks import keypoint_similarity, pairwise_oks, pose_area
from refine.poses import Poses

Order = Literal["file", "change", "gain", "loss", "worst"]
"""As in the file; most changed first; most OKS gained or lost first; lowest OKS first."""


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """An image, or a person on one, in all stages.

    Attributes:
        image: its index.
        rows: of each stage: which poses.
        truth: which of the annotated persons.
        change: how unlike the first stage the last is, 1 - the OKS of one with the other of the
            pose that has changed most; joints that only the last has count as unlike. NaN where
            there is but one stage.
        oks: of each stage: mean over the annotated persons of the OKS of the pose that is most
            like each; NaN without any.
    """

    image: int
    rows: tuple[Indices, ...]
    truth: Indices
    change: float
    oks: tuple[float, ...]


def find_cases(stages: Stages, *, persons: bool = False) -> list[Case]:
    """Return the images that have poses or persons, or these, in the order of the images.

    Args:
        stages: what is compared.
        persons: whether each person is a case of its own: each annotated one with the pose that
            is most like it in every stage, if its OKS is at least `MATCH_OKS`; without
            annotations each pose of the last stage.

    Raises:
        SkeletonError: annotated joints without OKS sigmas, or none that poses share.
    """
    change = _changes(stages)
    oks = [_oks_table(stages.truth, poses) for poses in stages.poses]
    on = [_rows_by_image(poses) for poses in stages.poses]
    truth = None if stages.truth is None else _rows_by_image(stages.truth)
    cases = []
    for image in range(len(stages.images)):
        rows = tuple(each[image] for each in on)
        people = np.zeros(0, np.intp) if truth is None else truth[image]
        if not any(len(each) for each in (*rows, people)):
            continue
        tables = [oks[s][image] for s in range(len(rows))]
        whole = Case(
            image,
            rows,
            people,
            float(np.nan_to_num(change[rows[-1]]).max(initial=0.0)) if len(rows) > 1 else np.nan,
            tuple(_mean(table.max(1, initial=0.0)) for table in tables),
        )
        if not persons:
            cases.append(whole)
        elif truth is not None:
            cases += [_annotated_case(whole, i, tables, change) for i in range(len(people))]
        else:
            cases += [_pose_case(stages, whole, row, float(change[row])) for row in rows[-1]]
    return cases


def sort_cases(cases: Sequence[Case], order: Order) -> list[Case]:
    """Return cases in an order; those for which it says nothing come last.

    Raises:
        ArrayError: an order that none of the cases tells anything for.

    >>> none = np.zeros(0, np.intp)
    >>> cases = [Case(i, (none,), none, np.nan, (oks,)) for i, oks in enumerate((0.5, 0.2))]
    >>> [case.image for case in sort_cases(cases, "worst")]
    [1, 0]
    """
    if order not in get_args(Order):
        raise ArrayError(f"expected an order out of {', '.join(get_args(Order))}, got {order!r}")
    if order == "file" or not cases:
        return list(cases)
    keys = {
        "change": [-case.change for case in cases],
        "gain": [case.oks[0] - case.oks[-1] for case in cases],
        "loss": [case.oks[-1] - case.oks[0] for case in cases],
        "worst": [case.oks[-1] for case in cases],
    }
    value = np.array(keys[order])
    if np.isnan(value).all() or (order in ("gain", "loss") and len(cases[0].oks) < 2):
        needs = {"change": "two stages", "worst": "ground truth"}
        raise ArrayError(
            f"expected {needs.get(order, 'two stages and ground truth')} of the images for the "
            f"order {order!r}, got none",
            hint="another order",
        )
    return [cases[i] for i in np.argsort(value, kind="stable").tolist()]


def _changes(stages: Stages) -> Floats:
    """Return how unlike each pose of the last stage is to what it was, NaN where it was not."""
    last, was = stages.poses[-1], stages.before[-1]
    if was is None:
        return np.full(len(last), np.nan)
    sigmas = likeness_sigmas(last.skeleton)
    with np.errstate(over="ignore", invalid="ignore"):  # places beyond all reason are like none
        ks = keypoint_similarity(was.xy, last.xy, pose_area(last.xy, "keypoints"), sigmas)
    ks = np.where((was.xy == last.xy).all(-1), 1.0, ks)
    there = last.present
    alike = np.where(there & np.isfinite(ks), ks, 0.0).sum(1) / np.maximum(there.sum(1), 1)
    return np.where(stages.sources[-1] >= 0, 1 - alike, np.nan)


def _oks_table(truth: Poses | None, poses: Poses) -> list[Floats]:
    """Return for each image the OKS of its annotated persons with its poses."""
    if truth is None:
        return [np.zeros((0, 0))] * len(poses.images)
    assert truth.area is not None
    sigmas = truth.skeleton.require_sigmas()
    xy = poses.to(truth.skeleton).xy
    pairs = zip(_rows_by_image(truth), _rows_by_image(poses), strict=True)
    return [
        pairwise_oks(truth.xy[a], xy[b], truth.area[a], sigmas, missing="zero") for a, b in pairs
    ]


def _annotated_case(whole: Case, i: int, tables: Sequence[Floats], change: Floats) -> Case:
    """Return the case of an annotated person: the poses that are most like it."""
    rows = []
    for table, there in zip(tables, whole.rows, strict=True):
        likest = int(table[i].argmax()) if len(there) else 0
        like = len(there) and table[i, likest] >= MATCH_OKS
        rows.append(there[likest : likest + 1] if like else there[:0])
    own = change[rows[-1]] if len(rows) > 1 else np.full(1, np.nan)
    return Case(
        whole.image,
        tuple(rows),
        whole.truth[i : i + 1],
        float(own[0]) if len(own) else np.nan,
        tuple(float(table[i].max(initial=0.0)) for table in tables),
    )


def _pose_case(stages: Stages, whole: Case, row: int, change: float) -> Case:
    """Return the case of a pose of the last stage, with those that were the same."""
    origin = stages.sources[-1][row]
    rows = [there[(s[there] == origin) & (origin >= 0)]
            for s, there in zip(stages.sources, whole.rows, strict=True)]  # fmt: skip
    rows[-1] = np.array([row], np.intp)
    none = np.zeros(0, np.intp)
    return Case(whole.image, tuple(rows), none, change, (np.nan,) * len(rows))


def _rows_by_image(poses: Poses) -> list[Indices]:
    return [rows for _, rows in poses.by_image()]


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else np.nan
