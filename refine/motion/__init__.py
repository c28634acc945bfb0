"""Time: who is who from frame to frame, left and right, gaps and jitter."""

from refine.motion.arrays import Motion, Path, follow
from refine.motion.evaluate import evaluate_motion
from refine.motion.flips import find_flips, unswap
from refine.motion.jitter import fill_gaps, smooth
from refine.motion.mota import evaluate_posetrack, evaluate_tracking
from refine.motion.tracking import Tracker, track

__all__ = [
    "Motion",
    "Path",
    "Tracker",
    "evaluate_motion",
    "evaluate_posetrack",
    "evaluate_tracking",
    "fill_gaps",
    "find_flips",
    "follow",
    "smooth",
    "track",
    "unswap",
]
