"""Transformers: VitPose results with all joints, the right box, and poses to refine.

- results = processor.post_process_pose_estimation(outputs, boxes=boxes)
+ results = post_process_pose_estimation(outputs, boxes)
"""

import torch
from transformers import VitPoseBackboneConfig, VitPoseConfig, VitPoseForPoseEstimation

import refine
from refine.adapters.transformers import from_poses, post_process_pose_estimation, to_poses

# A network of random weights; yours comes from VitPoseForPoseEstimation.from_pretrained(...).
torch.manual_seed(0)
backbone = VitPoseBackboneConfig(
    image_size=[256, 192], hidden_size=32, num_hidden_layers=1, num_attention_heads=2
)
model = VitPoseForPoseEstimation(VitPoseConfig(backbone_config=backbone, num_labels=17)).eval()
boxes = [[[100.0, 50, 120, 280], [300, 60, 120, 290]]]  # one image, two people, x y w h
with torch.no_grad():
    outputs = model(torch.randn(2, 3, 256, 192))

results = post_process_pose_estimation(outputs, boxes, threshold=0.0)
for person in results[0]:
    print(tuple(person["keypoints"].shape), "in", person["bbox"].tolist())

better = from_poses(refine.run(to_poses(results)))
print("refined:", [len(people) for people in better])
