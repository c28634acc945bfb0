"""CVAT's XML: skeletons and points of images and tracks, and what bites."""

import numpy as np
import pytest

import refine
from refine.exceptions import FormatError, SkeletonError
from refine.formats import read, sniff, write

LABELS = """<meta><task><labels>
<label><name>person</name><type>skeleton</type></label>
<label><name>nose</name><type>points</type><parent>person</parent></label>
<label><name>left_eye</name><type>points</type><parent>person</parent></label>
<label><name>tail</name><type>points</type><parent>person</parent></label>
</labels><original_size><width>640</width><height>480</height></original_size></task></meta>"""


def points(label, x, y, more=""):
    return f'<points label="{label}" points="{x},{y}" {more}/>'


def skeleton(*joints, more="", label="person"):
    return f'<skeleton label="{label}" source="manual" {more}>{"".join(joints)}</skeleton>'


@pytest.fixture
def xml(file):
    def make(*content, meta="", name="pred.xml"):
        body = "".join(content)
        text = f'<?xml version="1.0"?>\n<annotations>{meta}{body}</annotations>'
        return file(text.encode(), name)

    return make


def image(*shapes, number=0, name="a.jpg"):
    about = f'id="{number}" name="{name}" width="640" height="480"'
    return f"<image {about}>{''.join(shapes)}</image>"


def test_flags_are_what_is_outside_and_occluded(xml, tmp_path):
    joints = [
        points("nose", 10.5, 20, 'outside="0" occluded="0"'),
        points("left_eye", 11, 21, 'outside="0" occluded="1"'),
        points("right_eye", 12, 22, 'outside="1" occluded="0"'),
    ]
    source = xml(image(skeleton(*joints)), image(number=7, name="b.jpg"))
    poses = read(source)
    assert sniff(source) == "cvat"
    assert (poses.skeleton.name, poses.score_kind) == ("coco17", "flag")
    assert poses.images[1] == refine.ImageRef(7, "b.jpg", 640, 480)
    assert poses.score[0, :4].tolist() == [2, 1, 0, 0]
    assert poses.xy[0, :2].tolist() == [[10.5, 20], [11, 21]]
    assert poses.extra[0]["unlabelled_places"] == {"right_eye": [12, 22]}
    write(poses, tmp_path / "out.xml")
    after = read(tmp_path / "out.xml")
    np.testing.assert_array_equal(after.xy, poses.xy)
    np.testing.assert_array_equal(after.score, poses.score)
    assert (after.images, after.extra) == (poses.images, poses.extra)
    write(poses, tmp_path / "gt.json", "coco-gt")
    assert read(tmp_path / "gt.json").score[0, :4].tolist() == [2, 1, 0, 0]


def test_the_labels_tell_the_order_of_joints(xml):
    poses = read(xml(image(skeleton(points("tail", 3, 4))), meta=LABELS))
    assert poses.skeleton.joints == ("nose", "left_eye", "tail")
    assert np.flatnonzero(poses.present[0]).tolist() == [2]
    with pytest.raises(SkeletonError, match="joints of 'coco17', got 'tail'"):
        read(xml(image(skeleton(points("tail", 3, 4))), meta=LABELS), skeleton="coco17")


def test_joints_that_are_called_by_numbers(xml):
    joints = [points(j + 1, j + 5, 3) for j in range(17)]
    poses = read(xml(image(skeleton(*joints))))
    assert poses.skeleton.name == "coco17"
    assert poses.xy[0, :, 0].tolist() == [*range(5, 22)]
    fourteen = xml(image(skeleton(*joints[:14])))
    with pytest.raises(SkeletonError, match=r"several: aic14, crowdpose14.*--skeleton"):
        read(fourteen)
    assert read(fourteen, skeleton="crowdpose14").present.all()


def test_points_in_one_element_are_a_pose(xml):
    text = ";".join(f"{j + 5},{j}.5" for j in range(17))
    poses = read(xml(image(f'<points label="person" points="{text}"/>')))
    assert (len(poses), poses.xy[0, 3].tolist()) == (1, [8, 3.5])


def test_points_in_groups_are_poses_and_others_are_refused(xml):
    grouped = [points("nose", 1 + g, 2, f'group_id="{g}"') for g in (1, 2)]
    grouped.append(points("left_eye", 9, 9, 'group_id="2"'))
    poses = read(xml(image(*grouped)))
    assert poses.xy[:, 0].tolist() == [[2, 2], [3, 2]]
    assert poses.present.sum(1).tolist() == [1, 2]
    alone = [points("nose", 1, 2), points("left_eye", 3, 4)]
    assert read(xml(image(*alone))).present.sum() == 2
    for more in (grouped, [points("nose", 5, 6)]):
        with pytest.raises(FormatError, match="points in groups, one per person"):
            read(xml(image(*alone, *more)))


def test_tracks_of_a_video(xml, tmp_path):
    def at(frame, x, outside=0):
        return skeleton(points("nose", x, 2, f'outside="{outside}"'), more=f'frame="{frame}"')

    tracks = [
        f'<track id="4" label="person">{at(0, 1)}{at(2, 3)}{at(3, 3, 1)}</track>',
        f'<track id="1" label="person">{at(2, 5)}</track>',
    ]
    poses = read(xml(*tracks, meta=LABELS))
    assert [(ref.id, ref.frame, ref.width) for ref in poses.images] == [(0, 0, 640), (2, 2, 640)]
    assert (poses.track.tolist(), poses.image.tolist()) == ([4, 4, 1], [0, 1, 1])
    assert "1 skeletons of tracks are outside: left out" in poses.meta["notes"]
    write(poses, tmp_path / "out.xml")
    after = read(tmp_path / "out.xml")
    np.testing.assert_array_equal(after.xy, poses.xy)
    assert after.track.tolist() == [4, 4, 1]
    with pytest.raises(FormatError, match="expected images or tracks, got both"):
        read(xml(image(), *tracks))


def test_what_is_no_pose_is_carried(xml, tmp_path):
    box = '<box label="car" xtl="1" ytl="2" xbr="3" ybr="4"><attribute name="c">r</attribute></box>'
    hat = '<attribute name="hat">true</attribute>'
    source = xml(image(skeleton(points("nose", 1, 2), hat, more='group_id="3"'), box), meta=LABELS)
    poses = read(source)
    assert poses.meta["notes"] == ("1 shapes that are no poses: carried along",)
    write(poses, tmp_path / "out.xml")
    text = (tmp_path / "out.xml").read_text()
    for each in ('<box label="car" xtl="1"', ">r</attribute>", '"hat">true<', 'group_id="3"'):
        assert each in text
    assert read(tmp_path / "out.xml").extra == poses.extra


BOMB = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">
<!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]><annotations>&b;</annotations>"""


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (BOMB, "without a document type"),
        (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><annotations/>', "without a document type"),
        (b"<annotations>" * 60, "at most 50 elements within one another"),
        (b"<annotations><image></annotations>", "expected XML, got: mismatched tag"),
        (b'<?xml version="1.0" encoding="none"?><annotations/>', "expected XML, got: unknown enc"),
        (b"<annotations/>\0", "expected XML, got"),
    ],
)
def test_damaged_and_hostile_files(file, data, message):
    with pytest.raises(FormatError, match=message):
        read(file(data, "pred.xml"))


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (
            skeleton(points("nose", "x", 2)),
            "image 'a.jpg', shape 0: expected points 'x,y', got 'x,2'",
        ),
        (skeleton(points("nose", 1, 2), points("nose", 1, 2)), "got 'nose' twice"),
        (skeleton('<points label="nose"/>'), "expected points 'x,y', got ''"),
        (
            skeleton(points("nose", 1, 2), '<attribute name="score">a</attribute>'),
            "number in 'score'",
        ),
        (skeleton(points("nose", 1e9, 2)), "expected coordinates in px"),
    ],
)
def test_what_is_refused(xml, shape, message):
    with pytest.raises(FormatError, match=message):
        read(xml(image(shape)))


def test_other_xml_is_refused(file):
    source = file(b"<?xml version='1.0'?><svg/>", "a.xml")
    with pytest.raises(FormatError, match="expected <annotations>, got <svg>"):
        read(source, "cvat")
    with pytest.raises(FormatError, match="keys of a known format, got xml"):
        read(source)


def test_scores_and_names_come_back(cli, file, row, tmp_path):
    keypoints = row()["keypoints"]
    keypoints[3:6] = [0, 0, 0.4]
    source = file([row("d/a & b.jpg", keypoints=keypoints, category_id=2), row("c", track_id=9)])
    out = tmp_path / "out.xml"
    done = cli("convert", source, "--from", "coco", "--to", "cvat", "-o", out)
    assert done.code == 0
    assert "ids of 2 images that are no numbers" in done.err
    assert "scores of 1 missing joints" in done.err
    before, after = read(source, "coco"), read(out)
    np.testing.assert_array_equal(after.xy, before.xy)
    np.testing.assert_array_equal(after.score[after.present], before.score[before.present])
    np.testing.assert_array_equal(after.instance_score, before.instance_score)
    assert [ref.file_name for ref in after.images] == ["d/a & b.jpg", "c"]
    assert (after.track.tolist(), after.extra[0]["category_id"]) == ([-1, 9], 2)
    assert sniff(out) == sniff(out.rename(tmp_path / "unnamed")) == "cvat"
    broken = before.replace(images=(refine.ImageRef(1, "a\0b"), refine.ImageRef(2)))
    with pytest.raises(FormatError, match="text that XML can hold"):
        write(broken, out, "cvat")
    assert not out.exists()
