"""All that a report says, before it is laid out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from refine.evaluation.taxonomy import ALL_KINDS
from refine.poses import Poses
from refine.report.cases import Case, Found, Gallery, choose_cases, draw_cases, find_shown
from refine.report.changes import Changes, find_changes
from refine.report.measured import (
    Calibrated,
    Measured,
    calibrated,
    measure_files,
    with_chosen_sigmas,
)
from refine.report.rows import Row, rows_of_persons, rows_of_poses
from refine.report.subject import Subject

LABELS = {1: ("Poses",), 2: ("Before", "After")}
"""Of one file and of two; more are A, B, C, ..."""


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """All that a report says.

    Attributes:
        labels: of the files, short.
        files: their poses, of one skeleton.
        measured: what annotations say of each; empty without.
        calibration: of the first file; None without annotations.
        changes: of each file but the first.
        rows: of all persons.
        names: what each row's person is called.
        cases: those to look at.
        notes: what was left out, and why.
        pictures_left_out: how many cannot be read or do not fit.
    """

    labels: tuple[str, ...]
    files: Sequence[Poses]
    measured: Sequence[Measured]
    calibration: Calibrated | None
    changes: Sequence[Changes]
    rows: Sequence[Row]
    names: Sequence[str]
    cases: Sequence[Case]
    notes: Sequence[str]
    pictures_left_out: int


def analyse(subject: Subject) -> Analysis:
    """Measure files, find what changed, choose and draw the cases.

    Raises:
        FormatError, SkeletonError, ArrayError: see `refine.evaluate`; no such folder of pictures.
    """
    n = len(subject.files)
    labels = LABELS.get(n) or tuple(_letter(i) for i in range(n))
    notes: list[str] = []
    truth, measured, calibration = subject.truth, [], None
    if truth is not None:
        truth = with_chosen_sigmas(truth, subject.options)
        if truth.skeleton.sigmas is None:
            notes.append(
                f"{truth.skeleton.name} has no sigmas, and so there is no OKS: without --sigmas "
                "there is nothing here that compares with annotations"
            )
            truth = None
    body = truth.skeleton if truth else subject.files[0].poses.skeleton
    files = [each.poses.to(body) for each in subject.files]
    if truth is not None and subject.truth is not None:
        given = [each.poses for each in subject.files]
        measured = measure_files(subject.truth, given, subject.options)
        calibration = calibrated(subject.truth, given[0], subject.options)
        rows = rows_of_persons(files, measured, truth.images)
        persons = measured[0].matched.truth
    else:
        rows, persons = rows_of_poses(files), None
    names = [
        f"pose {max(row.poses)}"
        if persons is None or row.person < 0
        else f"person {persons.id[row.person]}"
        for row in rows
    ]
    chosen = choose_cases(rows, subject.cases)
    shown = {rows[i].image.id: rows[i].image for each in chosen.values() for i in each}
    found = Found({}, 0, {})
    if subject.pictures is not None:
        images = list(shown.values())
        found = find_shown(images, files[-1], subject.pictures, exif=subject.exif)
    gallery = Gallery(
        dict(zip(labels, files, strict=True)), persons, found.pictures, exif=subject.exif
    )
    cases, broken = draw_cases(rows, chosen, gallery)
    left_out = {**found.left_out, **broken}
    if found.missing:
        notes.append(f"{found.missing} of {len(shown)} images of the cases have no picture")
    notes += [f"without the picture {name}: {why}" for name, why in left_out.items()]
    if len(cases) < (wanted := sum(map(len, chosen.values()))):
        notes.append(f"{len(cases)} of {wanted} cases are drawn, more would be too large")
    changes = [find_changes(files[0], other) for other in files[1:]]
    return Analysis(
        labels, files, measured, calibration, changes, rows, names, cases, notes, len(left_out)
    )


def _letter(i: int) -> str:
    return chr(ord("A") + i) if i < 26 else f"File {i + 1}"


def joints_to_show(analysis: Analysis, most: int) -> list[int]:
    """Return the joints with labels that charts have room for: those with the most errors."""
    total = np.sum([each.diagnosis.counts for each in analysis.measured], axis=0)
    wrong = total[:, ALL_KINDS.index("good") + 1 :].sum(1)
    labelled = np.flatnonzero(total.sum(1))
    if len(labelled) <= most:
        return labelled.tolist()
    return sorted(labelled[np.argsort(-wrong[labelled], kind="stable")][:most].tolist())
