"""Steps for videos over frames that come one by one: a window moves along and is done anew.

Tracks go on for as long as frames come. The other steps look at a window: `BEHIND_S` of what came
out, as it was before gaps and jitter, what comes out now, and what came since, up to the lag. So
memory is bounded, and what comes out is nearly what the whole video would give.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from refine._types import Floats
from refine.exceptions import FormatError, RefineError
from refine.history import COUNTS, Step
from refine.motion.frames import frames_of, rate_of, tracks_of
from refine.motion.tracking import REACH, Tracker
from refine.oks import pose_area
from refine.pipeline import steps as step_list
from refine.pipeline.config import Config
from refine.pipeline.context import Context
from refine.poses import Poses

BEHIND_S = 2.4
"""Of what came out that the next is made with: `refine.motion.arrays.Motion.reach`."""
AHEAD = 0.75
"""Share of the lag that what comes out knows of what follows; the rest is done at once."""


class _Frame(NamedTuple):
    number: int
    poses: Poses


class Online:
    """Frames in, frames out, in their order and at most a lag later.

    Args:
        config: `lag` and the steps, `fps` among them where poses do not tell.

    Raises:
        RefineError: options that need the whole video.
    """

    def __init__(self, config: Config) -> None:
        if config.join_tracks:
            raise RefineError(
                "expected no tracks to join: who was lost may come again when all is written",
                hint="refine.run, or `refine run` without --stream",
            )
        self._config = config
        chosen = [step for step in step_list.STEPS if step.name in config.steps]
        self._apart = [step for step in chosen if not step.video]
        self._together = [step for step in chosen if step.video and step.name != "track"]
        self._tracker: Tracker | None = None
        self._behind: list[_Frame] = []
        self._waiting: list[_Frame] = []
        self._now: dict[int, int] = {}

    def put(self, poses: Poses) -> list[Poses]:
        """Take a frame, one image, and return those that are ready.

        After an error while a window is done its frames are gone, and a new video begins.

        Raises:
            FormatError: several images, other joints or scores than before, a frame that does not
                follow, or see `refine.motion.frames.tracks_of`.
            ArrayError: no frames per second.
            RefineError: see `refine.run`.
        """
        if len(poses.images) != 1:
            raise FormatError(f"expected one image at a time, got {len(poses.images)}")
        number = int(frames_of(poses).number[0])
        rate = rate_of(poses, self._config.fps) if self._together else 1.0
        context = Context(poses, self._config)
        for step in self._apart:
            poses = step.apply(poses, context)
        poses = self._checked(poses)
        ready = [] if self._follows(poses) else self.flush()
        poses = self._tracked(poses, number)
        if not self._together:
            self._behind = [_Frame(number, poses)]
            return [*ready, poses]
        self._waiting.append(_Frame(number, poses))
        lag = self._config.lag * rate
        if number - self._waiting[0].number >= lag:
            ready += self._done(number - AHEAD * lag, rate)
        return ready

    @property
    def waiting(self) -> int:
        """How many frames are not done yet."""
        return len(self._waiting)

    def flush(self) -> list[Poses]:
        """Return what is left; what follows is another video."""
        waiting = self._waiting
        rate = rate_of(waiting[-1].poses, self._config.fps) if waiting else 1.0
        ready = self._done(np.inf, rate) if waiting else []
        self._forget()
        return ready

    def _forget(self) -> None:
        self._behind, self._waiting, self._now = [], [], {}
        if self._tracker:
            self._tracker.forget()

    def _follows(self, poses: Poses) -> bool:
        """Tell whether a frame is of the same video as the last."""
        before = (self._waiting or self._behind)[-1:]
        if not before:
            return True
        last = before[0].poses
        if last.skeleton != poses.skeleton:
            raise FormatError(
                f"expected the joints of the frame before, {last.skeleton.name!r}, got "
                f"{poses.skeleton.name!r}"
            )
        both = frames_of(Poses.empty(poses.skeleton, [*last.images, *poses.images]))
        if both.video[0] != both.video[1]:
            return False
        if both.number[1] <= both.number[0]:
            raise FormatError(
                f"expected frames in their order, got {both.number[1]} after {both.number[0]}"
            )
        return True

    def _checked(self, poses: Poses) -> Poses:
        """Return a frame whose tracks can be followed, those that count."""
        if "track" not in self._config.steps:
            tracks_of(poses, frames_of(poses))
            return poses
        given = np.full(len(poses), -1)
        if poses.track is not None and not self._config.retrack:
            given = poses.track
        poses = poses.replace(track=given)
        if (given >= 0).any():
            tracks_of(poses, frames_of(poses))
        return poses

    def _tracked(self, poses: Poses, number: int) -> Poses:
        if "track" not in self._config.steps or poses.track is None:
            return poses
        if self._tracker is None:
            self._tracker = Tracker(poses.skeleton)
        order = np.argsort(-np.nan_to_num(poses.instance_score), kind="stable")
        area: Floats = pose_area(poses.xy, "keypoints")
        names = np.empty(len(poses), np.int64)
        names[order] = self._tracker.see(poses.xy[order], area[order], poses.track[order], number)
        return poses.replace(track=names).done("track", reach=REACH)

    def _done(self, end: float, rate: float) -> list[Poses]:
        """Return the waiting frames up to a number, done, and move the window on."""
        first = len(self._behind)
        last = first + sum(frame.number <= end for frame in self._waiting)
        frames = [*self._behind, *map(self._named, self._waiting)]
        history = frames[-1].poses.history
        try:
            window = _window([frame.poses for frame in frames])
            turned = done = window
            for step in self._together:
                done = step.apply(done, Context(done, self._config))
                turned = done if step.name == "unswap" else turned
        except RefineError:
            self._forget()
            raise
        self._remember(window, turned, first, last)
        told = (*history, *map(_without_counts, done.history))
        ready = [_image(done, i, told) for i in range(first, last)]
        since = frames[last - 1].number - BEHIND_S * rate
        self._behind = [
            _Frame(frames[i].number, _image(turned, i, history))
            for i in range(last)
            if frames[i].number > since
        ]
        self._waiting = self._waiting[last - first :]
        return ready

    def _named(self, frame: _Frame) -> _Frame:
        """Return a frame with the tracks that its persons, once exchanged, have now."""
        if frame.poses.track is None or not self._now:
            return frame
        track = [self._now.get(name, name) for name in frame.poses.track.tolist()]
        return _Frame(frame.number, frame.poses.replace(track=np.array(track, np.int64)))

    def _remember(self, before: Poses, after: Poses, first: int, last: int) -> None:
        """Remember which persons are exchanged in the last frames that come out."""
        if before.track is None or after.track is None:
            return
        rows = np.flatnonzero((before.image >= first) & (before.image < last))
        rows = rows[np.argsort(before.image[rows], kind="stable")]
        pairs = zip(before.track[rows].tolist(), after.track[rows].tolist(), strict=True)
        turn = {old: new for old, new in dict(pairs).items() if old != new}
        for old, new in list(turn.items()):
            turn.setdefault(new, old)
        if sorted(turn) == sorted(turn.values()):
            names = {*self._now, *turn}
            self._now = {n: turn.get(m := self._now.get(n, n), m) for n in names}


def _window(frames: list[Poses]) -> Poses:
    """Join frames; those without poses are as the others."""
    kind = next((f.score_kind for f in frames if len(f)), frames[0].score_kind)
    parts = [f.replace(history=(), score_kind=f.score_kind if len(f) else kind) for f in frames]
    return Poses.concat(parts).replace(meta=frames[-1].meta)


def _image(poses: Poses, at: int, history: tuple[Step, ...]) -> Poses:
    rows = np.flatnonzero(poses.image == at)
    image = np.zeros(len(rows), np.intp)
    return poses[rows].replace(images=(poses.images[at],), image=image, history=history)


def _without_counts(step: Step) -> Step:
    """Return a step without its counts, which are those of a window."""
    return replace(step, parameters={k: v for k, v in step.parameters.items() if k not in COUNTS})
