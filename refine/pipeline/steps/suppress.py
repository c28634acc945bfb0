"""Poses that show the same person as a better one are removed."""

from typing import TYPE_CHECKING

from refine.pipeline.step import Count, PipelineStep

if TYPE_CHECKING:
    from refine.pipeline.context import Context
    from refine.poses import Poses


def _apply(poses: "Poses", context: "Context") -> "Poses":
    from refine.suppression import suppress

    config = context.config
    merge = poses.score_kind == "expected_ks" if config.merge is None else config.merge
    return suppress(poses, threshold=config.nms_threshold, area=config.nms_area, merge=merge)


STEP = PipelineStep(
    "suppress",
    "Remove duplicates by OKS.",
    _apply,
    count=Count("removed", "duplicates_removed", "duplicates removed"),
)
