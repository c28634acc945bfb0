"""`refine run` from file to file."""

import gzip
import json

import numpy as np

from tests.oracles.records import MISSING, STANDING, keypoints, points, row, store

COCO_TO_BODY25 = [0, 16, 15, 18, 17, 5, 2, 6, 3, 7, 4, 12, 9, 13, 10, 14, 11]


def load(file):
    return json.loads(file.read_text())


# The main job.


def test_missing_joints_are_filled_and_all_else_is_unchanged(run):
    before = [row(7, note="a", bbox=[36.5, 14, 100, 296.25]), row(9, 300.0, note={"b": [1, None]})]
    result, after = run(before)
    assert result.code == 0
    assert result.out == ""
    assert "pred.json: read as coco, coco17: 2 poses on 2 images" in result.err
    assert (
        "2 poses on 2 images: 0 fragments joined, 4 joints filled, 0 moved, 0 duplicates removed"
        in result.err
    )
    for old, new in zip(before, after, strict=True):
        kept = [i for i in range(17) if i not in MISSING]
        assert points(new)[kept, :2].tolist() == points(old)[kept, :2].tolist()
        wrists = points(new)[list(MISSING), :2]
        assert (np.abs(wrists - STANDING[list(MISSING)] - [0 if old["image_id"] == 7 else 300, 0])
                < 60).all()  # fmt: skip
        assert new["source_scores"] == points(old)[:, 2].tolist()
        assert new["source_score"] == 0.8
        for field in ("image_id", "category_id", "note", "bbox"):
            assert new.get(field) == old.get(field)


def test_new_numbers_are_short(run):
    _, after = run([row()])
    for value in after[0]["keypoints"]:
        assert value == round(value, 4)
    assert points(after[0])[9, 0] == round(points(after[0])[9, 0], 3)
    assert after[0]["score"] == round(after[0]["score"], 4)


def test_the_sources_numbers_keep_all_digits(run):
    values = keypoints()
    values[0], values[1] = 100.12345678901234, 253.0
    _, after = run([row(keypoints=values, score=0.36912210782368976)], "--steps", "complete")
    assert after[0]["keypoints"][:2] == values[:2]
    assert after[0]["score"] == 0.36912210782368976


def test_precision_rounds_all_coordinates(run):
    values = keypoints()
    values[0] = 100.12345678901234
    _, after = run([row(keypoints=values)], "--precision", "1")
    assert after[0]["keypoints"][0] == 100.1
    assert all(v == round(v, 1) for v in points(after[0])[:, :2].ravel())


def test_the_twin_goes_and_the_order_stays(run):
    people = [row(1, 500.0, score=0.1), row(1, 0.0, score=0.3), row(1, 1.0, score=0.9), row(0, 0.0)]
    result, after = run([{**p, "n": i} for i, p in enumerate(people)])
    assert [p["n"] for p in after] == [0, 2, 3]
    assert "1 duplicates removed" in result.err


def test_nothing_is_dropped_without_suppress(run):
    people = [row(1, float(i % 2), score=i / 10) for i in range(10)]
    people[3]["keypoints"] = [0] * 51
    _, after = run(people, "--steps", "complete,correct,rescore")
    assert len(after) == 10
    assert [p["source_score"] for p in after] == [p["score"] for p in people]


def test_no_refine_only_suppresses(run):
    before = [row(1, 0.0, score=0.9), row(1, 1.0, score=0.3)]
    _, after = run(before, "--no-refine")
    (kept,) = after
    assert kept.pop("refine_history")[0].startswith("suppress ")
    assert kept == before[0]


def test_the_nms_threshold_decides(run):
    before = [row(1, 0.0, score=0.9), row(1, 14.0, score=0.3)]
    assert len(run(before, "--no-refine", "--nms-threshold", "0.95")[1]) == 2
    assert len(run(before, "--no-refine", "--nms-threshold", "0.5")[1]) == 1


def test_the_history_tells_what_was_done(run):
    _, after = run([row(), row(8)])
    assert after[0]["refine_history"] == after[1]["refine_history"]
    names = [line.split()[0] for line in after[0]["refine_history"]]
    assert names == ["join", "complete", "correct", "rescore", "suppress"]
    for line in after[0]["refine_history"][:4]:
        assert "weights=sha256:" in line


def test_a_second_pass_needs_again(run, cli, tmp_path):
    run([row()])
    first = tmp_path / "out.json"
    again = tmp_path / "again.json"
    result = cli("run", first, "-o", again)
    assert result.code == 3
    assert "second pass" in result.err
    assert "--again" in result.err
    assert not again.exists()
    assert cli("run", first, "-o", again, "--again").code == 0
    assert len(load(again)[0]["refine_history"]) == 10
    assert load(again)[0]["source_scores"] == load(first)[0]["source_scores"]


def test_suppression_may_be_repeated(run, cli, tmp_path):
    run([row()])
    assert cli("run", tmp_path / "out.json", "-o", tmp_path / "b.json", "--no-refine").code == 0


def test_the_summary_counts(run):
    result, _ = run([row(1, 0.0, score=0.9), row(1, 1.0, score=0.3)], "--json")
    facts = json.loads(result.out)
    assert {k: facts[k] for k in ("poses_in", "poses_out", "images", "joints_filled")} == {
        "poses_in": 2,
        "poses_out": 1,
        "images": 1,
        "joints_filled": 4,
    }
    assert facts["weights"].startswith("sha256:")
    assert facts["steps"] == ["join", "complete", "correct", "rescore", "suppress"]


def test_the_progress_bar_is_on_standard_error(run):
    result, after = run([row()], "--progress")
    assert result.code == 0
    assert result.out == ""
    assert len(after) == 1


# Formats and streams.


def test_standard_streams(cli):
    result = cli("run", "-", "-o", "-", "--json", stdin=json.dumps([row()]).encode())
    assert result.code == 0
    assert len(json.loads(result.out)) == 1
    assert '"poses_in":1' in result.err


def test_gzip_both_ways(cli, tmp_path):
    source, out = tmp_path / "pred.json.gz", tmp_path / "out.json.gz"
    source.write_bytes(gzip.compress(json.dumps([row()]).encode()))
    assert cli("run", source, "-o", out).code == 0
    assert len(json.loads(gzip.decompress(out.read_bytes()))) == 1


def test_to_another_format(run):
    _, after = run([row()], "--to", "mmpose")
    assert np.array(after[0]["keypoints"]).shape == (17, 2)


def openpose_folder(folder, frames):
    folder.mkdir()
    for i, people in enumerate(frames):
        document = {"version": 1.3, "people": people, "custom": i}
        store(folder, document, f"video_{i:012d}_keypoints.json")
    return folder


def body25(x=0.0, missing=MISSING):
    """A BODY_25 person without feet; neck and mid-hip are where OpenPose has them."""
    body = np.zeros((25, 3))
    coco = np.array(keypoints(x, missing)).reshape(17, 3)
    body[COCO_TO_BODY25] = coco
    for joint, (left, right) in {1: (5, 6), 8: (11, 12)}.items():
        if left not in missing and right not in missing:
            body[joint] = (coco[left] + coco[right]) / 2
    return body.ravel().tolist()


def test_an_openpose_folder_comes_out_as_it_went_in(cli, tmp_path):
    person = {
        "person_id": [-1],
        "pose_keypoints_2d": body25(),
        "face_keypoints_2d": [1.5, 2.5, 0.25],
        "hand_left_keypoints_2d": [],
        "hand_right_keypoints_2d": [0.1] * 63,
    }
    frames = [[person], [], [person, {**person, "pose_keypoints_2d": body25(300.0)}]]
    source, out = openpose_folder(tmp_path / "in", frames), tmp_path / "out"
    assert cli("run", source, "-o", out).code == 0
    assert sorted(f.name for f in out.iterdir()) == sorted(f.name for f in source.iterdir())
    for file in source.iterdir():
        old, new = load(file), load(out / file.name)
        assert new.pop("refine_history")
        assert {k: v for k, v in new.items() if k != "people"} == {
            k: v for k, v in old.items() if k != "people"
        }
        for was, now in zip(old["people"], new["people"], strict=True):
            for field in set(was) - {"pose_keypoints_2d"}:
                assert now[field] == was[field]
            wrists = points({"keypoints": now["pose_keypoints_2d"]})[[4, 7], :2]
            assert (wrists != 0).all()


def test_body_25_is_refined_by_joint_name_and_derived_joints_follow(cli, tmp_path):
    people = [{"pose_keypoints_2d": body25(missing=(5, 12))}]
    source, out = openpose_folder(tmp_path / "in", [people]), tmp_path / "out"
    assert cli("run", source, "-o", out, "--skeleton", "openpose25").code == 0
    (file,) = out.iterdir()
    body = points({"keypoints": load(file)["people"][0]["pose_keypoints_2d"]})[:, :2]
    expected = STANDING[[5, 12]]
    assert (np.abs(body[[5, 9]] - expected) < 40).all()
    np.testing.assert_allclose(body[1], (body[2] + body[5]) / 2, atol=1e-3)
    np.testing.assert_allclose(body[8], (body[9] + body[12]) / 2, atol=1e-3)
    assert (body[19:] == 0).all()


def test_alphapose_names_its_images(run):
    people = [
        row("a.jpg", score=2.9, idx=[0.0]),
        row("ü.jpg", score=1.2, idx=1),
    ]
    result, after = run(people)
    assert "read as alphapose" in result.err
    assert [p["image_id"] for p in after] == ["a.jpg", "ü.jpg"]
    assert [p["idx"] for p in after] == [[0.0], 1]


def test_mmpose_boxes_come_out_as_nested_as_they_were(run):
    person = {
        "keypoints": points(row())[:, :2].tolist(),
        "keypoint_scores": [0.5] * 17,
        "bbox": [[10.0, 20.0, 30.5, 40.25]],
        "bbox_score": 0.75,
    }
    result, after = run([person])
    assert "read as mmpose" in result.err
    assert after[0]["bbox"] == person["bbox"]
    assert after[0]["bbox_score"] == round(after[0]["bbox_score"], 4)
    assert after[0]["source_score"] == 0.75


def test_ground_truth_stays_ground_truth(run):
    truth = {
        "info": {"year": 2026},
        "images": [{"id": 7, "file_name": "a.jpg", "width": 640, "height": 480, "license": 3}],
        "annotations": [
            {"id": 5, "image_id": 7, "category_id": 1, "iscrowd": 0, "area": 9000.5,
             "bbox": [1, 2, 3, 4], "num_keypoints": 15, "segmentation": [[1, 2, 3]],
             "keypoints": keypoints(scores=np.r_[1, np.full(16, 2)])},
        ],
        "categories": [{"id": 1, "name": "person"}],
    }  # fmt: skip
    result, after = run(truth)
    assert result.code == 0
    assert "read as coco-gt" in result.err
    assert after["info"] == truth["info"]
    assert after["images"] == truth["images"]
    (done,) = after["annotations"]
    for field in ("id", "area", "bbox", "segmentation", "iscrowd"):
        assert done[field] == truth["annotations"][0][field]
    assert points(done)[:, 2].tolist() == [1, *[2] * 16]
    assert 0 < done["score"] < 1.5
    assert done["num_keypoints"] == 17
    assert after["refine_history"]


def test_images_tell_the_sizes(cli, tmp_path):
    sizes = store(tmp_path, {"images": [{"id": 7, "width": 640, "height": 480}]}, "gt.json")
    file, out = store(tmp_path, [row()]), tmp_path / "out.json"
    assert cli("run", file, "-o", out, "--sizes", sizes, "--to", "ndjson").code == 0
    assert (640, 480) in [
        tuple(r.get(k, r.get("image", {}).get(k)) for k in ("width", "height")) for r in [load(out)]
    ]
    result = cli("run", store(tmp_path, [row("other")]), "-o", out, "--sizes", sizes)
    assert result.code == 3
    assert "gt.json" in result.err


def test_openpose_becomes_coco_with_the_ids_of_the_ground_truth(cli, tmp_path):
    source = openpose_folder(tmp_path / "in", [[{"pose_keypoints_2d": body25()}], []])
    images = [{"id": 10 + i, "file_name": f"d/video_{i:012d}.jpg"} for i in range(2)]
    truth, out = store(tmp_path, {"images": images}, "gt.json"), tmp_path / "out.json"
    assert cli("run", source, "-o", out, "--to", "coco", "--sizes", truth).code == 0
    assert [r["image_id"] for r in load(out)] == [10]


# Options.


def test_a_config_file_and_flags_which_win(run, tmp_path):
    config = tmp_path / "c.toml"
    config.write_text('steps = ["suppress"]\nnms_threshold = 0.99\n')
    people = [row(1, 0.0, score=0.9), row(1, 14.0, score=0.3)]
    _, after = run(people, "--config", config)
    assert len(after) == 2
    assert [h.split()[0] for h in after[0]["refine_history"]] == ["suppress"]
    _, after = run(people, "--config", config, "--nms-threshold", "0.5")
    assert len(after) == 1


def test_a_folder_that_is_not_empty_is_left_alone(cli, tmp_path):
    people = [{"pose_keypoints_2d": body25()}]
    source = openpose_folder(tmp_path / "in", [people, people])
    before = {f.name: f.read_bytes() for f in source.iterdir()}
    result = cli("run", source, "-o", source, "--no-refine")
    assert result.code == 3
    assert "empty folder" in result.err
    assert {f.name: f.read_bytes() for f in source.iterdir()} == before


def test_fragments_become_one_pose(run):
    upper, lower = row(1, score=0.5), row(1, score=0.4)
    upper["keypoints"][33:], lower["keypoints"][:33] = [0] * 18, [0] * 33
    result, after = run([upper, lower])
    assert "1 images: 1 fragments joined" in result.err
    assert len(after) == 1
    assert after[0]["keypoints"][:2] == upper["keypoints"][:2]
    assert after[0]["keypoints"][45:47] == lower["keypoints"][45:47]
