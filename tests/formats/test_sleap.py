"""SLEAP: labels and analysis files, and sleap-io as the other side."""

import json

import numpy as np
import pytest

from refine.exceptions import FormatError, SkeletonError
from refine.files import dump_json
from refine.formats import FORMATS, read, sniff, write


@pytest.fixture
def labels():
    """What .slp holds: a predicted animal, another that nobody tracks, and one of a user's."""
    body = {"name": "mouse", "nodes": ["nose", "ear_l", "ear_r"], "edges": [[0, 1], [0, 2]]}
    body["symmetries"] = [["ear_l", "ear_r"]]
    seen = [[1.5, 2, 0.5], [3, 4, 1.25], [None, None, 0.0]]
    own = [[5, 6, None], [7, 8, None], [None, None, None]]
    return {"sleap": {
        "videos": [{"filename": "cage.mp4", "shape": [100, 480, 640, 1]}],
        "skeletons": [body],
        "tracks": ["Tom", "Kit"],
        "frames": [
            {"video": 0, "frame": 3, "instances": [
                {"track": 1, "points": seen, "score": 0.75, "tracking_score": 0.25},
                {"track": None, "points": seen, "score": 0.5}]},
            {"video": 0, "frame": 7, "instances": []},
            {"video": 0, "frame": 8, "instances": [{"track": 0, "points": own}]},
        ],
        "provenance": {"sleap_version": "1.4.1"},
    }}  # fmt: skip


def test_labels(file, back, labels):
    poses = read(source := file(labels))
    assert sniff(source) == "sleap"
    assert [(ref.id, ref.frame, ref.width) for ref in poses.images] == [
        (3, 3, 640), (7, 7, 640), (8, 8, 640),
    ]  # fmt: skip
    assert poses.images[0].extra == {"video": "cage.mp4"}
    assert (poses.image.tolist(), poses.track.tolist()) == ([0, 0, 2], [1, -1, 0])
    assert poses.extra == ({"individual": "Kit", "tracking_score": 0.25}, {}, {"individual": "Tom"})
    assert poses.score[0].tolist() == [0.5, 1.25, 0]
    assert np.isnan(poses.score[2]).all()
    body = poses.skeleton
    assert (body.name, body.edges, body.mirror.tolist()) == ("mouse", ((0, 1), (0, 2)), [0, 2, 1])
    assert back(poses) == labels


def test_names_frames_and_tracks_survive_other_formats(file, labels, tmp_path):
    poses = read(file(labels))
    write(poses, tmp_path / "a.ndjson", "ndjson")
    write(read(tmp_path / "a.ndjson"), tmp_path / "b.json", "sleap")
    done = json.loads((tmp_path / "b.json").read_text())["sleap"]
    assert done["tracks"] == ["Kit", "Tom"]
    assert [frame["frame"] for frame in done["frames"]] == [3, 7, 8]
    write(poses, tmp_path / "c.csv", "deeplabcut")
    again = read(tmp_path / "c.csv")
    assert [extra.get("individual") for extra in again.extra] == ["Kit", None, "Tom"]
    assert [ref.frame for ref in again.images] == [3, 7, 8]


def test_pictures_and_several_videos(file, back, labels):
    held = labels["sleap"]
    held["videos"] = [
        {"filename": ["a.png", "b.png"], "shape": None}, {"filename": "x/v.mp4", "shape": None},
        {"filename": "y/v.mp4", "shape": None},
    ]  # fmt: skip
    for frame, (video, number) in zip(held["frames"], [(0, 1), (1, 7), (2, 7)], strict=True):
        frame |= {"video": video, "frame": number}
    poses = read(file(labels))
    assert [ref.id for ref in poses.images] == ["b.png", "1-v/7", "2-v/7"]
    assert poses.images[0].file_name == "b.png"
    held["videos"], held["frames"] = held["videos"][:1], held["frames"][:1]
    assert back(read(file(labels))) == labels


def test_instances_of_two_skeletons_are_refused(file, labels):
    held = labels["sleap"]
    held["skeletons"] *= 2
    held["frames"][0]["instances"][0]["skeleton"] = 1
    with pytest.raises(FormatError, match="instances of one skeleton, got those of 2"):
        read(file(labels))


def test_a_skeleton_that_lacks_a_node(file, labels):
    with pytest.raises(SkeletonError, match="got 'nose', 'ear_l', 'ear_r'"):
        read(file(labels), skeleton="hand21")


@pytest.fixture
def arrays():
    """The arrays of two tracks in three frames, in SLEAP's order."""
    points = np.arange(3.0 * 2 * 2 * 2).reshape(2, 2, 2, 3) + 10
    points[1, :, :, 0] = np.nan
    there = np.isfinite(points).all((1, 2)).T.astype(int)
    return {
        "hdf5": {
            "tracks": points.tolist(),
            "node_names": ["nose", "tail"],
            "track_names": ["Tom", "Kit"],
            "edge_inds": [[0, 1]],
            "track_occupancy": there.tolist(),
            "point_scores": np.full((2, 2, 3), 0.5).tolist(),
            "instance_scores": [[0.25, 0.5, 0.75], [None, 0.5, 1.5]],
        },
        "attributes": {},
    }


def test_the_order_is_told_by_shapes_or_by_occupancy(file, arrays):
    poses = read(source := file(arrays))
    assert sniff(source) == "sleap-analysis"
    assert (poses.image.tolist(), poses.track.tolist()) == ([0, 1, 1, 2, 2], [0, 0, 1, 0, 1])
    assert poses.xy[0].tolist() == [[10, 16], [13, 19]]
    assert poses.instance_score.tolist() == [0.25, 0.5, 0.5, 0.75, 1.5]
    assert poses.skeleton.edges == ((0, 1),)
    held = arrays["hdf5"]
    standard = {
        "tracks": np.array(held["tracks"]).transpose(3, 0, 2, 1).tolist(),
        "point_scores": np.full((3, 2, 2), 0.5).tolist(),
        "instance_scores": np.array(held["instance_scores"], float).T.tolist(),
    }
    same = read(file({**arrays, "hdf5": held | standard}))
    np.testing.assert_array_equal(same.xy, poses.xy)
    np.testing.assert_array_equal(same.instance_score, poses.instance_score)


def test_an_order_that_nothing_tells_is_an_error(file, arrays):
    held = arrays["hdf5"]
    two = np.arange(16.0).reshape(2, 2, 2, 2).tolist()
    bare = {"tracks": two, "node_names": held["node_names"], "track_names": held["track_names"]}
    with pytest.raises(FormatError, match="which may be either"):
        read(file({"hdf5": bare, "attributes": {}}))
    told = {"tracks.dims": '["track", "xy", "node", "frame"]'}
    assert len(read(file({"hdf5": bare, "attributes": told}))) == 4
    with pytest.raises(FormatError, match=r"expected 'tracks' as \(track, 2, 2, frame\)"):
        read(file({"hdf5": bare | {"tracks": [[[[1.0]]]]}, "attributes": {}}))


def test_frames_far_apart_make_no_array(file, labels, tmp_path):
    labels["sleap"]["frames"][2]["frame"] = 10**9
    with pytest.raises(FormatError, match="not far apart, got 3 of 1000000001"):
        write(read(file(labels)), tmp_path / "a.json", "sleap-analysis")


@pytest.fixture
def sio():
    return pytest.importorskip("sleap_io")


def test_sleap_io_reads_what_we_write(sio, file, labels, tmp_path):
    poses = read(file(labels)).done("suppress", threshold=0.5)
    poses = poses.replace(meta={**poses.meta, "fps": 25.0})
    write(poses, tmp_path / "a.slp", "sleap")
    found = sio.load_slp(str(tmp_path / "a.slp"), open_videos=False)
    assert [frame.frame_idx for frame in found] == [3, 7, 8]
    assert [track.name for track in found.tracks] == ["Tom", "Kit"]
    first, other = found[0].instances
    assert (first.track.name, other.track) == ("Kit", None)
    np.testing.assert_array_equal(first.numpy(), poses.xy[0])
    assert first.score == pytest.approx(0.75)
    assert not isinstance(found[2].instances[0], sio.PredictedInstance)
    assert found.videos[0].shape[1:3] == [480, 640]
    assert found.videos[0].fps == 25
    again = read(tmp_path / "a.slp")
    np.testing.assert_array_equal(again.xy, poses.xy)
    np.testing.assert_array_equal(again.score, poses.score)
    assert (again.images, again.history) == (poses.images, poses.history)
    assert again.extra == poses.extra
    assert again.meta["fps"] == 25


def test_pictures_in_slp(sio, file, labels, tmp_path):
    held = labels["sleap"]
    held["videos"] = [{"filename": ["a.png", "b.png"], "shape": [2, 480, 640, 1]}]
    held["frames"] = [held["frames"][0] | {"frame": 1}]
    poses = read(file(labels))
    write(poses, tmp_path / "a.slp")
    assert sio.load_slp(str(tmp_path / "a.slp"), open_videos=False).video.filename[1] == "b.png"
    assert read(tmp_path / "a.slp").images == poses.images


def test_a_prediction_that_was_corrected_is_no_second_pose(sio, tmp_path):
    body = sio.Skeleton(["nose", "tail"])
    found = sio.PredictedInstance.from_numpy(np.ones((2, 2)), body, point_scores=np.ones(2))
    mended = sio.Instance.from_numpy(np.full((2, 2), 5.0), body)
    mended.from_predicted = found
    video = sio.Video("v.mp4", open_backend=False)
    sio.Labels([sio.LabeledFrame(video, 0, [found, mended])]).save(str(tmp_path / "a.slp"))
    poses = read(tmp_path / "a.slp")
    assert (len(poses), poses.xy[0, 0].tolist()) == (1, [5, 5])
    assert poses.meta["notes"] == ("1 predictions that a user has corrected were left out",)


@pytest.mark.parametrize("preset", ["matlab", "standard"])
def test_analysis_files_of_sleap_io(sio, file, labels, tmp_path, preset):
    for one in labels["sleap"]["frames"][0]["instances"]:
        one["track"] = 1 if one["score"] > 0.6 else 0
    before = read(file(labels))
    write(before, tmp_path / "a.slp", "sleap")
    found = sio.load_slp(str(tmp_path / "a.slp"), open_videos=False)
    sio.save_analysis_h5(found, str(tmp_path / "a.h5"), preset=preset)
    poses = read(tmp_path / "a.h5")
    assert sniff(tmp_path / "a.h5") == "sleap-analysis"
    predicted = before.image == 0
    order = np.argsort(before.track[predicted])
    np.testing.assert_array_equal(poses.xy[:2], before.xy[predicted][order])
    write(poses, tmp_path / "b.h5")
    again = sio.load_analysis_h5(str(tmp_path / "b.h5"))
    assert [track.name for track in again.tracks] == ["Tom", "Kit"]
    same = read(tmp_path / "b.h5")
    np.testing.assert_array_equal(same.xy, poses.xy)
    np.testing.assert_array_equal(same.score, poses.score)
    assert [ref.frame for ref in same.images] == [ref.frame for ref in poses.images]


def test_without_sleap_io_it_is_said(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "sleap_io", None)
    with pytest.raises(FormatError, match=r'pip install "refine-pose\[sleap\]"'):
        write(FORMATS["sleap"].example(), tmp_path / "a.slp", "sleap")
    with pytest.raises(FormatError, match=r"sleap-io for \.slp files"):
        write(FORMATS["sleap"].example(), tmp_path / "a.slp")


def test_half_a_place_makes_no_pose(file):
    document = json.loads(dump_json(FORMATS["sleap-analysis"].sample()))
    arrays = document["hdf5"]
    frames = len(arrays["tracks"][0][0][0])
    before = len(read(file(document), "sleap-analysis"))
    assert frames > 1
    arrays["tracks"][0][0][0][0] = -1
    assert len(read(file(document), "sleap-analysis")) == before
