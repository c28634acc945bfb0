"""Poses of one person in frame after frame get one number."""

from typing import TYPE_CHECKING

from refine.pipeline.step import Count, PipelineStep

if TYPE_CHECKING:
    from refine.pipeline.context import Context
    from refine.poses import Poses


def _apply(poses: "Poses", context: "Context") -> "Poses":
    from refine.motion.tracking import track

    config = context.config
    return track(poses, again=config.retrack, join_s=config.join_tracks, fps=config.fps)


STEP = PipelineStep(
    "track",
    "Number the persons of a video from frame to frame.",
    _apply,
    count=Count("tracks", "tracks", "tracks"),
    video=True,
)
