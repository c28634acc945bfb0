"""Jitter and jumps of tracks are removed."""

from typing import TYPE_CHECKING

from refine.pipeline.step import Count, PipelineStep

if TYPE_CHECKING:
    from refine.pipeline.context import Context
    from refine.poses import Poses


def _apply(poses: "Poses", context: "Context") -> "Poses":
    from refine.motion.jitter import smooth

    config = context.config
    return smooth(poses, config.fps, config.smoothing, weights=config.smoothing_weights)


STEP = PipelineStep(
    "smooth",
    "Remove jitter and jumps of tracks.",
    _apply,
    count=Count("joints", "joints_smoothed", "joints smoothed"),
    video=True,
)
