"""PCKh: counting, matching poses to persons, and the published figure."""

import numpy as np
import pytest

from refine.evaluation.pck import evaluate_pckh, pckh
from refine.exceptions import ArrayError, FormatError
from refine.poses import ImageRef, Poses
from refine.skeletons import skeleton

MPII = skeleton("mpii16")


def truth(persons=((1, 1), (2, 2), (3, 2)), head=10.0):
    keypoints = np.c_[np.full((16, 2), 100.0), np.full(16, 2)]
    keypoints[15] = 0
    return {
        "images": [{"id": 1}, {"id": 2}],
        "annotations": [
            {
                "id": ann,
                "image_id": image,
                "category_id": 1,
                "keypoints": keypoints.ravel().tolist(),
                "bbox": [0, 0, 200, 200],
                "area": 40000,
                "head_size": head,
            }
            for ann, image in persons
        ],
        "categories": [{"id": 1, "keypoints": list(MPII.joints)}],
    }


def poses(offsets, ann_ids, images):
    xy = np.full((len(offsets), 16, 2), 100.0)
    xy[..., 0] += np.array(offsets)[:, None]
    found = Poses.from_arrays(MPII, xy, image=images, images=[ImageRef(1), ImageRef(2)])
    return found.replace(extra=tuple({} if a is None else {"ann_id": a} for a in ann_ids))


def test_counts_against_a_plain_loop():
    rng = np.random.default_rng(0)
    gt, dt = rng.uniform(0, 50, (2, 5, 4, 2))
    dt[1, 1] = np.nan
    visible, head = rng.random((5, 4)) < 0.7, rng.uniform(20, 60, 5)
    right, labelled = pckh(gt, visible, dt, head)
    for q in range(4):
        rows = [i for i in range(5) if visible[i, q]]
        near = [np.hypot(*(gt[i, q] - dt[i, q])) <= 0.5 * head[i] for i in rows]
        assert (right[q], labelled[q]) == (sum(near), len(rows))


def test_poses_find_their_persons():
    report = evaluate_pckh(truth(), poses([0, 4.9, 5.1], [None, 3, 2], [0, 1, 1]))
    assert report.mean == pytest.approx(2 / 3)
    assert "pelvis" not in report.joints
    assert "thorax" not in report.joints
    assert np.isnan(report.joints["left_wrist"])
    assert report.to_dict()["metrics"] == {"PCKh@0.5": report.mean}
    missing = evaluate_pckh(truth(), poses([0], [1], [0]))
    assert (missing.mean, missing.poses, missing.persons) == (pytest.approx(1 / 3), 1, 3)
    assert evaluate_pckh(truth(), poses([0], [1], [0]), image_ids=[1]).mean == 1.0
    assert evaluate_pckh(truth(), poses([6], [1], [0]), threshold=0.7).joints["head_top"] > 0


def test_what_is_refused():
    with pytest.raises(FormatError, match=r"pose 0: expected an `ann_id`.*got None, and 2 persons"):
        evaluate_pckh(truth(), poses([0], [None], [1]))
    with pytest.raises(FormatError, match=r"pose 0: expected an `ann_id`.*got 9"):
        evaluate_pckh(truth(), poses([0], [9], [1]))
    with pytest.raises(FormatError, match="pose 1: expected one pose for person 2, got a second"):
        evaluate_pckh(truth(), poses([0, 0], [2, 2], [1, 1]))
    with pytest.raises(FormatError, match="head_size"):
        evaluate_pckh(truth(head=0), poses([0], [1], [0]))
    with pytest.raises(ArrayError, match="positive head sizes"):
        pckh(np.zeros((1, 2, 2)), np.ones((1, 2), bool), np.zeros((1, 2, 2)), np.zeros(1))
    with pytest.raises(ArrayError, match=r"two \(N, K, 2\)"):
        pckh(np.zeros((1, 2, 2)), np.ones((1, 3), bool), np.zeros((1, 2, 2)), np.ones(1))


def test_stacked_hourglass(data):
    from refine.formats import read

    found = read(data / "mpii" / "stacked-hourglass__valid_dev.json", skeleton="mpii16")
    report = evaluate_pckh(data / "mpii" / "valid_dev_gt.json", found)
    assert round(report.mean, 4) == 0.8771
