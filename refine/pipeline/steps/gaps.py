"""Joints and poses that a track lacks for some frames are filled."""

from typing import TYPE_CHECKING

from refine.pipeline.step import Count, PipelineStep

if TYPE_CHECKING:
    from refine.pipeline.context import Context
    from refine.poses import Poses


def _apply(poses: "Poses", context: "Context") -> "Poses":
    from refine.motion.jitter import fill_gaps

    return fill_gaps(poses, context.config.fps, longest_s=context.config.longest_gap)


STEP = PipelineStep(
    "gaps",
    "Fill joints and poses that a track lacks for a while.",
    _apply,
    count=Count("joints", "joints_bridged", "joints filled from other frames"),
    video=True,
)
