"""Videos from file to file: `refine track`, `refine smooth` and the steps of `refine run`."""

import json

import numpy as np
import pytest

import refine

FILES = (
    "ndjson in.ndjson", "mmpose in.json", "alphapose in.json", "openpose in", "controlnet in.json",
    "coco in.json", "coco-gt in.json", "posetrack in.json", "deeplabcut in.csv",
    "deeplabcut in.h5", "sleap in.json", "sleap-analysis in.h5", "movement in.nc", "h36m in.npz",
    "csv in.csv", "parquet in.parquet", "ultralytics in", "easy-vitpose in", "cvat in.xml",
    "fiftyone in.json", "rtmlib in.json",
)  # fmt: skip
"""Formats with frames, and what such files are called."""
NEEDS = {".h5": "h5py", ".nc": "h5py", ".parquet": "pyarrow"}
OPENPOSE = ("openpose", "controlnet")


@pytest.fixture
def truth():
    """Two people who walk past each other on 40 frames."""
    rng = np.random.default_rng(0)
    body = rng.uniform(0, 90, (17, 2))
    time = np.arange(40)[:, None, None]
    ways = [time * [6.0, 0.0], time * [-6.0, 0.0] + [240.0, 30.0]]
    xy = np.concatenate([body + np.sin(time / 5) * [5, 2] + way for way in ways])
    images = [refine.ImageRef(i, f"{i:05}.jpg", 640, 480, frame=i) for i in range(40)]
    poses = refine.Poses.from_arrays(
        "coco17", xy, np.full((80, 17), 0.9), image=np.tile(np.arange(40), 2), images=images,
        instance_score=np.full(80, 0.9),
    )  # fmt: skip
    return poses.replace(track=np.repeat([0, 1], 40))


@pytest.fixture
def seen(truth):
    """What was seen of them: jittery, with joints and poses missing, and nobody's number."""
    rng = np.random.default_rng(1)
    xy = truth.xy + rng.normal(0, 3, truth.xy.shape)
    xy[rng.random(xy.shape[:2]) < 0.05] = np.nan
    score = np.where(np.isnan(xy[..., 0]), np.nan, truth.score)
    kept = np.ones(80, bool)
    kept[[10, 11, 60]] = False
    return truth.replace(xy=xy, score=score, track=None)[kept]


@pytest.mark.parametrize("which", FILES)
def test_from_every_format_with_frames(which, truth, seen, cli, tmp_path):
    name, file = which.split()
    source = tmp_path / file
    if source.suffix in NEEDS:
        pytest.importorskip(NEEDS[source.suffix])
    refine.write(seen.to("openpose18") if name in OPENPOSE else seen, source, name)
    steps = "join,complete,correct,rescore,suppress,track,unswap,gaps,smooth"
    target = source.with_stem("out")
    told = ("--skeleton", "coco17") if name == "h36m" else ()
    done = cli("run", source, "-o", target, "--steps", steps, "--fps", 30, "--json", *told)
    assert done.code == 0, done.err
    facts = json.loads(done.out)
    assert (facts["tracks"], facts["poses_out"]) == (2, 80)
    assert facts["joints_smoothed"] > 1000
    written = refine.read(target, skeleton=told[-1] if told else None)
    assert len(written) == 80, "those that were added, too"
    assert sorted(np.unique(written.track, return_counts=True)[1]) == [40, 40]


@pytest.mark.parametrize("name", ["coco-gt", "posetrack"])
def test_what_is_added_to_annotations_is_one(name, seen, cli, tmp_path):
    kind = ({"category_id": 17},) * len(seen)
    tracked = seen.replace(track=seen.image * 0 + (np.arange(77) >= 38), extra=kind)
    if name == "coco-gt":
        tracked = tracked.replace(score=tracked.present * 2.0, score_kind="flag")
    refine.write(tracked, tmp_path / "in.json", name)
    document = json.loads((tmp_path / "in.json").read_text())
    document["annotations"][0].pop("area", None)
    (tmp_path / "in.json").write_text(json.dumps(document))
    done = cli("smooth", tmp_path / "in.json", "-o", tmp_path / "out.json", "--fps", 30)
    assert done.code == 0, done.err
    before, after = (
        json.loads((tmp_path / f).read_text())["annotations"] for f in ("in.json", "out.json")
    )
    assert [row["id"] for row in after[:77]] == [row["id"] for row in before]
    assert "area" not in after[0], "what a person did not have stays so"
    new = after[77:]
    assert len({row["id"] for row in after}) == 80
    assert {row["category_id"] for row in after} == {17}
    assert all(row["bbox"][2] > 0 and row["iscrowd"] == 0 for row in new)
    assert name == "posetrack" or {v for row in new for v in row["keypoints"][2::3]} == {1.0}


def test_track_smooth_and_the_figures(truth, seen, cli, tmp_path):
    paths = {n: tmp_path / f"{n}.ndjson" for n in ("gt", "seen", "tracked", "calm")}
    refine.write(truth, paths["gt"])
    refine.write(seen, paths["seen"])
    assert cli("track", paths["seen"], "-o", paths["tracked"]).code == 0
    done = cli("smooth", paths["tracked"], "-o", paths["calm"], "--fps", 30)
    assert done.code == 0, done.err
    assert "joints smoothed" in done.err
    both = paths["tracked"], paths["calm"]
    result = cli("eval", "--gt", paths["gt"], *both, "--metric", "temporal", "--json")
    before, after = json.loads(result.out).values()
    assert after["error_px"] < 0.7 * before["error_px"]
    assert after["acceleration_px"] < 0.3 * before["acceleration_px"]
    assert after["found"] > 0.99 > before["found"]
    result = cli("eval", "--gt", paths["gt"], *both, "--metric", "tracking")
    assert result.code == 0
    assert "idf1" in result.out
    [figures] = json.loads(
        cli("eval", "--gt", paths["gt"], both[1], "--metric", "tracking", "--json").out
    ).values()
    assert figures["idf1"] > 0.98
    assert figures["switches"] == 0
    told = cli("eval", "--gt", paths["gt"], both[1], "--metric", "temporal", "--before", both[0])
    assert {"gap_error", "gap_found", "swap_recall", "jerk"} <= {
        line.split()[0] for line in told.out.splitlines()
    }
    assert "nan" not in told.out
    for metric, code, message in (
        ("posetrack", 3, "expected head sizes, got none"),
        ("oks", 2, "--before is for"),
    ):
        done = cli("eval", "--gt", paths["gt"], both[1], "--metric", metric, *(
            ("--before", both[0]) if metric == "oks" else ()
        ))  # fmt: skip
        assert done.code == code
        assert message in done.err
    heads = truth.replace(extra=({"head_size": 20.0},) * 80)
    refine.write(heads, paths["gt"])
    done = cli("eval", "--gt", paths["gt"], both[1], "--metric", "posetrack", "--json")
    [found] = json.loads(done.out).values()
    assert found["mota"] > 0.9
    assert set(found["joints"]) == set(truth.skeleton.joints)


def test_options(seen, cli, tmp_path):
    refine.write(seen, tmp_path / "seen.ndjson")
    cli("track", tmp_path / "seen.ndjson", "-o", tmp_path / "t.ndjson")
    run = ("smooth", tmp_path / "t.ndjson", "-o", tmp_path / "o.ndjson", "--fps", 30, "--json")
    plain = json.loads(cli(*run, "--longest-gap", 0, "--no-unswap", "--method", "median").out)
    assert plain["steps"] == ["smooth"]
    assert len(refine.read(tmp_path / "o.ndjson")) == 77
    again = cli("track", tmp_path / "t.ndjson", "-o", tmp_path / "o.ndjson", "--again")
    assert again.code == 0
    kept = refine.read(tmp_path / "seen.ndjson")
    lost = kept[(kept.image < 8) | (kept.image > 24)]
    refine.write(lost.replace(meta={}), tmp_path / "lost.ndjson")
    command = ("track", tmp_path / "lost.ndjson", "-o", tmp_path / "o.ndjson", "--json")
    assert cli(*command, "--join-tracks", 2).code == 3
    for seconds, tracks in ((0.2, 4), (2, 2)):
        done = cli(*command, "--join-tracks", seconds, "--fps", 30)
        assert json.loads(done.out)["tracks"] == tracks


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "frames per second"),
        (("--fps", 0), "frames per second above 0"),
        (("--fps", 30), "expected tracks, got none"),
        (("--fps", 30, "--longest-gap", -1), "expected tracks"),
    ],
)
def test_what_is_missing_is_told(seen, cli, tmp_path, options, message):
    refine.write(seen, tmp_path / "seen.ndjson")
    done = cli("smooth", tmp_path / "seen.ndjson", "-o", tmp_path / "o.ndjson", *options)
    assert done.code == 3
    assert message in done.err
    assert not (tmp_path / "o.ndjson").exists()
