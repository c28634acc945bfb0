"""The charts of a report."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from refine._types import Floats
from refine.calibration.measure import Reliability
from refine.drawing.canvas import printable
from refine.drawing.palette import QUIET
from refine.evaluation.coco import METRICS
from refine.evaluation.diagnosis import CURES
from refine.evaluation.matching import RECALLS, THRESHOLDS
from refine.evaluation.taxonomy import ALL_KINDS
from refine.report.measured import Measured
from refine.report.svg import (
    KIND_COLOURS,
    SERIES_COLOURS,
    SERIES_DASHES,
    SERIES_MARKS,
    chart,
    to_svg,
)
from refine.skeletons import Skeleton
from refine.skeletons.model import split_side

WIDTH, HEIGHT = 360, 250
"""Px of a chart."""
SMALL = (220, 150)
"""Px of the charts of single joints."""
BAR = 17
"""Px of a row of stacked bars."""
MOST_JOINTS = 24
"""That are shown one by one; tables hold all."""
STRATA = {
    "area": "size of the person, px",
    "visible": "labelled joints",
    "overlap": "other persons that overlap",
}
"""Bins of a diagnosis -> what they are of."""
FURTHEST = 6.0
"""Sigmas at which histograms end; what is further off is in the last bar."""
BINS = 24
"""Of histograms."""


def series(i: int) -> dict[str, Any]:
    """Return the style of the line of a file."""
    return {"color": SERIES_COLOURS[i], "marker": SERIES_MARKS[i], "linestyle": SERIES_DASHES[i]}


def _spelled(joint: str) -> str:
    return printable(joint.replace("_", " "))


def precision_recall(measured: Mapping[str, Measured]) -> list[str]:
    """Draw precision over recall at OKS .50 and .75, the mean over categories."""
    panels = []
    tables = {
        name: each.evaluation.counts.tables(each.evaluation.images).precision[..., 0]
        for name, each in measured.items()
    }
    for threshold in (0.5, 0.75):
        t = THRESHOLDS.round(2).tolist().index(threshold)
        with chart(WIDTH, HEIGHT) as (figure, axes):
            told = []
            for i, (name, each) in enumerate(measured.items()):
                table = tables[name][t]
                known = table[:, (table >= 0).all(0)]
                if known.size:
                    curve = known.mean(1)
                    curve[int(np.count_nonzero(curve)) + 1 :] = np.nan
                    axes.plot(RECALLS, curve, markevery=20, **series(i))
                    told.append(f"{name} {each.evaluation.report[f'AP{threshold * 100:.0f}']:.4f}")
            axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="recall", ylabel="precision")
            axes.set_title(f"OKS {threshold:.2f}")
            alt = f"Precision over recall at OKS {threshold:.2f}; areas: {', '.join(told)}"
            panels.append(to_svg(figure, f"pr{threshold * 100:.0f}", alt))
    return panels


def gains(measured: Mapping[str, Measured]) -> list[str]:
    """Draw what every figure gains over the first file, with intervals."""
    others = list(measured.items())[1:]
    with chart(2 * WIDTH, 60 + (12 + 10 * len(others)) * len(METRICS)) as (figure, axes):
        told = []
        for i, (name, each) in enumerate(others, 1):
            shift = (i - (len(others) + 1) / 2) * 0.6 / max(len(others), 1)
            for row, metric in enumerate(METRICS):
                gain = each.paired.gains[metric]
                if np.isfinite(gain.low):
                    at = row + shift
                    axes.plot([gain.low, gain.high], [at, at], color=SERIES_COLOURS[i])
                    axes.plot([gain.value], [at], color=SERIES_COLOURS[i], marker=SERIES_MARKS[i])
            told.append(f"{name} AP {each.paired.gains['AP'].value:+.4f}")
        axes.axvline(0, color=QUIET, linewidth=1)
        axes.set_yticks(range(len(METRICS)), METRICS)
        axes.invert_yaxis()
        axes.set_xlabel(f"gain over {next(iter(measured))}, with 95 % interval")
        return [to_svg(figure, "gains", f"Gains over the first file: {'; '.join(told)}")]


def strata(measured: Mapping[str, Measured]) -> list[str]:
    """Draw AP by size, number of labelled joints and crowding, as `refine diagnose` has it."""
    panels = []
    for title, words in STRATA.items():
        first = next(iter(measured.values())).diagnosis.bins[title]
        with chart(WIDTH, HEIGHT) as (figure, axes):
            for i, each in enumerate(measured.values()):
                _bars(axes, [b.ap for b in each.diagnosis.bins[title]], i, len(measured))
            names = [f"{b.name}\nn={b.persons}" for b in first]
            axes.set_xticks(range(len(first)), names, fontsize=10)
            axes.set(ylim=(0, None), ylabel="AP", xlabel=words)
            axes.grid(axis="x", visible=False)
            told = "; ".join(
                f"{name} " + ", ".join(f"{b.name}: {b.ap:.4f}" for b in each.diagnosis.bins[title])
                for name, each in measured.items()
            )
            panels.append(to_svg(figure, f"strata-{title}", f"AP by {words}: {told}"))
    return panels


def _bars(axes: Any, values: Sequence[float], i: int, of: int) -> None:
    """Draw the bars of one file, next to those of the others."""
    width = 0.8 / of
    at = np.arange(len(values)) + (i - (of - 1) / 2) * width
    axes.bar(at, np.nan_to_num(values), width * 0.92, color=SERIES_COLOURS[i])


def taxonomy(measured: Mapping[str, Measured], rows: Sequence[int]) -> list[str]:
    """Draw the shares of good and wrong joints, a stacked bar per joint and for all.

    Args:
        measured: label -> figures.
        rows: the joints to show.
    """
    panels = []
    for n, (name, each) in enumerate(measured.items()):
        counts = [each.diagnosis.counts[j] for j in rows] + [each.diagnosis.counts.sum(0)]
        labels = [_spelled(each.diagnosis.joints[j]) for j in rows] + ["all joints"]
        table = np.array(counts, np.float64)
        shares = 100 * table / np.maximum(table.sum(1, keepdims=True), 1)
        with chart(WIDTH, 70 + BAR * len(labels)) as (figure, axes):
            left = np.zeros(len(labels))
            for k, kind in enumerate(ALL_KINDS):
                axes.barh(range(len(labels)), shares[:, k], 0.8, left, color=KIND_COLOURS[kind])
                left += shares[:, k]
            axes.set_yticks(range(len(labels)), labels)
            axes.set(xlim=(0, 100), xlabel="% of labelled joints", title=name)
            axes.invert_yaxis()
            axes.grid(axis="y", visible=False)
            told = ", ".join(
                f"{kind} {share:.1f} %" for kind, share in zip(ALL_KINDS, shares[-1], strict=True)
            )
            panels.append(to_svg(figure, f"kinds{n}", f"{name}, all joints: {told}"))
    return panels


def cures(measured: Mapping[str, Measured]) -> list[str]:
    """Draw the AP that curing one kind of error alone would gain."""
    with chart(2 * WIDTH, 60 + 14 * len(CURES) * max(len(measured), 2)) as (figure, axes):
        of = len(measured)
        told = []
        for i, (name, each) in enumerate(measured.items()):
            base = each.diagnosis.ap.mean()
            values = [each.diagnosis.alone[cure].mean() - base for cure in CURES]
            at = np.arange(len(CURES)) + (i - (of - 1) / 2) * 0.8 / of
            axes.barh(at, np.nan_to_num(values), 0.74 / of, color=SERIES_COLOURS[i])
            gained = [f"{c} {v:+.4f}" for c, v in zip(CURES, values, strict=True)]
            told.append(f"{name} {', '.join(gained)}")
        axes.set_yticks(range(len(CURES)), [cure.replace("_", " ") for cure in CURES])
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        axes.set_xlabel("AP gained if this alone were cured")
        return [to_svg(figure, "cures", "; ".join(told))]


def reliability(found: Mapping[str, tuple[int, Reliability]], title: str, name: str) -> list[str]:
    """Draw what scores promise against what came.

    Args:
        found: label -> number of the file, and its reliability.
        title: of what.
        name: of the chart.
    """
    if not found:
        return []
    with chart(WIDTH, WIDTH - 20) as (figure, axes):
        axes.plot([0, 1], [0, 1], color=QUIET, linewidth=1, linestyle=":")
        for i, each in found.values():
            there = each.count > 0
            axes.plot(each.expected[there], each.actual[there], **series(i))
        axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="score", ylabel="came", title=title)
        axes.set_aspect("equal")
        told = ", ".join(f"{label} {each.ece:.3f}" for label, (_, each) in found.items())
        return [to_svg(figure, name, f"{title}; calibration error: {told}")]


def distances(
    measured: Mapping[str, Measured], skeleton: Skeleton, rows: Sequence[int]
) -> list[str]:
    """Draw how far joints are off in units of their sigmas, left and right together.

    Args:
        measured: label -> figures.
        skeleton: the joints.
        rows: of which left and right are joined.
    """
    panels = []
    edges = np.linspace(0, FURTHEST, BINS + 1)
    for j in sorted({min(j, int(skeleton.mirror[j])) for j in rows}):
        both = sorted({j, int(skeleton.mirror[j])})
        joint = skeleton.joints[j]
        name = _spelled(split_side(joint)[1] if len(both) > 1 else joint)
        with chart(*SMALL) as (figure, axes):
            told = []
            for i, (label, each) in enumerate(measured.items()):
                off = each.off[:, both]
                off = off[np.isfinite(off)]
                if not len(off):
                    continue
                counts, _ = np.histogram(off.clip(max=FURTHEST - 1e-9), edges)
                axes.stairs(
                    100 * counts / len(off), edges, color=SERIES_COLOURS[i],
                    linestyle=SERIES_DASHES[i], linewidth=1.6,
                )  # fmt: skip
                told.append(f"{label} {np.median(off):.2f} of {len(off)}")
            axes.set(xlim=(0, FURTHEST), ylim=(0, None), title=name)
            axes.set_xticks(range(0, int(FURTHEST) + 1, 2), ["0", "2", "4", "6+"])
            axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0f} %")
            alt = f"Errors of {name} in sigmas, medians: {', '.join(told) or 'none'}"
            panels.append(to_svg(figure, f"off{j}", alt))
    return panels


def histogram(values: Mapping[str, Floats], title: str, words: str, name: str) -> list[str]:
    """Draw how numbers of files are distributed; nothing if there are none."""
    known = {label: v[np.isfinite(v)] for label, v in values.items()}
    every = np.concatenate([np.zeros(0), *known.values()])
    if not len(every):
        return []
    low, high = np.quantile(every, [0.0, 0.995]).tolist()
    edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    with chart(WIDTH, HEIGHT - 30) as (figure, axes):
        told = []
        for i, (label, v) in enumerate(known.items()):
            if len(v):
                counts, _ = np.histogram(v.clip(max=edges[-1]), edges)
                axes.stairs(
                    counts, edges, color=SERIES_COLOURS[i], linestyle=SERIES_DASHES[i],
                    linewidth=1.8,
                )  # fmt: skip
                told.append(f"{label} median {np.median(v):.3f} of {len(v)}")
        axes.set(xlabel=words, ylabel="count", title=title, ylim=(0, None))
        return [to_svg(figure, name, f"{title}: {', '.join(told)}")]
