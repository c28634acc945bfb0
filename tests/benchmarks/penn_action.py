"""Write Penn Action's hand-labelled tracks as COCO annotations, for `refine train --video`.

Usage: python tests/benchmarks/penn_action.py DATA OUT.json

DATA is the folder of the evaluation data, which is not part of the project. The videos that
`motion.py` measures on, every twelfth from the seventh, are left out.
"""

import argparse
import json
from pathlib import Path

import numpy as np

import refine

HELD_OUT = 6
"""Of every twelve, `motion.py`'s."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("output", type=Path)
    options = parser.parse_args()
    body = refine.skeleton("pennaction13")
    with np.load(options.data / "penn_action/penn_action_dev.npz") as file:
        offsets, xy, shown = (file[n] for n in ("video_offsets", "xy", "visible"))
    images, annotations = [], []
    for v in range(len(offsets) - 1):
        if v % 12 == HELD_OUT:
            continue
        for frame, row in enumerate(range(offsets[v], offsets[v + 1])):
            number = len(images) + 1
            images.append({"id": number, "frame_id": frame, "vid_id": v})
            flags = np.where(shown[row], 2, 1)[:, None]
            annotations.append(
                {
                    "id": number,
                    "image_id": number,
                    "category_id": 1,
                    "track_id": v,
                    "keypoints": np.hstack([xy[row].round(2), flags]).ravel().tolist(),
                }
            )
    category = {"id": 1, "name": "person", "keypoints": list(body.joints)}
    table = {"images": images, "annotations": annotations, "categories": [category]}
    options.output.write_text(json.dumps(table))


if __name__ == "__main__":
    main()
