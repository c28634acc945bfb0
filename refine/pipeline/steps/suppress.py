"""Poses that show the same person as a better one are removed."""

from typing import TYPE_CHECKING

from refine.pipeline.step import Count, PipelineStep

if TYPE_CHECKING:
    from refine.pipeline.context import Context
    from refine.poses import Poses


def _apply(poses: "Poses", context: "Context") -> "Poses":
    from refine.suppression import suppress

    config, own = context.config, context.before(poses).instance_score
    merge = poses.score_kind == "expected_ks" if config.merge is None else config.merge
    # A threshold that somebody asks for is kept to the letter.
    if config.nms_threshold is not None:
        return suppress(poses, threshold=config.nms_threshold, area=config.nms_area, merge=merge)
    return suppress(poses, area=config.nms_area, merge=merge, own=own)


STEP = PipelineStep(
    "suppress",
    "Remove duplicates by OKS.",
    _apply,
    count=Count("removed", "duplicates_removed", "duplicates removed"),
)
