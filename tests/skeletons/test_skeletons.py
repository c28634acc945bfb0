"""Skeletons: shipped tables against published index vectors, files, and what is refused."""

import json

import numpy as np
import pytest

import refine
from refine.exceptions import SkeletonError
from refine.skeletons import REGIONS, skeleton, skeleton_from_category, skeleton_names

SIZES = {
    "aic14": 14,
    "coco17": 17,
    "crowdpose14": 14,
    "h36m17": 17,
    "halpe136": 136,
    "halpe26": 26,
    "hand21": 21,
    "lsp14": 14,
    "mediapipe33": 33,
    "mpi15": 15,
    "mpii16": 16,
    "openpose18": 18,
    "openpose25": 25,
    "openpose25b": 25,
    "pennaction13": 13,
    "posetrack18": 17,
    "wholebody133": 133,
}
NO_HEAD = [-1] * 5
# Which joint of the source feeds each COCO joint; BODY_25 and COCO-18 as in cocoJsonSaver.cpp.
TO_COCO = {
    "openpose25": [0, 16, 15, 18, 17, 5, 2, 6, 3, 7, 4, 12, 9, 13, 10, 14, 11],
    "openpose18": [0, 15, 14, 17, 16, 5, 2, 6, 3, 7, 4, 11, 8, 12, 9, 13, 10],
    "mpi15": [*NO_HEAD, 5, 2, 6, 3, 7, 4, 11, 8, 12, 9, 13, 10],
    "openpose25b": list(range(17)),
    "halpe26": list(range(17)),
    "halpe136": list(range(17)),
    "wholebody133": list(range(17)),
    "mediapipe33": [0, 2, 5, 7, 8, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28],
    "mpii16": [*NO_HEAD, 13, 12, 14, 11, 15, 10, 3, 2, 4, 1, 5, 0],
    "crowdpose14": [*NO_HEAD, *range(12)],
    "aic14": [*NO_HEAD, 3, 0, 4, 1, 5, 2, 9, 6, 10, 7, 11, 8],
    "h36m17": [*NO_HEAD, 11, 14, 12, 15, 13, 16, 4, 1, 5, 2, 6, 3],
    "posetrack18": [0, -1, -1, *range(3, 17)],
    "lsp14": [*NO_HEAD, 9, 8, 10, 7, 11, 6, 3, 2, 4, 1, 5, 0],
    "pennaction13": [*NO_HEAD, *range(1, 13)],
}
FLIPS = {
    "openpose25": "0 1 5 6 7 2 3 4 8 12 13 14 9 10 11 16 15 18 17 22 23 24 19 20 21",
    "openpose18": "0 1 5 6 7 2 3 4 11 12 13 8 9 10 15 14 17 16",
    "mediapipe33": "0 4 5 6 1 2 3 8 7 10 9 12 11 14 13 16 15 18 17 20 19 22 21 24 23 26 25 28 27"
    " 30 29 32 31",
    "mpii16": "5 4 3 2 1 0 6 7 8 9 15 14 13 12 11 10",
    "crowdpose14": "1 0 3 2 5 4 7 6 9 8 11 10 12 13",
    "aic14": "3 4 5 0 1 2 9 10 11 6 7 8 12 13",
    "h36m17": "0 4 5 6 1 2 3 7 8 9 10 14 15 16 11 12 13",
    "halpe26": "0 2 1 4 3 6 5 8 7 10 9 12 11 14 13 16 15 17 18 19 21 20 23 22 25 24",
}
FACE_FLIP = (
    "16 15 14 13 12 11 10 9 8 7 6 5 4 3 2 1 0 26 25 24 23 22 21 20 19 18 17 27 28 29 30"
    " 35 34 33 32 31 45 44 43 42 47 46 39 38 37 36 41 40 54 53 52 51 50 49 48 59 58 57 56 55"
    " 64 63 62 61 60 67 66 65"
)


def test_every_skeleton_ships_under_its_own_name_with_its_size():
    assert {name: len(skeleton(name)) for name in skeleton_names()} == SIZES
    for name in skeleton_names():
        table = skeleton(name)
        assert table.name == name
        assert table.source
        assert table.edges
        assert set(table.regions) <= set(REGIONS)
        assert sorted(table.mirror[table.mirror]) == list(range(len(table)))
        assert {j[:5] for j in np.array(table.joints)[table.mirror != np.arange(len(table))]} <= {
            "left_",
            "right",
        }


def test_every_sided_joint_has_its_partner():
    for name in skeleton_names():
        table = skeleton(name)
        sided = [j.startswith(("left_", "right_")) for j in table.joints]
        np.testing.assert_array_equal(sided, table.mirror != np.arange(len(table)), name)


@pytest.mark.parametrize("name", TO_COCO)
def test_coco_is_fed_by_name(name):
    assert skeleton("coco17").map_from(skeleton(name))[0].tolist() == TO_COCO[name]


@pytest.mark.parametrize("name", FLIPS)
def test_mirror(name):
    assert " ".join(map(str, skeleton(name).mirror)) == FLIPS[name]


def test_mirror_of_whole_body():
    mirror = skeleton("wholebody133").mirror
    assert mirror[17:23].tolist() == [20, 21, 22, 17, 18, 19]
    assert " ".join(map(str, mirror[23:91] - 23)) == FACE_FLIP
    assert mirror[91:112].tolist() == list(range(112, 133))
    assert mirror[112:].tolist() == list(range(91, 112))


def test_from_coco_outward_leaves_derived_joints_to_be_recomputed():
    coco = skeleton("coco17")
    index, quality = skeleton("openpose18").map_from(coco)
    assert index.tolist() == [0, -1, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3]
    assert quality[1] == "none"
    body = skeleton("openpose25").map_from(coco)[0]
    assert body[:19].tolist() == [0, -1, 6, 8, 10, 5, 7, 9, -1, *index[8:]]
    feet = skeleton("openpose25").map_from(skeleton("wholebody133"))[0][19:]
    assert feet.tolist() == [17, 18, 19, 20, 21, 22]
    halpe = skeleton("halpe26").map_from(skeleton("wholebody133"))[0]
    assert halpe.tolist() == [*range(17), -1, -1, -1, 17, 20, 18, 21, 19, 22]


def test_body25_to_halpe26():
    index, quality = skeleton("halpe26").map_from(skeleton("openpose25"))
    assert index[:17].tolist() == TO_COCO["openpose25"]
    assert index[17:].tolist() == [-1, 1, 8, 19, 22, 20, 23, 21, 24]
    assert quality[17:20] == ("none", "near", "near")


@pytest.mark.parametrize(
    ("source", "head", "neck"),
    [("mpii16", 9, 8), ("aic14", 12, 13), ("crowdpose14", 12, 13), ("posetrack18", 2, -1)],
)
def test_heads_and_necks_are_near_at_best(source, head, neck):
    halpe = skeleton("halpe26")
    index, quality = halpe.map_from(skeleton(source))
    assert index[17:20].tolist() == [head, neck, -1]
    assert quality[17] == "near"
    assert quality[18] == ("none" if neck < 0 else "near")


def test_hips_of_mpii_are_near_and_its_thorax_goes_nowhere():
    quality = skeleton("coco17").map_from(skeleton("mpii16"))[1]
    assert quality == ("none",) * 5 + ("exact",) * 6 + ("near",) * 2 + ("exact",) * 4
    fed = set(skeleton("openpose25").map_from(skeleton("mpii16"))[0].tolist())
    assert not fed & {6, 7, 8}


def test_a_skeleton_maps_onto_itself():
    for name in skeleton_names():
        table = skeleton(name)
        assert table.map_from(table)[0].tolist() == list(range(len(table)))


def test_sigmas_are_kept_by_name():
    coco = skeleton("coco17")
    assert coco.require_sigmas()[[0, 11]].tolist() == [0.026, 0.107]
    for name in ("openpose18", "openpose25", "halpe26", "wholebody133", "crowdpose14"):
        table = skeleton(name)
        index = table.map_from(coco)[0]
        np.testing.assert_array_equal(table.sigmas[index >= 0], coco.sigmas[index[index >= 0]])
    whole = skeleton("wholebody133").require_sigmas()
    assert whole[[17, 22, 23, 90, 91, 132]].tolist() == [0.068, 0.094, 0.042, 0.008, 0.029, 0.031]
    assert skeleton("aic14").require_sigmas()[-1] == 0.01236173


@pytest.mark.parametrize("name", ["openpose18", "lsp14"])
def test_missing_sigmas_are_said_not_made_up(name):
    with pytest.raises(SkeletonError, match="sigmas for every joint"):
        skeleton(name).require_sigmas()


def test_public_name_is_function_and_module():
    assert refine.skeleton("coco17") == refine.skeletons.skeleton("coco17")


TABLE = {"joints": ["tip", "left_wing", "right_wing"], "edges": [["tip", "left_wing"]]}


def test_files(tmp_path):
    toml = tmp_path / "bird.toml"
    toml.write_text(
        'joints = ["tip", "left_wing", "right_wing"]\nedges = [["tip", "left_wing"]]\n'
        "[sigmas]\ntip = 0.05\n"
    )
    bird = skeleton(toml)
    assert bird.name == "bird"
    assert bird.edges == ((0, 1),)
    assert bird.mirror.tolist() == [0, 2, 1]
    np.testing.assert_array_equal(bird.sigmas, [0.05, np.nan, np.nan])
    written = tmp_path / "bird.json"
    written.write_text(json.dumps({**TABLE, "name": "kite"}))
    assert skeleton(str(written)).name == "kite"
    assert skeleton(written) == bird


def test_coco_categories(tmp_path):
    coco = skeleton("coco17")
    file = tmp_path / "gt.json"
    file.write_text(json.dumps({"categories": [{"id": 1, "keypoints": list(coco.joints)}]}))
    assert skeleton(file) is coco
    own = skeleton_from_category({"keypoints": ["a", "b"], "skeleton": [[1, 2]]}, "own")
    assert own.edges == ((0, 1),)
    assert own.sigmas is None
    # CrowdPose files carry edges of COCO's seventeen joints.
    assert (
        skeleton_from_category({"keypoints": ["a", "b"], "skeleton": [[16, 14]]}, "x").edges == ()
    )


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"joints": []}, "at least one joint"),
        ({"joints": "nose"}, "list of names `joints`"),
        ({"joints": ["a", "a"]}, "unique joint names"),
        ({**TABLE, "edges": [["tip", "tail"]]}, "got 'tail'"),
        ({**TABLE, "sigmas": {"tip": -1}}, "positive sigma for 'tip', got -1"),
        ({**TABLE, "sigmas": {"tail": 0.1}}, "got 'tail'"),
        ({**TABLE, "regions": {"wings": ["tip"]}}, "region out of"),
        ({**TABLE, "derived": {"tip": ["tail"]}}, "got 'tail'"),
        ({**TABLE, "near": ["tail"]}, "got 'tail'"),
        ({"categories": [{"id": 1}]}, "one category with `keypoints`, got 0"),
        ([1], "expected a table"),
        ({**TABLE, "edges": [1]}, "a skeleton table"),
        ({**TABLE, "edges": [["tip"]]}, "a skeleton table"),
        ({**TABLE, "sigmas": [0.1]}, "a skeleton table"),
    ],
)
def test_files_that_are_no_skeletons(tmp_path, table, message):
    file = tmp_path / "bad.json"
    file.write_text(json.dumps(table))
    with pytest.raises(SkeletonError, match=message):
        skeleton(file)


def test_unreadable_and_unknown(tmp_path):
    with pytest.raises(SkeletonError, match=r"absent\.toml.*expected a readable"):
        skeleton(tmp_path / "absent.toml")
    (tmp_path / "cut.json").write_text('{"joints": [')
    with pytest.raises(SkeletonError, match=r"cut\.json"):
        skeleton(tmp_path / "cut.json")
    with pytest.raises(SkeletonError, match="one of aic14"):
        skeleton("coco18")
    with pytest.raises(SkeletonError, match="expected a joint of 'coco17', got 'tail'"):
        skeleton("coco17").index("tail")
