"""The tables of `refine eval`, `diagnose` and `calibrate`, which the report shows, too."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from refine.evaluation.crowding import CROWD_METRICS
from refine.evaluation.diagnosis import CURES, OF_JOINTS
from refine.evaluation.taxonomy import ALL_KINDS

if TYPE_CHECKING:
    from refine.calibration.measure import CalibrationReport
    from refine.evaluation.coco import Report
    from refine.evaluation.diagnosis import Counts, Diagnosis

COLUMNS = ("AP", "AP50", "AP75", "APM", "APL", "AR")
"""Of `refine eval`."""


class Table(NamedTuple):
    """Cells as they are printed: a head, and rows that begin with a name."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


def evaluation_table(reports: Mapping[str, "Report"]) -> Table:
    """Return the figures of `refine eval`, a row per file."""
    known = {m for report in reports.values() for m in report.metrics}
    columns = [*COLUMNS, *(m for m in CROWD_METRICS if m in known)]
    rows = [
        [
            name,
            *(f"{report[m]:.4f}" for m in columns),
            str(report.poses),
            str(report.images),
            str(report.images_without_predictions),
        ]
        for name, report in reports.items()
    ]
    return Table(["predictions", *columns, "poses", "images", "without"], rows)


def shares_table(d: "Diagnosis") -> Table:
    """Return the shares of good and wrong joints, a row per joint and one for all."""
    rows = [[joint, *_shares(counts)] for joint, counts in zip(d.joints, d.counts, strict=True)]
    return Table(
        ["share of joints", "joints", *ALL_KINDS], [*rows, ["all", *_shares(d.counts.sum(0))]]
    )


def gains_table(d: "Diagnosis") -> Table:
    """Return what curing one kind of error in one joint gains."""
    rows = [
        [joint, *(f"{value:+.4f}" for value in gains)]
        for joint, gains in zip(d.joints, d.gain, strict=True)
    ]
    return Table(["AP gained by curing", *OF_JOINTS], rows)


def cures_table(d: "Diagnosis") -> Table:
    """Return what curing one kind of error in all joints gains."""
    base = d.ap.mean()
    rows = [
        [
            cure,
            f"{d.alone[cure].mean() - base:+.4f}",
            f"{d.exact[cure].mean() - base:+.4f}" if cure in d.exact else "",
            f"{d.progressive[cure].mean():.4f}",
        ]
        for cure in CURES
    ]
    return Table(["AP by cure", "alone", "if exact", "with those above"], rows)


def strata_table(d: "Diagnosis", title: str) -> Table:
    """Return AP and shares of joints by "area", "visible" or "overlap"."""
    rows = [[b.name, str(b.persons), f"{b.ap:.4f}", *_shares(b.counts)] for b in d.bins[title]]
    return Table([f"by {title}", "persons", "AP", "joints", *ALL_KINDS], rows)


def calibration_table(report: "CalibrationReport") -> Table:
    """Return what a calibration is worth."""
    joints, poses = ([r.ece for r in pair] for pair in (report.similarity, report.oks))
    ap = report.ap
    return Table(
        ["", "AP", "ECE joints", "ECE poses"],
        [
            ["source", f"{ap['source']:.4f}", "", ""],
            ["refined", f"{ap['refined']:.4f}", f"{joints[0]:.3f}", f"{poses[0]:.3f}"],
            ["calibrated", f"{ap['calibrated']:.4f}", f"{joints[1]:.3f}", f"{poses[1]:.3f}"],
        ],
    )


def _shares(counts: "Counts") -> list[str]:
    total = counts.sum()
    return [str(total), *(f"{c / total:.3f}" if total else "-" for c in counts)]
