"""Two partial poses that are one person become one pose."""

from typing import TYPE_CHECKING

from refine.pipeline.step import Count, PipelineStep

if TYPE_CHECKING:
    from refine.pipeline.context import Context
    from refine.poses import Poses


def _apply(poses: "Poses", context: "Context") -> "Poses":
    from refine.pipeline.fragments import join_fragments

    return join_fragments(poses, context.pose_refiner)


STEP = PipelineStep(
    "join",
    "Join fragments of one person.",
    _apply,
    count=Count("fragments", "fragments_joined", "fragments joined"),
)
