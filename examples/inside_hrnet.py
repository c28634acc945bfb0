"""HRNet and its many forks: one import changes, the calls stay.

- from core.inference import get_final_preds
+ from refine.adapters.hrnet import get_final_preds
"""

from types import SimpleNamespace

import numpy as np

import refine
from refine.adapters.hrnet import get_final_preds

# What `validate` of HRNet's lib/core/function.py holds: the config, maps, and the crops' c and s.
config = SimpleNamespace(TEST=SimpleNamespace(POST_PROCESS=True))
rng = np.random.default_rng(0)
cells = rng.uniform([0, 0], [47, 63], (2, 17, 2))
y, x = np.mgrid[:64, :48]
maps = np.exp(-((x - cells[..., 0, None, None]) ** 2 + (y - cells[..., 1, None, None]) ** 2) / 8)
c, s = np.array([[160.0, 190], [360, 200]]), np.array([[1.2, 1.6], [1.35, 1.8]])

truth = (cells - [24, 32]) * (200 * s / [48, 64])[:, None] + c[:, None]
for method in ("quarter", "fit"):  # as HRNet has it; the default
    preds, maxvals = get_final_preds(config, maps, c, s, method=method)
    print(f"{method}: mean error {np.linalg.norm(preds - truth, axis=-1).mean():.3f} px")

poses = refine.Poses.from_arrays(
    refine.skeleton("coco17"), preds, maxvals[..., 0], instance_score=maxvals.mean((1, 2))
)
print("refined:", len(refine.run(poses)), "poses")
