"""rtmlib: one model's post-processing is replaced, everything around it stays.

body = rtmlib.Custom(pose_class="ViTPose", pose="vitpose.onnx", ...)
patch(body.pose_model)
keypoints, scores = body(frame)
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from refine.adapters.rtmlib import patch

Array = npt.NDArray[np.float64]


class ViTPose:
    """A stand-in for `body.pose_model`, for rtmlib's own needs an ONNX file."""

    def postprocess(
        self, outputs: Sequence[Array], center: Array, scale: Array
    ) -> tuple[Array, Array]:
        """Take the highest cells; this is what gets replaced."""
        (maps,) = outputs
        height, width = maps.shape[2:]
        cell = maps.reshape(*maps.shape[:2], -1).argmax(-1)
        at = np.stack([cell % width, cell // width], -1)
        return at / (width - 1, height - 1) * scale + center - scale / 2, maps.max((2, 3))


model = ViTPose()

# What the network says of one crop, 240 x 320 px about (160, 190).
rng = np.random.default_rng(0)
cells = rng.uniform([0, 0], [47, 63], (1, 17, 2))
y, x = np.mgrid[:64, :48]
maps = np.exp(-((x - cells[..., 0, None, None]) ** 2 + (y - cells[..., 1, None, None]) ** 2) / 8)
center, scale = np.array([160.0, 190]), np.array([240.0, 320])

truth = cells / (47, 63) * scale + center - scale / 2
for name in ("highest cells", "patched"):
    if name == "patched":
        patch(model)
    keypoints, scores = model.postprocess([maps], center, scale)
    error = np.linalg.norm(keypoints - truth, axis=-1).mean()
    print(f"{name}: keypoints {keypoints.shape}, scores {scores.shape}, mean error {error:.3f} px")
