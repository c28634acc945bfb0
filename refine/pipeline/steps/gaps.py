"""Joints and poses that a track lacks for some frames are filled."""

from typing import TYPE_CHECKING

from refine.pipeline.step import Count, PipelineStep

if TYPE_CHECKING:
    from refine.pipeline.context import Context
    from refine.poses import Poses


def _apply(poses: "Poses", context: "Context") -> "Poses":
    from refine.motion.jitter import fill_gaps

    config = context.config
    return fill_gaps(
        poses,
        config.fps,
        "learned" if config.smoothing == "learned" else "paths",
        longest_s=config.longest_gap,
        weights=config.smoothing_weights,
    )


STEP = PipelineStep(
    "gaps",
    "Fill joints and poses that a track lacks for a while.",
    _apply,
    count=Count("joints", "joints_bridged", "joints filled from other frames"),
    video=True,
)
