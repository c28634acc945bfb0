"""Ultralytics: one callback, and every predictor's results are refined.

model = YOLO("yolo11n-pose.pt")
model.add_callback("on_predict_postprocess_end", refined())
"""

from types import SimpleNamespace

import torch

from refine.adapters.ultralytics import refined


class Results:
    """A stand-in for the package's class, which is AGPL: it has what is read and called."""

    orig_shape, path = (480, 640), "frame.jpg"

    def __init__(self, boxes: torch.Tensor, keypoints: torch.Tensor) -> None:
        self.update(boxes, keypoints)

    def update(self, boxes: torch.Tensor, keypoints: torch.Tensor) -> None:
        """Replace what was found."""
        self.boxes, self.keypoints = SimpleNamespace(data=boxes), SimpleNamespace(data=keypoints)

    def __getitem__(self, rows: torch.Tensor) -> "Results":
        return Results(self.boxes.data[rows], self.keypoints.data[rows])


torch.manual_seed(0)
points = torch.cat([torch.rand(3, 17, 2) * 200 + 100, torch.full((3, 17, 1), 0.8)], -1)
points[2], points[0, 9] = points[1], 0  # a duplicate, and a wrist that was not found
boxes = torch.tensor([[90.0, 90, 310, 310, score, 0] for score in (0.9, 0.8, 0.4)])
predictor = SimpleNamespace(results=[Results(boxes, points)])

refined()(predictor)
[result] = predictor.results
print("people:", len(points), "->", len(result.keypoints.data))
print("wrist:", result.keypoints.data[0, 9].tolist())
