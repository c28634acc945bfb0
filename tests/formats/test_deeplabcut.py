"""DeepLabCut tables: predictions and labels, one animal and several, and what bites."""

import numpy as np
import pytest

import refine
from refine.exceptions import FormatError, SkeletonError
from refine.formats import read, sniff, write

ONE = """scorer,DLC_net,DLC_net,DLC_net,DLC_net,DLC_net,DLC_net
bodyparts,snout,snout,snout,tail base,tail base,tail base
coords,x,y,likelihood,x,y,likelihood
0,101.5,55.25,0.98,90,60,0.5
1,,,,,,
7,,,1,91.25,61,0.75
"""

SEVERAL = """scorer,net,net,net,net,net,net,net,net,net,net,net,net
individuals,Tom,Tom,Tom,Tom,Tom,Tom,Kit,Kit,Kit,Kit,Kit,Kit
bodyparts,snout,snout,snout,tail,tail,tail,snout,snout,snout,tail,tail,tail
coords,x,y,likelihood,x,y,likelihood,x,y,likelihood,x,y,likelihood
0,1.5,2.5,0.5,3.5,4.5,0.25,,,,,,
1,,,,,,,5.5,6.5,0.75,,,
2,1.25,2.25,0.5,3.5,4.5,0.25,8.5,9.5,0.125,6,7,0.375
"""

LABELS = """scorer,,,me,me,me,me
bodyparts,,,snout,snout,tail,tail
coords,,,x,y,x,y
labeled-data,mouse,img0042.png,11.5,12,,
labeled-data,mouse,img0110.png,13,14,15,16
"""


def through(file, tmp_path, text):
    """Read a table, write it again; the poses and the text that is written."""
    poses = read(file(text.encode(), "a.csv"))
    write(poses, tmp_path / "b.csv")
    return poses, (tmp_path / "b.csv").read_text()


def test_predictions_of_one_animal(file, tmp_path):
    poses, text = through(file, tmp_path, ONE)
    assert sniff(tmp_path / "a.csv") == "deeplabcut"
    assert text == ONE
    assert poses.skeleton.joints == ("snout", "tail base")
    assert [(ref.id, ref.frame) for ref in poses.images] == [(0, 0), (1, 1), (7, 7)]
    assert poses.image.tolist() == [0, 2]
    assert (poses.track, poses.extra[0]) == (None, {})
    assert poses.xy[0].tolist() == [[101.5, 55.25], [90, 60]]


def test_nan_with_likelihood_1_is_missing(file):
    """DeepLabCut issue 1650."""
    poses = read(file(ONE.encode(), "a.csv"))
    assert poses.present[1].tolist() == [False, True]
    assert poses.score[1].tolist() == [0, 0.75]


def test_an_individual_that_has_nothing_but_likelihoods_is_no_pose_and_that_is_said(file):
    poses = read(file(ONE.replace("1,,,,,,", "1,,,1,,,1").encode(), "a.csv"))
    assert poses.image.tolist() == [0, 2]
    assert "1 individuals that have a likelihood, but no joint" in poses.meta["notes"][0]


def test_a_pose_without_joints_has_likelihoods_of_0(file, tmp_path):
    none = ONE.replace("1,,,,,,", "1,,,0,,,0")
    poses, text = through(file, tmp_path, none)
    assert poses.image.tolist() == [0, 1, 2]
    assert not poses.present[1].any()
    assert text == none


def test_several_animals_keep_names_and_tracks(file, tmp_path):
    poses, text = through(file, tmp_path, SEVERAL)
    assert text == SEVERAL
    assert poses.track.tolist() == [0, 1, 0, 1]
    assert [extra["individual"] for extra in poses.extra] == ["Tom", "Kit", "Tom", "Kit"]
    assert poses.image.tolist() == [0, 1, 2, 2]
    for name in ("x.ndjson", "x.csv"):
        write(poses, tmp_path / name, name[2:])
        write(read(tmp_path / name), tmp_path / "c.csv", "deeplabcut")
        same = SEVERAL.replace("net", "refine")
        if name == "x.csv":  # Which has tracks alone.
            same = same.replace("Tom", "individual1").replace("Kit", "individual2")
        assert (tmp_path / "c.csv").read_text() == same


def test_names_that_belong_to_no_one_track_give_way_to_tracks(file, tmp_path):
    poses = read(file(SEVERAL.encode(), "a.csv")).replace(track=np.array([0, 1, 4, 1]))
    write(poses.replace(meta={}), tmp_path / "b.csv", "deeplabcut")
    after = read(tmp_path / "b.csv")
    assert after.track.tolist() == [0, 1, 1, 4]  # In the order of the individuals.
    assert "individual5" in (tmp_path / "b.csv").read_text()


def test_names_without_tracks_count_beside_tracks(file, tmp_path):
    poses = read(file(SEVERAL.encode(), "a.csv")).replace(track=np.array([-1, 4, -1, 4]), meta={})
    bare = poses.extra[0], {}, poses.extra[2], {}
    write(poses.replace(extra=bare), tmp_path / "b.csv", "deeplabcut")
    after = read(tmp_path / "b.csv")
    assert [e.get("individual") for e in after.extra] == [
        "Tom",
        "individual5",
        "Tom",
        "individual5",
    ]


def test_unique_body_parts_stand_under_single(file, tmp_path):
    unique = SEVERAL.replace("Kit,Kit,Kit,Kit,Kit,Kit", "single,single,single,single,single,single")
    head, _, rest = unique.partition("bodyparts")
    unique = f"{head}bodyparts{rest.replace('snout,snout,snout,tail,tail,tail', 'A', 1)}"
    unique = unique.replace("A,", "snout,snout,snout,tail,tail,tail,")
    unique = unique.replace("snout,snout,snout,tail,tail,tail\n", "box,box,box,lid,lid,lid\n")
    poses, text = through(file, tmp_path, unique)
    assert text == unique
    assert poses.skeleton.joints == ("snout", "tail", "box", "lid")
    assert poses.present[1].tolist() == [False, False, True, False]


def test_labelled_data(file, tmp_path):
    poses, text = through(file, tmp_path, LABELS)
    assert text == LABELS
    assert poses.images[0].file_name == "labeled-data/mouse/img0042.png"
    assert [ref.frame for ref in poses.images] == [42, 110]
    assert poses.score_kind == "none"
    assert np.isnan(poses.score).all()
    old = LABELS.replace(",,,", ",", 3).replace("data,mouse,img", "data\\mouse\\img")
    assert read(file(old.encode(), "old.csv")).images == poses.images


def test_body_parts_of_coco_are_its_skeleton(file):
    coco = refine.skeleton("coco17")
    parts = [joint.replace("_", " ") for joint in coco.joints]
    rows = [
        ["scorer", *["net"] * 34],
        ["bodyparts", *[part for part in parts for _ in "xy"]],
        ["coords", *["x", "y"] * 17],
        ["0", *map(str, range(1, 35))],
    ]
    text = "\n".join(map(",".join, rows))
    assert read(file(text.encode(), "a.csv")).skeleton.name == "coco17"
    turned = "\n".join(",".join([row[0], *row[:0:-1]]) for row in rows[:3])
    poses = read(file(f"{turned}\n0,{','.join(map(str, range(1, 35)))}".encode(), "b.csv"))
    assert poses.skeleton.joints == tuple(reversed(parts))
    assert poses.to("coco17").xy[0, 0].tolist() == [34, 33]
    named = read(tmp := file(f"{turned}\n0{',5' * 34}".encode(), "c.csv"), skeleton="coco17")
    assert named.skeleton.name == "coco17"
    with pytest.raises(SkeletonError, match=r"got 'right ear'.*no --skeleton"):
        read(tmp, skeleton="mpii16")


def test_poses_without_tracks_stay_so(file, row, tmp_path, cli):
    source = file([row(1), row(1, score=0.25), row(5)])
    assert cli("convert", source, "-o", tmp_path / "a.csv", "--to", "deeplabcut").code == 0
    assert (tmp_path / "a.csv").read_text().split("\n")[1].count("pose1,") == 51
    after = read(tmp_path / "a.csv")
    assert (after.track, after.image.tolist()) == (None, [0, 0, 1])
    assert [ref.id for ref in after.images] == [1, 5]
    assert after.skeleton.name == "coco17"
    np.testing.assert_array_equal(after.xy, read(source).xy)


def test_a_track_twice_in_an_image_is_said(file, row, tmp_path, cli):
    source = file([row(1, track_id=3), row(1, track_id=3)])
    done = cli("convert", source, "-o", tmp_path / "a.csv", "--to", "deeplabcut")
    assert (done.code, "track of 1 poses: another" in done.err) == (0, True)
    assert read(tmp_path / "a.csv").track.tolist() == [3, -1]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("coords,x,y,l", "coords,x,z,l", "expected x, y, likelihood of 'snout'.* got 'z'"),
        ("coords,x,y,l", "coords,x,x,l", "once each .* got 'x'"),
        ("coords,x,y,likelihood,x,y", "coords,x,y,likelihood,x,likelihood", "once each|columns"),
        ("scorer,DLC_net", "scorer,other", "expected one scorer, got 'other', 'DLC_net'"),
        ("\n7,", "\n1,", "row 6: expected a frame or image once, got '1' twice"),
        ("\n7,", "\n,", "row 6: expected a frame or image once, got none"),
        ("101.5", "left", "row 4: expected a finite number .* got 'left'"),
        ("101.5", "inf", "row 4: expected finite numbers"),
        ("101.5", "1e9", "row 4: expected coordinates in px"),
        ("0,101.5,", "0,", "row 4: expected 7 cells"),
        ("bodyparts", "parts", "columns|keys of a known format"),
    ],
)
def test_what_is_refused(file, old, new, message):
    assert old in ONE
    with pytest.raises(FormatError, match=message):
        read(file(ONE.replace(old, new).encode(), "a.csv"))
