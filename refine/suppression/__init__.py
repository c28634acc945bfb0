"""Duplicates: OKS-NMS, soft OKS-NMS and merging."""

from refine.suppression.arrays import (
    METHODS,
    Method,
    nms_sigmas,
    oks_nms,
    ranking_score,
    soft_oks_nms,
    suppress,
)

__all__ = [
    "METHODS",
    "Method",
    "nms_sigmas",
    "oks_nms",
    "ranking_score",
    "soft_oks_nms",
    "suppress",
]
