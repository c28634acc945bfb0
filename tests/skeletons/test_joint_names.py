"""Names of joints: spellings that mean the same, sides in any place, files that name their own."""

import numpy as np
import pytest

from refine.evaluation.ground_truth import read_ground_truth
from refine.exceptions import SkeletonError
from refine.skeletons import (
    Skeleton,
    read_skeleton,
    skeleton,
    skeleton_from_category,
    skeleton_from_table,
    skeleton_names,
    skeleton_to_table,
)
from refine.skeletons.model import joint_key, split_side

CROWD, AIC = skeleton("crowdpose14"), skeleton("aic14")
COCO = skeleton("coco17")
SPELLINGS = {
    "blanks": lambda j: j.replace("_", " "),
    "dashes": lambda j: j.replace("_", "-"),
    "capitals": lambda j: j.replace("_", " ").title(),
    "camel": lambda j: (t := j.title().replace("_", ""))[0].lower() + t[1:],
    "pascal": lambda j: j.title().replace("_", ""),
    "glued": lambda j: j.replace("_", ""),
    "short": lambda j: j.replace("left", "l").replace("right", "r"),
    "short camel": lambda j: j.replace("left_", "L ").replace("right_", "R ").title(),
    "behind": lambda j: "_".join(reversed(j.split("_"))) if j[:4] in ("left", "righ") else j,
    "short behind": lambda j: (
        f"{j[5:]}.L" if j[:4] == "left" else f"{j[6:]}.R" if "ght_" in j else j
    ),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("body", [COCO, AIC], ids=lambda b: b.name)
def test_spellings_of_shipped_joints(spelling, body):
    names = [SPELLINGS[spelling](j) for j in body.joints]
    assert [joint_key(n) for n in names] == [joint_key(j) for j in body.joints]
    assert skeleton_from_category({"keypoints": names}, "").name == body.name
    own = Skeleton("own", tuple(names))
    assert own.mirror.tolist() == body.mirror.tolist()
    assert own.map_from(body)[0].tolist() == list(range(len(body)))
    shuffled = Skeleton("own", tuple(reversed(names)))
    np.testing.assert_array_equal(shuffled.with_sigmas(body).sigmas, body.sigmas[::-1])


@pytest.mark.parametrize(
    ("name", "side", "rest"),
    [
        ("left_eye", "left", "eye"),
        ("LEye", "left", "eye"),
        ("back left paw", "left", "back_paw"),
        ("hand_right_thumb1", "right", "hand_thumb1"),
        ("lip", "", "lip"),
        ("rib", "", "rib"),
        ("left", "", "left"),
        ("left_right_middle", "", "left_right_middle"),
        ("nose", "", "nose"),
        ("鼻子", "", "鼻子"),
    ],
)
def test_sides(name, side, rest):
    assert split_side(name) == (side, rest)


def test_names_that_agree_but_for_punctuation_stay_apart():
    body = Skeleton("own", ("p1", "p_1", "q"))
    assert body.map_from(body)[0].tolist() == [0, 1, 2]
    assert body.map_from(Skeleton("other", ("p_1", "q")))[0].tolist() == [-1, 0, 1]


def test_shipped_names_are_as_they_were():
    for name in skeleton_names():
        body = skeleton(name)
        sides = {"left_": "right_", "right_": "left_"}
        for i, joint in enumerate(body.joints):
            side = next((s for s in sides if joint.startswith(s)), None)
            other = sides[side] + joint.removeprefix(side) if side else joint
            partner = body.joints.index(other) if other in body.joints else i
            assert body.mirror[i] == partner
            assert body.parts[i] == (joint.removeprefix(side) if side else joint)


@pytest.mark.parametrize("top", ["head", "Head", "head_top", "top_head", "top of head"])
def test_official_crowdpose(top):
    names = [*CROWD.joints[:12], top, "neck"]
    found = skeleton_from_category({"keypoints": names}, "")
    assert found.name == "crowdpose14"
    other = Skeleton("own", (top, *names[:12], "neck"))
    sigmas = other.with_sigmas(CROWD).sigmas
    np.testing.assert_array_equal(sigmas, CROWD.sigmas[[12, *range(12), 13]])


def test_a_table_of_partners(tmp_path):
    table = {"joints": ["a1", "a2", "b"], "mirror": {"a1": "a2"}}
    body = skeleton_from_table(table, "own")
    assert body.mirror.tolist() == [1, 0, 2]
    assert skeleton_from_table(skeleton_to_table(body), "").mirror.tolist() == [1, 0, 2]
    file = tmp_path / "own.toml"
    file.write_text('joints = ["a1", "a2", "b"]\nmirror = [["a2", "a1"]]\n')
    assert read_skeleton(file).mirror.tolist() == [1, 0, 2]
    with pytest.raises(SkeletonError, match="only names out of `joints`"):
        skeleton_from_table(table | {"mirror": {"a1": "c"}}, "own")
    file.write_text('joints = ["a1", "a2"]\nmirror = ["a1", "a2", 3]\n')
    with pytest.raises(SkeletonError, match=r"own.toml"):
        read_skeleton(file)


def truth(names):
    row = {"id": 1, "image_id": 1, "category_id": 1, "keypoints": [5, 6, 2] * len(names)}
    category = {"id": 1, "name": "person", "keypoints": names}
    annotations = [row | {"bbox": [0, 0, 9, 9], "area": 50}]
    return {"images": [{"id": 1}], "annotations": annotations, "categories": [category]}


def test_a_skeleton_asked_for_names_the_joints_of_the_truth():
    foreign = [f"关节{i}" for i in range(14)]
    assert read_ground_truth(truth(foreign), asked=AIC).skeleton == AIC
    assert read_ground_truth(truth(foreign), asked=COCO).skeleton.joints == tuple(foreign)
    # It says nothing against names that tell another order.
    assert read_ground_truth(truth(list(CROWD.joints)), asked=AIC).skeleton == CROWD
    unnamed = truth(foreign)
    unnamed["categories"] = []
    assert read_ground_truth(unnamed, asked=CROWD).skeleton == CROWD
