"""What arrays hold, by name, and the choices that several rooms share."""

from typing import Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Floats32 = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]

AreaRule = Literal["keypoints", "box", "given"]
"""What stands for the size of a predicted pose: its tight keypoint box, its box, its area."""

Smoothing = Literal["paths", "learned", "one-euro", "savgol", "median"]
"""How the joints of a track are smoothed, see `refine.motion.smooth`."""
