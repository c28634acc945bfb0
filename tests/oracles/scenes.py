"""Random ground truth and predictions that go wrong in every way."""

import numpy as np

from refine.poses import ImageRef, Poses
from refine.skeletons import skeleton

BODY = skeleton("coco17")


def make_scene(seed: int, images: int = 12, *, complete: bool = False) -> tuple[dict, Poses]:
    """Make COCO annotations, with crowds and unlabelled persons among them, and predictions."""
    rng = np.random.default_rng(seed)
    annotations, xy, image, score = [], [], [], []
    for i in range(images):
        for _ in range(rng.integers(0, 5)):
            size = rng.uniform(20, 150)
            person = (rng.uniform(0, 300, 2) + rng.uniform(0, size, (17, 2))).round()
            flags = rng.choice([0, 1, 2], 17, p=[0.2, 0.2, 0.6])
            sort = rng.choice(["person", "bare", "crowd"], p=[0.8, 0.1, 0.1])
            flags = flags if sort == "person" else np.zeros(17, int)
            low = person.min(0)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": i,
                    "category_id": 1,
                    "keypoints": np.c_[person * (flags > 0)[:, None], flags].ravel().tolist(),
                    "num_keypoints": int((flags > 0).sum()),
                    "bbox": [*low.tolist(), *(person.max(0) - low).tolist()],
                    "area": float(size**2 * 0.6),
                    "iscrowd": int(sort == "crowd"),
                }
            )
            for _ in range(rng.integers(0, 3)):
                moved = person[BODY.mirror] if rng.random() < 0.2 else person
                moved = moved + rng.normal(size=(17, 2)) * size * rng.choice([0.01, 0.05, 0.3])
                if not complete:
                    moved[rng.random(17) < 0.15] = np.nan
                xy.append(moved)
                image.append(i)
                score.append(round(rng.uniform(), 1))
        if rng.random() < 0.5:
            xy.append(rng.uniform(0, 300, (17, 2)))
            image.append(i)
            score.append(round(rng.uniform(), 1))
    gt = {
        "images": [{"id": i} for i in range(images)],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "person", "keypoints": list(BODY.joints)}],
    }
    order = rng.permutation(len(xy))
    poses = Poses.from_arrays(
        BODY,
        np.array(xy)[order],
        instance_score=np.array(score)[order],
        image=np.array(image)[order],
        images=[ImageRef(i) for i in range(images)],
    )
    return gt, poses
