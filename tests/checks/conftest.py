"""Good predictions, a way of checking them, and ways of spoiling them."""

import json

import numpy as np
import pytest

import refine
from refine.checks import check
from refine.sample import make_people
from refine.skeletons import skeleton

COCO = skeleton("coco17")
SIZE = (640, 480)


@pytest.fixture(scope="module")
def clean():
    """Truth of a few dozen people on 14 images, and good predictions of them as COCO rows."""
    rng = np.random.default_rng(3)
    truth, _ = make_people(14, rng)
    noisy = truth.xy + rng.normal(0, 1, truth.xy.shape)
    rows = []
    for i in range(len(truth)):
        joints = np.c_[noisy[i], rng.uniform(0.3, 1, 17)]
        joints[~truth.present[i]] = 0
        if truth.present[i].sum() < 3:
            continue
        rows.append(
            {
                "image_id": truth.images[truth.image[i]].id,
                "category_id": 1,
                "keypoints": joints.ravel().tolist(),
                "score": float(rng.uniform(0.2, 1)),
            }
        )
    assert len(rows) > 20
    return truth, rows


@pytest.fixture
def found(clean, tmp_path):
    """Check rows: the findings by name."""
    truth, _ = clean
    refine.write(truth, tmp_path / "gt.json", "coco-gt")

    def go(rows, *, gt=True, **options):
        (tmp_path / "pred.json").write_text(json.dumps(rows))
        against = tmp_path / "gt.json" if gt else None
        return {f.name: f for f in check(tmp_path / "pred.json", against, **options)}

    return go


def moved(rows, change):
    """Rows whose joints (K, 3), where present, are changed by a function of joints and row."""
    out = []
    for row in rows:
        joints = np.array(row["keypoints"]).reshape(-1, 3)
        new = change(joints.copy(), row)
        gone = (joints[:, :2] == 0).all(1)[: len(new)]
        new[gone & (new[:, 2] == 0)] = 0
        out.append({**row, "keypoints": new.ravel().tolist()})
    return out


def with_xy(function):
    """A change of `moved` that replaces the places (K, 2)."""
    return lambda joints, row: np.c_[function(joints[:, :2]), joints[:, 2]]


def sizes(truth):
    return {ref.id: (ref.width, ref.height) for ref in truth.images}


def face(xy):
    """Put eyes and nose where someone has them who looks at the camera."""
    xy = xy.copy()
    xy[0] = np.abs(xy[3]) + np.array([100, 50])
    xy[1], xy[2] = xy[0] + [4, -4], xy[0] + [-4, -4]
    return xy
