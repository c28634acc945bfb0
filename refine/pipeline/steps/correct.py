"""Joints that are believed wrong are moved."""

from typing import TYPE_CHECKING

from refine.pipeline.step import Count, PipelineStep

if TYPE_CHECKING:
    from refine.pipeline.context import Context
    from refine.poses import Poses


def _apply(poses: "Poses", context: "Context") -> "Poses":
    from refine.refiner.apply import correct

    poses, belief = context.believe(poses)
    return correct(poses, belief, context.refiner.weights, context.config.margin)


STEP = PipelineStep(
    "correct",
    "Move joints where that is expected to gain similarity.",
    _apply,
    learned=True,
    count=Count("joints", "joints_moved", "moved"),
)
