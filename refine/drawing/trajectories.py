"""Joints over time: x, y and speed of a track, before and after something was done to it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from refine._types import Bools, Floats
from refine.drawing.canvas import Canvas
from refine.drawing.palette import AFTER, BEFORE, GRID, INK, PURPLE, QUIET
from refine.drawing.stages import Stages
from refine.exceptions import ArrayError
from refine.motion.flips import find_flips
from refine.motion.frames import frames_of, timeline_of, tracks_of
from refine.motion.jitter import body_size
from refine.skeletons import Skeleton

WIDE, HIGH = 300, 110
"""Px of a plot."""
LEFT, GAP, BELOW, HEAD = 58, 18, 40, 62
"""Px: room for numbers and between plots, below a row for times, and above all for the title."""
TITLE, TEXT, SMALL = 18, 13, 11
"""Px: sizes of text."""
TICKS = 4
"""At least, on an axis."""
DENSEST = 2
"""Points of a line for each px; of more only the highest and lowest are drawn."""
JOINTS = 4
"""Drawn, unless some are named."""
FARTHEST = 1e9
"""px or px/s; values beyond are not drawn: they are places of nothing."""
PANELS = ("x, px", "y, px", "speed, px/s")


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """A track in time, a place for each frame from its first to its last.

    Attributes:
        track: its number, -1 for the one body of a video without tracks.
        of: how many tracks there are.
        skeleton: the K joints.
        time: (T,) s.
        before: (T, K, 2) px in the first stage, NaN where missing; None where there is but one.
        after: (T, K, 2) px in the last stage.
        flipped: (T, K) which joints stood in the place of their mirror partner in the first stage,
            see `refine.motion.find_flips`.
        size: px, the root of the body's area.
    """

    track: int
    of: int
    skeleton: Skeleton
    time: Floats
    before: Floats | None
    after: Floats
    flipped: Bools
    size: float

    @property
    def title(self) -> str:
        """What it is, in words."""
        seconds = self.time[-1] - self.time[0]
        name = f"track {self.track}, " if self.track >= 0 else ""
        return f"{name}{len(self.time)} frames, {seconds:.2f} s"


def courses_of(stages: Stages, fps: float) -> Iterator[Course]:
    """Yield the tracks of the last of some stages in time, those of the most poses first.

    Args:
        stages: see `refine.drawing.stages.line_up`.
        fps: frames per second.

    Raises:
        FormatError: see `refine.motion.frames.timeline_of` and `tracks_of`.
    """
    poses, was = stages.poses[-1], stages.before[-1]
    step = timeline_of(poses).step
    tracks = sorted(tracks_of(poses, frames_of(poses)), key=lambda track: -len(track.rows))
    first = poses if was is None else was
    for track in tracks:
        frames = np.arange(track.frame[0], track.frame[-1] + 1, step)
        whole = np.full((2, len(frames), len(poses.skeleton), 2), np.nan)
        at = (track.frame - frames[0]) // step
        whole[0, at], whole[1, at] = first.xy[track.rows], poses.xy[track.rows]
        flipped = np.zeros(whole.shape[1:3], np.bool_)
        size = body_size(poses, track, fps)
        time = track.frame / fps
        flipped[at] = find_flips(whole[0, at], time, size, poses.skeleton)
        before = None if was is None else whole[0]
        yield Course(
            track.name,
            len(tracks),
            poses.skeleton,
            frames / fps,
            before,
            whole[1],
            flipped,
            float(np.median(size)),
        )


def find_course(stages: Stages, fps: float, track: int | None = None) -> Course:
    """Return a track in time, see `courses_of`: that of a number, or of the most poses.

    Raises:
        ArrayError: no such track, or none at all.
        FormatError: see `courses_of`.
    """
    names = []
    for course in courses_of(stages, fps):
        if track is None or course.track == track:
            return course
        names.append(str(course.track))
    got = "none" if track is None else str(track)
    raise ArrayError(
        f"expected a track of the poses, got {got}",
        hint=f"--track with one of {', '.join(names[:20])}" if names else "a file with poses",
    )


def speed(xy: Floats, time: Floats) -> Floats:
    """Return px per second between frames (T,), at the later; NaN where either is missing.

    >>> speed(np.array([[0.0, 0.0], [3.0, 4.0]]), np.array([0.0, 0.5])).tolist()
    [nan, 10.0]
    """
    with np.errstate(over="ignore", invalid="ignore"):
        away = np.linalg.norm(np.diff(xy, axis=0), axis=-1) / np.diff(time)
    return np.concatenate([[np.nan], away])


def draw_course(
    course: Course,
    joints: Sequence[int],
    names: Sequence[str] = (),
    columns: Sequence[int] = (0, 1, 2),
) -> Canvas:
    """Draw joints of a track: a row for each, with x, y and speed over time.

    Where the first stage has no joint the ground is grey; where it has left for right, purple.

    Args:
        course: the track.
        joints: their numbers.
        names: of the stages, first and last.
        columns: which of `PANELS`.
    """
    width = GAP + len(columns) * (LEFT + WIDE + GAP)
    canvas = Canvas(width, HEAD + len(joints) * (HIGH + BELOW))
    canvas.text((GAP, 10), course.title, TITLE)
    stages = ((course.before, BEFORE), (course.after, AFTER))
    shown = [(xy, colour) for xy, colour in stages if xy is not None]
    x = float(GAP)
    labels = names if len(names) == len(shown) else ("before", "after")[-len(shown) :]
    marks = [*zip(labels, (colour for _, colour in shown), strict=True)]
    marks += [("missing before" if len(shown) > 1 else "missing", GRID)]
    marks += [("left for right", PURPLE)] * bool(course.flipped[:, list(joints)].any())
    for text, colour in marks:
        canvas.box(x, 40, 14, 8, colour)
        x += 20 + canvas.text((x + 20, 44), text, TEXT, "lm") + 18
    for row, joint in enumerate(joints):
        top = HEAD + row * (HIGH + BELOW)
        values = [
            (xy[:, joint, 0], xy[:, joint, 1], speed(xy[:, joint], course.time)) for xy, _ in shown
        ]
        missing = np.asarray(~np.isfinite(shown[0][0][:, joint]).all(-1))
        name = course.skeleton.joints[joint].replace("_", " ")
        for place, column in enumerate(columns):
            left = GAP + place * (LEFT + WIDE + GAP) + LEFT
            lines = [(_sane(v[column]), c) for v, (_, c) in zip(values, shown, strict=True)]
            plot = _Plot(canvas, left, top + 16, course.time, [line for line, _ in lines])
            plot.shade(missing, GRID, 0.6)
            plot.shade(course.flipped[:, joint], PURPLE, 0.35)
            plot.axes()
            for line, colour in lines:
                plot.line(line, colour)
            canvas.text((left, top), name if place == 0 else "", TEXT)
            canvas.text((left + WIDE, top), PANELS[column], SMALL, "ra", QUIET)
    return canvas


def _sane(values: Floats) -> Floats:
    return np.where(np.abs(values) <= FARTHEST, values, np.nan)


class _Plot:
    """Values over time in a box of a canvas."""

    def __init__(
        self, canvas: Canvas, left: float, top: float, time: Floats, lines: Sequence[Floats]
    ) -> None:
        self.canvas, self.left, self.top, self.time = canvas, left, top, time
        self.high = HIGH - 16
        known = np.concatenate([line[np.isfinite(line)] for line in lines])
        low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
        room = max((high - low) * 0.05, 0.5)
        self.low, self.most = low - room, high + room
        self.first, self.last = float(time[0]), max(float(time[-1]), float(time[0]) + 1e-6)

    def across(self, time: Floats) -> Floats:
        return np.asarray(self.left + WIDE * (time - self.first) / (self.last - self.first))

    def down(self, value: Floats) -> Floats:
        share = (value - self.low) / (self.most - self.low)
        return np.asarray(self.top + self.high * (1 - share))

    def axes(self) -> None:
        for value in nice_ticks(self.low, self.most):
            y = float(self.down(np.array(value)))
            self.canvas.line((self.left, y), (self.left + WIDE, y), GRID, 0.7)
            self.canvas.text((self.left - 6, y), f"{value:g}", SMALL, "rm", QUIET)
        for value in nice_ticks(self.first, self.last):
            x = float(self.across(np.array(value)))
            bottom = self.top + self.high
            self.canvas.line((x, bottom), (x, bottom + 4), QUIET, 0.7)
            self.canvas.text((x, bottom + 6), f"{value:g} s", SMALL, "ma", QUIET)
        bottom = self.top + self.high
        self.canvas.line((self.left, bottom), (self.left + WIDE, bottom), INK, 1)

    def shade(self, where: Bools, colour: str, opacity: float) -> None:
        """Colour the ground of some frames."""
        edges = np.flatnonzero(np.diff(np.r_[False, where, False].astype(np.int8))).reshape(-1, 2)
        half = (self.last - self.first) / max(len(self.time) - 1, 1) / 2
        for start, end in edges.tolist():
            times = np.array([self.time[start] - half, self.time[end - 1] + half])
            a, b = self.across(times.clip(self.first, self.last)).tolist()
            self.canvas.box(a, self.top, max(b - a, 1.0), self.high, colour, opacity)

    def line(self, values: Floats, colour: str) -> None:
        """Draw values, broken where there are none."""
        time, values = thinned(self.time, values, DENSEST * WIDE)
        known = np.isfinite(values)
        edges = np.flatnonzero(np.diff(np.r_[False, known, False].astype(np.int8))).reshape(-1, 2)
        for start, end in edges.tolist():
            xs, ys = self.across(time[start:end]), self.down(values[start:end])
            points = list(zip(xs.tolist(), ys.tolist(), strict=True))
            if len(points) == 1:
                self.canvas.dot(points[0], 1.2, colour)
            else:
                self.canvas.path(points, colour, 1.5)


def thinned(time: Floats, values: Floats, most: int) -> tuple[Floats, Floats]:
    """Return at most so many points of a line: of each bin of frames the lowest and the highest.

    Bins without any keep one that is missing, so that gaps stay.
    """
    bins = max(most // 2, 1)
    if len(values) <= 2 * bins:
        return time, values
    kept: list[int] = []
    for part in np.array_split(np.arange(len(values)), bins):
        there = part[np.isfinite(values[part])]
        ends = (
            (there[values[there].argmin()], there[values[there].argmax()]) if len(there) else part
        )
        kept += sorted({int(i) for i in ends[:2]})
    return time[kept], values[kept]


def nice_ticks(low: float, high: float) -> list[float]:
    """Return round numbers between two, `TICKS` to about twice as many.

    >>> nice_ticks(3.2, 12.0)
    [4.0, 6.0, 8.0, 10.0, 12.0]
    """
    rough = (high - low) / TICKS
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(f * power for f in (5, 2, 1) if f * power <= rough)
    count = np.arange(np.ceil(low / step), np.floor(high / step) + 1)
    return [float(f"{value:.10g}") for value in (count * step + 0.0).tolist()]


def usual_joints(course: Course, most: int) -> list[int]:
    """Choose joints to draw: those that moved most from stage to stage, else on the whole."""
    with np.errstate(over="ignore", invalid="ignore"):
        if course.before is not None:
            away = np.linalg.norm(course.after - course.before, axis=-1)
        else:
            away = np.linalg.norm(np.diff(course.after, axis=0), axis=-1)
    known = np.isfinite(away)
    total = np.where(known, away, 0).sum(0) / np.maximum(known.sum(0), 1)
    found = np.argsort(-total, kind="stable")[:most]
    return sorted(int(j) for j in found if known[:, j].any())
