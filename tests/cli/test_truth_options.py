"""--skeleton, --sigmas and --category on all verbs that read ground truth."""

import json

import numpy as np
import pytest

from refine.skeletons import skeleton

OWN = [f"joint {i}" for i in range(17)]
AIC = skeleton("aic14")
N = 12


@pytest.fixture
def desk(tmp_path):
    rng = np.random.default_rng(0)
    xy = rng.uniform(0, 200, (N, 17, 2)).round()

    def write(name, joints, **fields):
        """Write ground truth and results of one K; categories are (id, name, joints)."""
        k = len(joints[0][2])
        ids = [c[0] for c in joints]
        rows = [
            {
                "id": i + 1,
                "image_id": i,
                "category_id": ids[i % len(ids)],
                "keypoints": np.c_[xy[i, :k], np.full(k, 2)].ravel().tolist(),
                "bbox": [0, 0, 200, 200],
                "area": 20000.0,
            }
            for i in range(N)
        ]
        gt = {
            "images": [{"id": i, "width": 200, "height": 200} for i in range(N)],
            "annotations": rows,
            "categories": [{"id": i, "name": n, "keypoints": j} for i, n, j in joints],
        }
        found = [
            {
                "image_id": i,
                "category_id": rows[i]["category_id"],
                "keypoints": np.c_[xy[i, :k] + 1, np.full(k, 0.9)].ravel().tolist(),
                "score": 0.5,
                **fields,
            }
            for i in range(N)
        ]
        (tmp_path / f"{name}.gt.json").write_text(json.dumps(gt))
        (tmp_path / f"{name}.json").write_text(json.dumps(found))
        return tmp_path / f"{name}.json", "--gt", tmp_path / f"{name}.gt.json"

    return write


VERBS = {"eval": (), "diagnose": (), "stats": ("-o", "-")}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    ("joints", "more"),
    [
        ([(1, "person", OWN)], ("--sigmas", "0.05")),
        ([(1, "person", OWN)], ("--skeleton", "coco17")),
        ([(1, "person", OWN)], ("--skeleton", "h36m17", "--sigmas", "0.05")),
        ([(1, "person", [j.replace("_", " ").title() for j in AIC.joints])], ()),
        ([(1, "person", list(AIC.joints))], ("--sigmas", "crowdpose14")),
        ([(1, "person", OWN), (2, "dog", OWN[::-1])], ("--category", "dog", "--sigmas", "0.1")),
        ([(1, "person", OWN), (2, "dog", OWN[::-1])], ("--category", "1", "--sigmas", "0.1")),
    ],
)
def test_every_verb_takes_them(cli, desk, verb, joints, more):
    result = cli(verb, *desk("a", joints), *more, *VERBS[verb])
    assert result.code == 0, result.err
    if verb == "eval":
        assert float(result.out.splitlines()[1].split()[2]) == 1.0


def test_calibrate_takes_them(cli, desk, tmp_path):
    joints = [(1, "person", [j.replace("_", " ") for j in skeleton("coco17").joints])]
    where = desk("a", [*joints, (2, "dog", OWN)])
    more = ("--category", "person", "-o", tmp_path / "c.json", "--sigmas", "0.1", "--json")
    assert "10" in cli("calibrate", *where, *more).err
    assert "--category with one of them" in cli("calibrate", *where, "-o", "-").err


@pytest.mark.parametrize("joints", [OWN, list(reversed(skeleton("coco17").joints))])
def test_results_have_the_joints_of_the_truth(cli, desk, joints):
    """Not those of COCO, which has as many, nor those of the first name that fits."""
    where = desk("a", [(1, "person", joints)])
    report = json.loads(cli("eval", *where, "--sigmas", "0.05", "--json").out)
    assert report[str(where[0])]["metrics"]["AP50"] == 1.0


def test_five_joints(cli, desk):
    where = desk("a", [(1, "person", OWN[:5])])
    assert cli("eval", *where, "--sigmas", "0.05").code == 0
    refused = cli("eval", *where)
    assert refused.code == 3
    assert "one number" in refused.err


def test_no_hint_by_alphabet(cli, desk):
    where = desk("a", [(1, "person", OWN[:14])])
    result = cli("convert", where[0], "-o", "-")
    assert result.code == 3
    assert "--skeleton aic14" not in result.err
    assert "--skeleton with the one in whose order the joints are" in result.err


def test_a_skeleton_of_another_order_speaks_of_the_poses(cli, desk, tmp_path):
    where = desk("a", [(1, "person", list(AIC.joints))])
    plain = cli("eval", *where, "--json")
    rows = json.loads(where[0].read_text())
    crowd = skeleton("crowdpose14")
    order = np.array([AIC.index(j) for j in crowd.joints])
    for row in rows:
        row["keypoints"] = np.reshape(row["keypoints"], (-1, 3))[order].ravel().tolist()
    where[0].write_text(json.dumps(rows))
    turned = cli("eval", *where, "--skeleton", "crowdpose14", "--json")
    assert "has joints of its own, aic14; those of the poses are crowdpose14" in turned.err
    both = [json.loads(r.out)[str(where[0])]["metrics"] for r in (plain, turned)]
    assert both[0] == both[1]


@pytest.mark.parametrize("value", ["-1", "0", "nan", "inf", "absent"])
def test_bad_sigmas(cli, desk, value):
    result = cli("eval", *desk("a", [(1, "person", OWN)]), "--sigmas", value)
    assert result.code == 3


def test_what_does_not_count_is_told_by_every_verb(cli, desk):
    where = desk("a", [(1, "person", OWN)])
    gt = json.loads(where[2].read_text())
    gt["annotations"][3]["area"] = 0
    where[2].write_text(json.dumps(gt))
    for verb in ("eval", "diagnose"):
        result = cli(verb, *where, "--sigmas", "0.1", "--json")
        assert "have an area of 0 or less" in result.err
        (report,) = json.loads(result.out).values()
        assert any("have an area of 0 or less" in text for text in report["warnings"])
    result = cli("stats", *where, "--sigmas", "0.1", "-o", "-", "--json")
    assert result.err.count("have an area of 0 or less") == 2
