"""Make the files of a journey in the working folder: ``python make.py KIND``."""

import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image

import refine
from refine.poses import ImageRef
from refine.sample import make_heatmaps, make_people, make_predictions

JOINTS = {
    "crowdpose14": "left_shoulder right_shoulder left_elbow right_elbow left_wrist right_wrist "
    "left_hip right_hip left_knee right_knee left_ankle right_ankle head neck",
    "aic14": "Right Shoulder,Right Elbow,Right Wrist,Left Shoulder,Left Elbow,Left Wrist,Right Hip,"
    "Right Knee,Right Ankle,Left Hip,Left Knee,Left Ankle,Head top,Neck",
}
"""As the official files name them."""


def sample(images, seed=0):
    rng = np.random.default_rng(seed)
    truth, pictures = make_people(images, rng)
    return truth, make_predictions(truth, rng), pictures, rng


def save(name, document):
    Path(name).write_text(json.dumps(document))


def openpose():
    """A folder of --write_json, its frames numbered without zeros, and an empty frame."""
    _, found, _, _ = sample(12)
    refs = tuple(ImageRef(f"frame{i + 1}") for i in range(13))
    refine.write(found.to("openpose25").replace(images=refs), "json/", "openpose")


def mmpose():
    """Heatmaps of crops in .npz, and annotations."""
    truth, _, _, rng = sample(20)
    refine.write(truth, "truth.json", "coco-gt")
    maps = make_heatmaps(truth, rng)
    maps.pop("cells")
    np.savez("heatmaps.npz", **maps)


def fourteen():
    """CrowdPose and AIC: annotations with the official names of joints, and results without."""
    truth, _, _, rng = sample(20)
    for body, names in JOINTS.items():
        persons = truth.to(body)
        # COCO has no top of the head: it is where the nose is.
        top = persons.skeleton.index("head_top")
        persons.xy[:, top] = truth.xy[:, truth.skeleton.index("nose")] - (0, 20)
        persons.score[:, top] = 2.0 * persons.present[:, top]
        found = persons.replace(
            xy=persons.xy + rng.normal(0, 3, persons.xy.shape),
            score=np.full(persons.score.shape, 0.8),
            instance_score=rng.uniform(0.5, 1, len(persons)),
            score_kind="peak",
            extra=(),
            box=None,
            area=None,
        )
        refine.write(persons, f"{body}-truth.json", "coco-gt")
        document = json.loads(Path(f"{body}-truth.json").read_text())
        split = names.split("," if "," in names else " ")
        document["categories"][0] |= {"keypoints": split}
        document["categories"][0].pop("skeleton", None)
        for i, image in enumerate(document["images"]):
            image["crowdIndex"] = (i % 10) / 10
        for row in document["annotations"] if body == "crowdpose14" else ():
            row.pop("area", None)
        save(f"{body}-truth.json", document)
        refine.write(found, f"{body}-pred.json", "coco")


def ultralytics():
    """What `model.val(save_json=True)` writes with conf=0.001: sure poses among hundreds not."""
    truth, found, _, rng = sample(8)
    refine.write(truth, "truth.json", "coco-gt")
    box = np.concatenate([np.nanmin(found.xy, 1), np.nanmax(found.xy, 1)], 1)
    rows = []
    for pose, (x, y, u, v) in zip(found, box.tolist(), strict=True):
        for copy in range(15):
            moved = pose.xy[0] + rng.normal(0, 2 + 3 * copy, (17, 2))
            moved = np.where(np.isfinite(moved), moved, 0)
            score = pose.instance_score[0] * 0.6**copy
            points = np.c_[moved, np.full(17, score)]
            rows.append(
                {
                    "image_id": int(pose.images[pose.image[0]].id),
                    "category_id": 1,
                    "bbox": [x, y, u - x, v - y],
                    "keypoints": points.round(3).ravel().tolist(),
                    "score": round(score, 5),
                }
            )
    save("predictions.json", rows)


def pictures():
    """Pictures, annotations and predictions of them; a folder with half, and one with none."""
    truth, found, arrays, _ = sample(4)
    refine.write(truth, "truth.json", "coco-gt")
    refine.write(found, "predictions.json", "coco")
    for folder in ("all", "half", "none"):
        Path(folder).mkdir()
    for i, (ref, pixels) in enumerate(zip(truth.images, arrays, strict=True)):
        picture = Image.fromarray(pixels).convert("RGB")
        picture.save(Path("all") / ref.file_name)
        if i % 2:
            picture.save(Path("half") / ref.file_name)
    for name in ("holiday.png", "beach.png"):
        picture.save(Path("none") / name)


def library():
    """Predictions and annotations."""
    truth, found, _, _ = sample(6)
    refine.write(truth, "truth.json", "coco-gt")
    refine.write(found, "predictions.json", "coco")


if __name__ == "__main__":
    {f.__name__: f for f in (openpose, mmpose, fourteen, ultralytics, pictures, library)}[
        sys.argv[1]
    ]()
