"""A sample that the project makes itself: people, pictures, predictions and heatmaps of them.

The demo and the tests stand on it, so that neither needs data of somebody else.
"""

from refine.sample.estimator import make_heatmaps, make_predictions
from refine.sample.scene import make_people
from refine.sample.video import draw_frames, make_video

__all__ = ["draw_frames", "make_heatmaps", "make_people", "make_predictions", "make_video"]
