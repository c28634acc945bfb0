"""The sections of a report: what they say, in words, charts and tables."""

from collections.abc import Mapping

import numpy as np

from refine.evaluation.coco import METRICS
from refine.evaluation.resampling import Interval
from refine.report import charts
from refine.report.analysis import Analysis, joints_to_show
from refine.report.blocks import (
    Block,
    Card,
    Cards,
    Charts,
    Findings,
    Folded,
    Notes,
    Section,
    Tabular,
    Trend,
)
from refine.report.changes import LEAST, changes_table, joints_table
from refine.report.measured import Measured
from refine.report.subject import Subject
from refine.report.tables import (
    Table,
    calibration_table,
    cures_table,
    evaluation_table,
    gains_table,
    shares_table,
    strata_table,
)

HEADLINE = ("AP", "AR", "AP50", "AP75")
"""Figures that are shown in large."""


def measured_sections(subject: Subject, a: Analysis) -> list[Section]:
    """Return the sections that rest on annotations."""
    by_label = dict(zip(a.labels, a.measured, strict=True))
    return [
        _headline(subject, by_label),
        _curves(by_label),
        _where(by_label),
        _errors(a, by_label),
        _cures(by_label),
        _distances(a, by_label),
    ]


def verdict(a: Analysis) -> str:
    """Return the first thing to know, in a sentence or two."""
    if a.measured:
        images = a.measured[0].evaluation.report.images
        label, best = _best(dict(zip(a.labels, a.measured, strict=True)))
        ap, gain = best.paired.figures["AP"], best.paired.gains["AP"]
        if not np.isfinite(ap.value):
            return "No person of the ground truth counts, so there is no AP."
        if len(a.measured) == 1:
            return (
                f"AP {ap.value:.4f} on {images} images; 95 % of resampled images give "
                f"{ap.low:.3f} to {ap.high:.3f}."
            )
        sure = (
            "That is more than chance."
            if gain.low > 0 or gain.high < 0
            else "That may be chance: the interval holds zero."
        )
        return (
            f"{label} has an AP {abs(gain.value):.4f} "
            f"{'higher' if gain.value >= 0 else 'lower'} than {a.labels[0]} on {images} "
            f"images (95 % interval {gain.low:+.3f} to {gain.high:+.3f}). {sure}"
        )
    if a.changes:
        c = a.changes[-1]
        return (
            f"Of {c.kept + c.removed} poses {c.kept} were kept; {int(c.filled.sum())} joints were "
            f"filled and {int(c.moved.sum())} moved. Whether that is better only annotations tell: "
            "--gt."
        )
    return f"{len(a.files[0])} poses. How good they are only annotations tell: --gt."


def _best(measured: Mapping[str, Measured]) -> tuple[str, Measured]:
    """Return the file of the highest AP that is compared with the first, if there are others."""
    compared = list(measured.items())[1:] or list(measured.items())
    return max(compared, key=lambda each: each[1].evaluation.report["AP"])


def _headline(subject: Subject, measured: Mapping[str, Measured]) -> Section:
    first, (label, best) = next(iter(measured.values())), _best(measured)
    suffix = f" of {label}" if len(measured) > 2 else ""
    cards = [_card(name, suffix, first, best) for name in HEADLINE]
    reports = {
        f"{label}: {file.name}": each.evaluation.report
        for file, (label, each) in zip(subject.files, measured.items(), strict=True)
    }
    blocks: list[Block] = [
        Cards(cards),
        Tabular(evaluation_table(reports), "COCO figures, as refine eval prints them"),
    ]
    if len(measured) > 1:
        others = dict(list(measured.items())[1:])
        rows = [
            [m, *(_interval(each.paired.gains[m]) for each in others.values())] for m in METRICS
        ]
        blocks += [
            Charts(
                charts.gains(measured),
                "Gain of every figure; the line is the 95 % interval over images that are drawn "
                "anew, the same ones for all files. A line that crosses zero may be chance.",
                size="wide",
                legend="others",
            ),
            Folded([Tabular(Table(["", *others], rows), "Gains, and their 95 % intervals")]),
        ]
    report = first.evaluation.report
    notes = sorted({w for each in measured.values() for w in each.evaluation.report.warnings})
    if not report.official_sigmas:
        notes.insert(0, f"sigmas of {report.sigmas}, not those published: compares with nothing")
    blocks += [Notes(notes)] if notes else []
    lead = (
        f"Average precision and recall of COCO: {report.persons} persons on {report.images} "
        f"images, sigmas of {report.sigmas}, the best {report.max_dets} poses of each image."
    )
    return Section("figures", "Figures", "How good the poses are", lead, blocks)


def _card(name: str, suffix: str, first: Measured, best: Measured) -> Card:
    value = f"{best.evaluation.report[name]:.4f}"
    if first is best:
        sure = best.paired.figures[name]
        return Card(name, "", value, f"95 %: {sure.low:.3f} to {sure.high:.3f}", "same")
    gain = best.paired.gains[name]
    trend: Trend = "better" if gain.low > 0 else "worse" if gain.high < 0 else "same"
    before = f"{first.evaluation.report[name]:.4f}"
    return Card(name + suffix, before, value, _interval(gain), trend)


def _interval(gain: Interval) -> str:
    if not np.isfinite(gain.value):
        return "-"
    return f"{gain.value:+.4f} ({gain.low:+.3f} to {gain.high:+.3f})"


def _curves(measured: Mapping[str, Measured]) -> Section:
    return Section(
        "curves", "Curves", "Precision and recall",
        "How many of the poses are right, against how many of the persons are found, as poses of "
        "ever lower score are taken in.",
        [
            Charts(
                charts.precision_recall(measured),
                "A pose is right if its OKS with a person is at least .50 (left) or .75 (right). "
                "The area under a curve is AP50 and AP75.",
            )
        ],
    )  # fmt: skip


def _where(measured: Mapping[str, Measured]) -> Section:
    tables = [
        Tabular(strata_table(each.diagnosis, title), f"{label}, by {words}")
        for title, words in charts.STRATA.items()
        for label, each in measured.items()
    ]
    return Section(
        "where", "Where", "Where it is good, and where it is not",
        "AP of persons by their size, by how many of their joints are labelled, and by how many "
        "others overlap with them; all other persons are ignored.",
        [Charts(charts.strata(measured), "n persons each."), Folded(tables)],
    )  # fmt: skip


def _errors(a: Analysis, measured: Mapping[str, Measured]) -> Section:
    joints = joints_to_show(a, charts.MOST_JOINTS)
    count = len(next(iter(measured.values())).diagnosis.joints)
    caption = (
        "Good: within what annotators differ. Jitter: near. Inversion: where the other side's "
        "joint is. Swap: on another person. Miss: nowhere near. Absent: not predicted."
    )
    if len(joints) < count:
        caption += f" The {len(joints)} of {count} joints with the most errors; the table has all."
    tables = [
        Tabular(shares_table(each.diagnosis), f"{label}: shares joint by joint")
        for label, each in measured.items()
    ]
    last = list(measured.values())[-1].diagnosis
    return Section(
        "errors", "Errors", "What is wrong with joints",
        f"Every labelled joint of a matched person is of one kind (Ronchi and Perona, 2017). "
        f"{last.matched} of {last.poses} poses of the last file are matched; {last.background} "
        f"match nobody.",
        [Charts(charts.taxonomy(measured, joints), caption, "kinds"), Folded(tables)],
    )  # fmt: skip


def _cures(measured: Mapping[str, Measured]) -> Section:
    tables = []
    for label, each in measured.items():
        tables += [
            Tabular(cures_table(each.diagnosis), f"{label}: AP by cure"),
            Tabular(gains_table(each.diagnosis), f"{label}: AP gained joint by joint"),
        ]
    return Section(
        "cures", "Cures", "What each cure would gain",
        "AP if one kind of error alone were gone: what to work on next.",
        [
            Charts(
                charts.cures(measured),
                "Score: if the best fitting pose always had the highest score. False positive: if "
                "poses that match nobody were gone. False negative: if those and all persons that "
                "were not found were gone, too.",
                size="wide",
            ),
            Folded(tables),
        ],
    )  # fmt: skip


def _distances(a: Analysis, measured: Mapping[str, Measured]) -> Section:
    joints = joints_to_show(a, charts.MOST_JOINTS)
    return Section(
        "distances", "Distances", "How far joints are off",
        "Distance from the true place in sigmas: 1 is how far annotators typically lie apart for "
        "this joint and a person of this size.",
        [
            Charts(
                charts.distances(measured, a.files[0].skeleton, joints),
                "Share of joints; left and right together; the last bar holds all beyond 6.",
                size="small",
            )
        ],
    )  # fmt: skip


def scores_section(subject: Subject, a: Analysis) -> Section:
    """Return the section of scores: what they are like, and whether they keep their promise."""
    blocks: list[Block] = []
    title, lead = "Scores", "How the scores of poses and of joints are distributed."
    if a.measured:
        title = "Whether scores can be trusted"
        lead = (
            "A score is honest if it is what comes: on the diagonal. Poses below it are promised "
            "too much, above it too little."
        )
        measured = dict(zip(a.labels, a.measured, strict=True))
        joints = {k: (i, m.of_joints) for i, (k, m) in enumerate(measured.items()) if m.of_joints}
        poses = {k: (i, m.of_poses) for i, (k, m) in enumerate(measured.items()) if m.of_poses}
        drawn = [
            *charts.reliability(joints, "Joints: similarity", "honest-joints"),
            *charts.reliability(poses, "Poses: OKS", "honest-poses"),
        ]
        if drawn:
            blocks.append(Charts(drawn, "Each dot is a tenth of the range of scores."))
        rows = [
            [label, *(f"{r.ece:.3f}" if r else "-" for r in (m.of_joints, m.of_poses))]
            for label, m in measured.items()
        ]
        blocks.append(
            Tabular(
                Table(["", "ECE joints", "ECE poses"], rows),
                "Expected calibration error of the scores in the files",
            )
        )
        if any("-" in row for row in rows):
            blocks.append(Notes(["-: scores that leave the range of 0 to 1 or are all equal"]))
    blocks.append(
        Charts(
            [
                *charts.histogram(
                    {k: f.instance_score for k, f in zip(a.labels, a.files, strict=True)},
                    "Scores of poses", "score", "score-poses",
                ),
                *charts.histogram(
                    {k: f.score[f.present] for k, f in zip(a.labels, a.files, strict=True)},
                    "Scores of joints", "score", "score-joints",
                ),
            ],
            "Of all poses of the files.",
        )
    )  # fmt: skip
    if a.calibration is not None and a.calibration.report is not None:
        found = a.calibration.report
        blocks.append(
            Tabular(
                calibration_table(found),
                f"What refine calibrate would make of {a.labels[0].lower()} on {found.images} "
                "images, measured on images that were not learned from",
            )
        )
    elif a.calibration is not None:
        blocks.append(Notes([f"no calibration of the first file: {a.calibration.reason}"]))
    return Section("scores", "Scores", title, lead, blocks)


def changes_section(a: Analysis) -> Section:
    """Return the section of what changed between the first file and the others."""
    found = dict(zip(a.labels[1:], a.changes, strict=True))
    joints = a.files[0].skeleton.joints
    moves = {a.labels[0]: np.zeros(0)} | {k: c.away[c.away >= LEAST] for k, c in found.items()}
    drawn = charts.histogram(moves, "Joints that moved", "px", "moved")
    blocks: list[Block] = [Tabular(changes_table(found), "Against the first file")]
    if drawn:
        blocks.append(Charts(drawn, "How far, in pixels of the pictures.", legend="others"))
    by_joint = [Tabular(joints_table(joints, c), f"{k}: joint by joint") for k, c in found.items()]
    blocks.append(Folded(by_joint, "Joint by joint"))
    return Section(
        "changes", "Changes", "What changed",
        "Poses of two files are the same person where they agree best; joints count as moved from "
        "half a pixel on.",
        blocks,
    )  # fmt: skip


def findings_section(subject: Subject) -> Section:
    """Return the section of what `refine check` finds."""
    return Section(
        "check", "Check", "What refine check finds",
        "What looks wrong in the files, and what mends it.",
        [Findings(f"In {each.name}", each.findings) for each in subject.files],
    )  # fmt: skip
