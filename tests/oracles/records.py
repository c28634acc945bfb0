"""Files of the COCO kind, made by hand: predictions of one person, and ground truth."""

import json

import numpy as np

from refine.skeletons import skeleton

STANDING = 2.0 * np.array(
    [
        (50, 10), (53, 7), (47, 7), (57, 9), (43, 9), (65, 30), (35, 30), (72, 55), (28, 55),
        (75, 78), (25, 78), (60, 85), (40, 85), (62, 120), (38, 120), (63, 155), (37, 155),
    ]
)  # fmt: skip
MISSING = (9, 10)


def keypoints(x=0.0, missing=MISSING, scores=None, body=STANDING):
    """A person standing at x, as COCO writes it; scores fall from joint to joint."""
    c = np.linspace(0.9, 0.5, len(body)) if scores is None else scores
    points = np.c_[body + np.array([x, 0]), c].round(4)
    points[list(missing)] = 0
    return points.ravel().tolist()


def row(image_id=7, x=0.0, missing=MISSING, **fields):
    given = {"keypoints": keypoints(x, missing), "score": 0.8}
    return {"image_id": image_id, "category_id": 1, **given, **fields}


def points(record):
    """Keypoints of a record: (K, 3)."""
    return np.array(record["keypoints"]).reshape(-1, 3)


def store(folder, value, name="pred.json"):
    """Write text or a document to a file of a folder."""
    file = folder / name
    file.write_text(value if isinstance(value, str) else json.dumps(value))
    return file


def ground_truth(xy, size, ids=None, **fields):
    """One annotated COCO person per image, in a box of size px, with fields of his own."""
    ids = range(len(xy)) if ids is None else ids
    annotations = [
        {
            "id": i + 1,
            "image_id": image_id,
            "category_id": 1,
            "keypoints": np.c_[person, np.full(17, 2)].ravel().tolist(),
            "num_keypoints": 17,
            "bbox": [0, 0, size, size],
            "area": size**2 / 2,
            "iscrowd": 0,
            **fields,
        }
        for i, (image_id, person) in enumerate(zip(ids, xy, strict=True))
    ]
    return {
        "images": [{"id": i} for i in ids],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "person", "keypoints": list(skeleton("coco17").joints)}],
    }
