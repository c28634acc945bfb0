"""What goes wrong with keypoints: error statistics and the synthesis of errors."""

from refine.errors.synthesis import corrupt

__all__ = ["corrupt"]
