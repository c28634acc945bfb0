"""`refine draw --video`: from files of poses and pictures to a file that plays."""

import json

import numpy as np
import pytest
from PIL import Image

import refine
from tests.drawing.test_video import SIZE, near, walking

av = pytest.importorskip("av")

PURPLE = "#FF00FF"


@pytest.fixture
def files(tmp_path):
    """Poses of 12 frames before and after, and pictures of all but one."""
    poses = walking()
    refine.write(poses, tmp_path / "before.ndjson")
    refine.write(poses.replace(xy=poses.xy + np.array([0, 20])), tmp_path / "after.ndjson")
    (tmp_path / "pictures").mkdir()
    for i in (*range(5), *range(6, 12)):
        Image.new("RGB", SIZE, PURPLE).save(tmp_path / f"pictures/{i:04}.png")
    return tmp_path


@pytest.fixture
def film(files):
    """The same pictures as a video of 25 frames per second."""
    with av.open(str(files / "film.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for _ in range(12):
            picture = Image.new("RGB", (320, 240), PURPLE)
            container.mux(stream.encode(av.VideoFrame.from_image(picture)))
        container.mux(stream.encode(None))
    return files / "film.mp4"


def frames_in(path):
    with av.open(str(path)) as container:
        return [frame.to_image() for frame in container.decode(video=0)]


def test_before_and_after_over_pictures(cli, files):
    done = cli(
        "draw", files / "after.ndjson", "--before", files / "before.ndjson", "--fps", 30,
        "--images", files / "pictures", "--video", files / "out.mp4", "--trails", 1, "--json",
    )  # fmt: skip
    assert done.code == 0
    facts = json.loads(done.out)
    assert (facts["frames"], facts["fps"], facts["video"]) == (12, 30, str(files / "out.mp4"))
    assert "11 of 12 images have a picture" in done.err
    assert "0005.png" in done.err
    frames = frames_in(files / "out.mp4")
    assert {frame.size for frame in frames} == {(640, 272)}
    assert [near(f, PURPLE).mean() > 0.5 for f in frames] == [i != 5 for i in range(12)]


def test_a_video_under_the_poses_tells_the_rate(cli, files, film):
    poses = walking(size=(320, 240))
    refine.write(poses, files / "poses.ndjson")
    options = "--video", files / "out.mp4", "--json"
    done = cli("draw", files / "poses.ndjson", "--frames", film, *options)
    assert done.code == 0
    assert json.loads(done.out)["fps"] == 25
    assert all(near(f, PURPLE).mean() > 0.5 for f in frames_in(files / "out.mp4"))
    later = tuple(refine.ImageRef(i + 3, None, 320, 240) for i in range(12))
    refine.write(poses.replace(images=later), files / "poses.ndjson")
    done = cli("draw", files / "poses.ndjson", "--frames", film, *options)
    assert "ends before the last 3 of 12 frames" in done.err
    shares = [near(f, PURPLE).mean() > 0.5 for f in frames_in(files / "out.mp4")]
    assert shares == [True] * 9 + [False] * 3
    wrong = cli("draw", files / "before.ndjson", "--frames", film, *options)
    assert wrong.code == 3
    assert "expected a video of 320 x 241 px" in wrong.err
    away = poses.replace(xy=poses.xy + 900, images=tuple(map(refine.ImageRef, range(12))))
    refine.write(away, files / "poses.ndjson")
    wrong = cli("draw", files / "poses.ndjson", "--frames", film, *options)
    assert wrong.code == 3
    assert "got most outside" in wrong.err


def test_pictures_that_do_not_serve_are_named(cli, files):
    Image.new("RGB", (32, 24)).save(files / "pictures/0003.png")
    (files / "pictures/0004.png").write_bytes(b"\x89PNG")
    done = cli(
        "draw", files / "after.ndjson", "--fps", 30, "--images", files / "pictures",
        "--video", files / "out.gif", "--size", 100, "--json",
    )  # fmt: skip
    assert done.code == 4
    facts = json.loads(done.out)
    assert (facts["pictures_unread"], facts["pictures_unfit"]) == (1, 1)
    assert "0003.png (32 x 24 px" in done.err
    assert "0004.png (" in done.err


def test_some_images_and_annotations(cli, files):
    poses = walking()
    flags = poses.replace(score=np.full(poses.score.shape, 2.0), score_kind="flag", track=None)
    refine.write(flags, files / "gt.json", "coco-gt")
    (files / "ids.json").write_text("[3, 4, 5]")
    options = "--image-ids", files / "ids.json", "--video", files / "out.mp4", "--fps", 5
    done = cli("draw", files / "after.ndjson", "--gt", files / "gt.json", *options)
    assert done.code == 0
    frames = frames_in(files / "out.mp4")
    assert len(frames) == 3
    assert frames[0].size == (640, 272)


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ((), 3, "expected frames per second, which the file does not tell; try --fps 30"),
        (("--fps", 0), 3, "frames per second above 0"),
        (("--fps", 30, "-o", "out"), 2, "expected what to write, once"),
        (("--fps", 30, "--top", 3), 2, "--top is for pictures, -o"),
        (("--fps", 30, "--frames", "none.mp4"), 3, "got no regular file"),
        (("--frames", "none.mp4", "--images", "."), 2, "expected pictures once"),
        (("--fps", 30, "--images", "none"), 3, "expected a folder of pictures"),
        (("--fps", 30, "--trails", 1, "--joints", "wing"), 3, "got 'wing'"),
    ],
)
def test_what_is_refused(cli, files, options, code, message):
    done = cli("draw", files / "before.ndjson", "--video", files / "out.mp4", *options)
    assert done.code == code
    assert message in done.err
    assert not (files / "out.mp4").exists()


def test_joints_over_time(cli, files):
    both = files / "before.ndjson", files / "after.ndjson"
    done = cli("draw", *both, "--trajectories", files / "a.svg", "--fps", 25, "--json")
    assert done.code == 0
    facts = json.loads(done.out)
    assert (facts["track"], facts["tracks"], facts["frames"]) == (0, 2, 12)
    assert len(facts["joints"]) == 4
    assert (files / "a.svg").read_text().count("<polyline") == 4 * 2 * 3
    options = "--trajectories", files / "a.png", "--fps", 25, "--joints", "nose, left_knee"
    done = cli("draw", both[0], *options, "--track", 1)
    assert done.code == 0
    assert "track 1, 12 frames, 0.44 s of 2 tracks: 2 joints drawn" in done.err
    with Image.open(files / "a.png") as image:
        assert image.width > 1000
    for more, message in (
        (("--track", 5), "got 5; try --track with one of 0, 1"),
        (("--joints", "tail"), "got 'tail'"),
        (("--trajectories", files / "a.txt"), "ends in .png"),
        (("--fps", -1), "frames per second above 0"),
    ):
        done = cli("draw", both[0], *options, *more)
        assert done.code == 3
        assert message in done.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("-o", "x.png", "--trails", 1), "--trails is for --video"),
        (("-o", "x.png", "--fps", 25), "--fps is for --video and --trajectories"),
        (("--trajectories", "x.svg", "--frames", "a.mp4"), "--frames is for --video"),
        (("--video", "x.mp4", "--track", 0), "--track is for --trajectories"),
    ],
)
def test_options_that_do_nothing_are_refused(cli, files, options, message):
    done = cli("draw", files / "before.ndjson", *options)
    assert done.code == 2
    assert message in done.err


def test_one_frame_alone(cli, files):
    refine.write(walking(1), files / "one.ndjson")
    assert cli("draw", files / "one.ndjson", "--video", files / "a.mp4", "--fps", 25).code == 0
    assert len(frames_in(files / "a.mp4")) == 1
    done = cli("draw", files / "one.ndjson", "--trajectories", files / "a.svg", "--fps", 25)
    assert done.code == 3
    assert "there in two frames, got none: track 0" in done.err


def test_nothing_is_overwritten_unasked(cli, files):
    (files / "out.mp4").write_text("mine")
    done = cli(
        "draw", files / "before.ndjson", "--video", files / "out.mp4", "--fps", 3, "--no-clobber"
    )
    assert done.code == 3
    assert (files / "out.mp4").read_text() == "mine"
    assert cli("draw", files / "before.ndjson").code == 2
    done = cli("draw", files / "before.ndjson", "--video", files / "out.txt", "--fps", 3)
    assert "ends in .mp4" in done.err
