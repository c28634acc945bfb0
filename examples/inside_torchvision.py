"""torchvision: the outputs of Keypoint R-CNN, refined and without duplicates.

The decoder of its heads can be swapped as well; the same joints come out several times faster:
    torchvision.models.detection.roi_heads.keypointrcnn_inference = keypointrcnn_inference
"""

import torch

import refine
from refine.adapters.torchvision import from_poses, keypointrcnn_inference, to_poses

# What the heads of one image say of three boxes, the last of which is the second again.
torch.manual_seed(0)
boxes = torch.tensor([[20.0, 30, 90, 210], [150, 40, 230, 220], [151, 40, 230, 221]])
logits = torch.nn.functional.interpolate(torch.randn(3, 17, 7, 7), size=(56, 56), mode="bicubic")
logits[2] = logits[1]
[keypoints], [scores] = keypointrcnn_inference(logits, [boxes])

# What `model(images)` returns.
output = {
    "boxes": boxes,
    "labels": torch.ones(3, dtype=torch.int64),
    "scores": torch.tensor([0.99, 0.98, 0.6]),
    "keypoints": keypoints,
    "keypoints_scores": scores,
}
[better] = from_poses(refine.run(to_poses([output])))
print("people:", len(output["boxes"]), "->", len(better["boxes"]))
print("their joints:", tuple(better["keypoints"].shape))
