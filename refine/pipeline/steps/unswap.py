"""Persons, limbs, and left and right that changed places between frames are put back."""

from typing import TYPE_CHECKING

from refine.pipeline.step import Count, PipelineStep

if TYPE_CHECKING:
    from refine.pipeline.context import Context
    from refine.poses import Poses


def _apply(poses: "Poses", context: "Context") -> "Poses":
    from refine.motion.flips import unswap

    return unswap(poses, context.config.fps)


STEP = PipelineStep(
    "unswap",
    "Put left and right, and persons, back that change places between frames.",
    _apply,
    count=Count("joints", "joints_unswapped", "joints unswapped"),
    also=(
        Count("persons", "poses_unswapped", "poses put back to their person"),
        Count("limb_joints", "limb_joints_unswapped", "joints put back to their person"),
    ),
    video=True,
)
