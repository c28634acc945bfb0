"""Poses as moving pictures: a panel per stage, tracks by colour, trails behind joints."""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from PIL import Image

from refine._types import Floats, Indices
from refine.drawing.canvas import Canvas, fitting, text_width
from refine.drawing.cells import FARTHEST, MARGIN
from refine.drawing.figure import draw_pose
from refine.drawing.files import mapped
from refine.drawing.marks import opacities
from refine.drawing.palette import GRID, INK, PAPER, TRACKS
from refine.drawing.poses import on_canvas, told_size
from refine.drawing.raster import paint, resized
from refine.exceptions import ArrayError
from refine.motion.frames import Timeline
from refine.poses import Poses
from refine.skeletons import Skeleton

WIDEST = 1920
"""Px of a whole picture, unless a size is asked for."""
HEAD, TITLE = 32, 18
"""Px: height of the line above a panel, and size of its text."""
ROOMY = 300
"""Px: width of panels from which there is room for the number of the frame."""
TAG, TAG_TEXT = 18, 13
"""Px: height of the tag with the number of a track, and size of its text."""
TRAIL = 2.5
"""Px: width of a trail where it is new."""
ENDS = 8
"""Joints that have trails unless some are named: the ends of limbs, or else all, if no more."""


@dataclass(frozen=True, slots=True)
class Screen:
    """How a video is shown.

    Attributes:
        size: width and height of the pictures in px.
        fps: frames per second that the numbers of frames count.
        size_px: longer side of a panel; None for that of the pictures, within `WIDEST` in all.
        trail_s: seconds that trails reach back; 0 for none.
        joints: that have them; by default the ends of limbs.
    """

    size: tuple[int, int]
    fps: float
    size_px: int | None = None
    trail_s: float = 0.0
    joints: tuple[str, ...] = ()


def frame_size(poses: Sequence[Poses]) -> tuple[int, int]:
    """Return a size in px that holds all images: of those that tell, else of where joints are."""
    told = [size for ref in poses[0].images if (size := told_size(ref))]
    if told:
        width, height = np.max(told, 0).tolist()
        return width, height
    reach = np.ones(2)
    for each in poses:
        points = each.xy[each.present]
        reach = np.maximum(reach, points.clip(0, FARTHEST).max(0, initial=0) * (1 + MARGIN))
    return int(reach[0]) + 1, int(reach[1]) + 1


def film_poses(
    panels: Mapping[str, Poses],
    timeline: Timeline,
    pictures: Iterable[Image.Image | None],
    screen: Screen,
) -> Iterator[Image.Image]:
    """Draw the frames of a video, panels side by side, with the time above.

    All are of one size, whose sides are even. What is kept at a time are a few frames and the
    trails. Poses with tracks have the colour of their track, see `refine.drawing.palette.TRACKS`,
    and its number; trails break where a joint is missing.

    Args:
        panels: title -> poses, all on the same images, at least one.
        timeline: of these.
        pictures: one for each frame of the timeline; None is plain paper.
        screen: how they are shown.

    Raises:
        ArrayError: trails of poses without tracks, several on an image.
        SkeletonError: no such joint.
    """
    scale, size = _scaled(screen, len(panels))
    parts = [_Part(title, p, timeline, screen, scale) for title, p in panels.items()]
    moments = zip(timeline.number.tolist(), timeline.image.tolist(), pictures, strict=True)

    def lay_out() -> Iterator[Canvas]:
        for number, image, picture in moments:
            whole = Canvas(len(parts) * size[0], HEAD + size[1])
            clock = _clock(number / screen.fps)
            clock += f"  frame {number}" * (size[0] >= ROOMY)
            whole.text((whole.width - 10, HEAD / 2), clock, TITLE, "rm")
            room = size[0] - 20
            for i, part in enumerate(parts):
                left = room - (text_width(clock, TITLE) + 20) * (i == len(parts) - 1)
                title = fitting(part.title, TITLE, max(left, 0))
                whole.text((10 + i * size[0], HEAD / 2), title, TITLE, "lm")
                panel = part.draw(number, image, picture, size)
                for edge in (whole, panel) if i else ():
                    edge.box(i * size[0] if edge is whole else 0, 0, 1, edge.height, GRID)
                whole.put(panel, i * size[0], HEAD)
            yield whole

    return mapped(paint, lay_out())


class _Part:
    """A panel as it goes through time: what is drawn of each image, and the trails."""

    def __init__(
        self, title: str, poses: Poses, timeline: Timeline, screen: Screen, scale: float
    ) -> None:
        self.title, self.poses, self.screen, self.scale = title, poses, screen, scale
        self.opacity = opacities(poses)
        self.order = np.argsort(poses.image, kind="stable")
        self.bounds = np.searchsorted(poses.image[self.order], np.arange(len(poses.images) + 1))
        self.tracked = poses.track is not None and bool((poses.track >= 0).any())
        self.joints = _trailing(poses.skeleton, screen.joints)
        self.reach, self.step = screen.trail_s * screen.fps, timeline.step
        self.trails: dict[int, deque[tuple[int, Floats]]] = defaultdict(deque)
        if self.reach and not self.tracked and len(np.unique(poses.image)) < len(poses):
            raise ArrayError(
                "expected tracks for trails, got none, and several poses on an image",
                where=title or None,
                hint="`refine track`",
            )

    def draw(
        self, number: int, image: int, picture: Image.Image | None, size: tuple[int, int]
    ) -> Canvas:
        """Draw the panel of a frame."""
        canvas, poses = Canvas(*size), self.poses
        if picture is not None:
            canvas.place(_within(picture, self.scale, size), 0, 0, *size)
        none: Indices = np.zeros(0, np.intp)
        rows = self.order[self.bounds[image] : self.bounds[image + 1]] if image >= 0 else none
        xy = on_canvas(poses.xy[rows], self.screen.size, self.scale)
        names = poses.track[rows].tolist() if self.tracked and poses.track is not None else []
        if self.reach:
            for name, points in zip(names or [-1] * len(rows), xy, strict=True):
                if name >= 0 or not self.tracked:
                    self.trails[name].append((number, points[self.joints]))
            self._draw_trails(canvas, number)
        for i, row in enumerate(rows.tolist()):
            own = TRACKS[names[i] % len(TRACKS)] if names and names[i] >= 0 else None
            draw_pose(canvas, xy[i], None, poses.skeleton, self.opacity[row], own_colour=own)
            if own is not None:
                _tag(canvas, xy[i], str(names[i]), own)
        return canvas

    def _draw_trails(self, canvas: Canvas, now: int) -> None:
        """Draw lines through the last places of joints, the older the fainter."""
        for name in list(self.trails):
            trail = self.trails[name]
            while trail and now - trail[0][0] > self.reach:
                trail.popleft()
            if not trail:
                del self.trails[name]
                continue
            colour = TRACKS[name % len(TRACKS)] if name >= 0 else INK
            for (was, old), (at, new) in pairwise(trail):
                if not 0 < at - was <= self.step:
                    continue
                fresh = 1 - (now - at) / max(self.reach, 1)
                there = np.isfinite(old).all(-1) & np.isfinite(new).all(-1)
                for j in np.flatnonzero(there).tolist():
                    width = TRAIL * (0.4 + 0.6 * fresh)
                    canvas.line(tuple(old[j]), tuple(new[j]), colour, width, 0.15 + 0.7 * fresh)


def _scaled(screen: Screen, panels: int) -> tuple[float, tuple[int, int]]:
    """Return px of a panel over those of pictures, and its size in even numbers."""
    width, height = screen.size
    whole = max(width * panels, height)
    longer = screen.size_px or max(width, height) * min(1, WIDEST / whole)
    scale = longer / max(width, height)
    across, down = (max(2, 2 * round(side * scale / 2)) for side in (width, height))
    return scale, (across, down)


def _within(picture: Image.Image, scale: float, size: tuple[int, int]) -> Image.Image:
    """Return a picture in the scale of a panel, on paper that fills it."""
    own = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    if all(abs(a - b) <= 1 for a, b in zip(own, size, strict=True)):
        return resized(picture, size)
    paper = Image.new("RGB", size, PAPER)
    paper.paste(resized(picture, own), (0, 0))
    return paper


def _trailing(skeleton: Skeleton, joints: Sequence[str]) -> list[int]:
    """Return the joints that have trails."""
    if joints:
        return [skeleton.index(name) for name in joints]
    ends = np.bincount(np.ravel(skeleton.edges).astype(int), minlength=len(skeleton)) == 1
    found = np.flatnonzero(ends).tolist()
    return found if 0 < len(found) <= ENDS else list(range(len(skeleton)))[:ENDS]


def _tag(canvas: Canvas, points: Floats, text: str, colour: str) -> None:
    """Put the number of a track above its pose."""
    there = points[np.isfinite(points).all(-1)]
    if not len(there):
        return
    width = text_width(text, TAG_TEXT) + 8
    x = float(np.clip(there[:, 0].mean() - width / 2, 0, max(canvas.width - width, 0)))
    y = float(np.clip(there[:, 1].min() - TAG - 8, 0, max(canvas.height - TAG, 0)))
    canvas.box(x, y, width, TAG, colour)
    canvas.text((x + width / 2, y + TAG / 2), text, TAG_TEXT, "mm", PAPER)


def _clock(seconds: float) -> str:
    """Spell a time as minutes and seconds."""
    minutes, rest = divmod(round(100 * seconds), 6000)
    return f"{minutes}:{rest / 100:05.2f}"
