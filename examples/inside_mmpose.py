"""MMPose 1.x: a built model, or a config, gets our decoder in one line.

model.head.decoder = RefineCodec(model.head.decoder)
cfg.model.head.decoder = dict(type="refine.adapters.mmpose.RefineCodec", codec=codec)
"""

import numpy as np
from mmpose.codecs import MSRAHeatmap
from mmpose.registry import KEYPOINT_CODECS

from refine.adapters.mmpose import RefineCodec

codec = {"type": "MSRAHeatmap", "input_size": (192, 256), "heatmap_size": (48, 64), "sigma": 2.0}
theirs: MSRAHeatmap = KEYPOINT_CODECS.build({**codec, "unbiased": True})
ours = KEYPOINT_CODECS.build({"type": "refine.adapters.mmpose.RefineCodec", "codec": codec})
assert isinstance(ours, RefineCodec)

# Targets of people who touch the border of their crops, decoded again.
rng = np.random.default_rng(0)
truth = rng.uniform([0, 0], [188, 252], (8, 1, 17, 2))
for name, decoder in (("MSRAHeatmap, DARK", theirs), ("RefineCodec", ours)):
    maps = [theirs.encode(t, np.ones((1, 17)))["heatmaps"] for t in truth]
    found = np.array([decoder.decode(m)[0] for m in maps])
    print(f"{name}: mean error {np.linalg.norm(found - truth, axis=-1).mean():.3f} px")
