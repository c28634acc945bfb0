"""Duplicates: OKS-NMS, soft OKS-NMS and merging."""

from refine.suppression.arrays import oks_nms, soft_oks_nms
from refine.suppression.merge import assign_duplicates, merge_joints
from refine.suppression.poses import METHODS, Method, nms_sigmas, ranking_score, suppress

__all__ = [
    "METHODS",
    "Method",
    "assign_duplicates",
    "merge_joints",
    "nms_sigmas",
    "oks_nms",
    "ranking_score",
    "soft_oks_nms",
    "suppress",
]
