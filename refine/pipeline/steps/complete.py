"""Missing joints are filled."""

from typing import TYPE_CHECKING

from refine.pipeline.step import Count, PipelineStep

if TYPE_CHECKING:
    from refine.pipeline.context import Context
    from refine.poses import Poses


def _apply(poses: "Poses", context: "Context") -> "Poses":
    from refine.refiner.apply import complete

    poses, belief = context.believe(poses)
    return complete(poses, belief, context.refiner.weights)


STEP = PipelineStep(
    "complete",
    "Fill missing joints with where the refiner believes them.",
    _apply,
    learned=True,
    count=Count("joints", "joints_filled", "joints filled"),
)
