"""The section of a report on tracks: how long, with what gaps, how calm, before and after."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from refine._types import Floats
from refine.drawing.stages import line_up
from refine.drawing.trajectories import Course, courses_of, draw_course, usual_joints
from refine.exceptions import RefineError
from refine.motion.flips import find_flips
from refine.motion.frames import rate_of, told_rate
from refine.poses import Poses
from refine.report.blocks import Block, Charts, Notes, Section, Tabular
from refine.report.svg import from_canvas
from refine.report.tables import Table

MOST = 40
"""Tracks in the table: those of the most poses; the others are counted."""
DRAWN = 6
"""Of them that have a chart."""
JOINTS = 2
"""In a chart: those that changed most."""
COLUMNS = (1, 2)
"""Of a chart: y and speed, see `refine.drawing.trajectories.PANELS`."""


@dataclass(frozen=True, slots=True)
class Figures:
    """A track in figures, of a stage.

    Attributes:
        frames: in which it has a joint.
        missing: joints that are not there, of all frames from its first to its last.
        shake: mean acceleration of joints, px per frame^2; NaN without three frames in a row.
        flipped: joints that stand where their mirror partner should be.
    """

    frames: int
    missing: int
    shake: float
    flipped: int


def tracks_section(labels: Sequence[str], files: Sequence[Poses], fps: float | None) -> Section:
    """Return the section on the tracks of the last file, compared with the first.

    Args:
        labels: of the files.
        files: their poses; the last has tracks.
        fps: frames per second; by default as the files tell.
    """
    lead = (
        "The tracks of the last file, the longest first. Missing joints are those between a "
        "track's first and last frame; acceleration, px per frame², is jitter and true motion."
    )
    try:
        told = next((poses for poses in reversed(files) if told_rate(poses)), files[-1])
        stages = line_up({labels[0]: files[0], labels[-1]: files[-1]})
        courses = list(islice(courses_of(stages, rate_of(told, fps)), MOST))
    except RefineError as error:
        blocks: list[Block] = [Notes([f"nothing on tracks: {error}"])]
        return Section("tracks", "Tracks", "Who moves how", "", blocks)
    before = [" before", ""] if courses[0].before is not None else [""]
    figures = ("frames", "missing", "acceleration", "left for right")
    head = ["track", "from", "to", *(f"{each}{stage}" for stage in before for each in figures)]
    rest = courses[0].of - len(courses)
    caption = "Tracks" + (f"; {rest} shorter ones are not shown" if rest else "")
    blocks = [
        Tabular(Table(head, [_row(course) for course in courses]), caption),
        Charts(
            [_chart(course, i, labels) for i, course in enumerate(courses[:DRAWN])],
            f"The {JOINTS} joints that changed most, of the {min(DRAWN, len(courses))} longest "
            "tracks: height in the picture and speed.",
            legend="",
            size="wide",
        ),
    ]
    return Section("tracks", "Tracks", "Who moves how", lead, blocks)


def has_tracks(poses: Poses) -> bool:
    """Whether some poses have tracks."""
    return poses.track is not None and bool((poses.track >= 0).any())


def figures_of(course: Course, xy: Floats) -> Figures:
    """Return the figures of a track in a stage.

    Args:
        course: the track.
        xy: (T, K, 2) its joints there.
    """
    there = np.asarray(np.isfinite(xy).all(-1))
    with np.errstate(over="ignore", invalid="ignore"):
        shake = np.linalg.norm(np.diff(xy, 2, axis=0), axis=-1)
    known = shake[np.isfinite(shake)]
    at = np.asarray(there.any(1))
    flipped = 0
    if at.any():
        size = np.full(int(at.sum()), course.size)
        flipped = int(find_flips(xy[at], course.time[at], size, course.skeleton).sum())
    return Figures(
        int(at.sum()), int((~there).sum()), float(known.mean()) if len(known) else np.nan, flipped
    )


def _row(course: Course) -> list[str]:
    cells = [str(course.track), f"{course.time[0]:.2f} s", f"{course.time[-1]:.2f} s"]
    for xy in (course.before, course.after):
        if xy is not None:
            f = figures_of(course, xy)
            shake = f"{f.shake:.2f}" if np.isfinite(f.shake) else "-"
            cells += [str(f.frames), str(f.missing), shake, str(f.flipped)]
    return cells


def _chart(course: Course, number: int, labels: Sequence[str]) -> str:
    names = list(dict.fromkeys((labels[0], labels[-1])))
    canvas = draw_course(course, usual_joints(course, JOINTS), names, COLUMNS)
    return from_canvas(canvas, f"joints over time, {course.title}, chart {number + 1}")
