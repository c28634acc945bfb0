"""What checks say of real files: nothing of clean ones, and the shift of a real mistake."""

import json

import numpy as np
import pytest

import refine
from refine.checks import check
from refine.skeletons import skeleton

CLEAN = (
    "posenet-coral__val",
    "pp-tinypose-256x192__val_gtbox_dark",
    "yolo11n-pose-640__val_conf25",
)


@pytest.mark.parametrize("name", CLEAN)
def test_real_files_are_clean(data, name):
    folder = data / "coco"
    found = check(
        data / f"predictions/{name}.json", folder / "images_val_gt.json", folder / "images"
    )
    assert found == []


def test_a_mirrored_average_without_its_shift(data, tmp_path):
    """PP-TinyPose's maps of both passes, averaged as they are: 3/8 of a cell to the left."""
    mirror, rows = skeleton("coco17").mirror, []
    for path in sorted((data / "raw/pp-tinypose-256x192").glob("*.npz")):
        raw = np.load(path)
        back = raw["heatmaps_flipped_input"][..., ::-1][:, mirror]
        maps = (raw["heatmaps"].astype(np.float64) + back) / 2
        xy, score = refine.decoding.decode_heatmaps(maps)
        for affine, cells, of in zip(raw["affine_image_to_input"], xy, score, strict=True):
            places = (4 * cells - affine[:, 2]) / np.diag(affine[:, :2])
            joints = np.c_[places, of].ravel().tolist()
            row = {"image_id": int(path.stem), "category_id": 1, "score": float(of.mean())}
            rows.append({**row, "keypoints": joints})
    (tmp_path / "pred.json").write_text(json.dumps(rows))
    (found,) = check(tmp_path / "pred.json", data / "coco/images_val_gt.json")
    assert found.name == "shift"
    assert found.figures["x_cells"] == pytest.approx(-0.36, abs=0.05)
    assert abs(found.figures["y_cells"]) < 0.1
