"""supervision: `KeyPoints` of any model it knows, refined and without duplicates."""

import numpy as np
import supervision as sv

import refine
from refine.adapters.supervision import from_poses, to_poses

# What sv.KeyPoints.from_ultralytics(result), from_mediapipe(...) and so on give.
rng = np.random.default_rng(0)
xy = rng.uniform(100, 300, (3, 17, 2)).astype(np.float32)
confidence = rng.uniform(0.5, 1, (3, 17)).astype(np.float32)
xy[2] = xy[1] + 0.5  # a duplicate
xy[0, 9], confidence[0, 9] = 0, 0  # a wrist that was not found
key_points = sv.KeyPoints(
    xy,
    class_id=np.zeros(3, int),
    keypoint_confidence=confidence,
    detection_confidence=np.array([0.9, 0.8, 0.4], np.float32),
)

[better] = from_poses(refine.run(to_poses(key_points)))
print("people:", len(key_points), "->", len(better))
print("wrist:", key_points.xy[0, 9].tolist(), "->", better.xy[0, 9].tolist())
