"""The people that the project makes itself are people, and their predictions are bad enough."""

import numpy as np
import pytest

import refine
from refine.decoding import decode, decode_heatmaps, raw_heatmaps
from refine.evaluation.matching import neighbours
from refine.exceptions import ArrayError
from refine.formats.coco import write_ground_truth
from refine.oks import keypoint_similarity
from refine.poses import Poses
from refine.sample import (
    draw_frames,
    make_heatmaps,
    make_people,
    make_predictions,
    make_video,
)
from refine.sample.figure import ACTIONS, AT, BODY, LENGTHS, LIMITS, draw_figures

BONES = {
    "thigh": ("hip", "knee"),
    "shank": ("knee", "ankle"),
    "upper_arm": ("shoulder", "elbow"),
    "forearm": ("elbow", "wrist"),
}


@pytest.fixture(scope="module")
def scenes():
    return make_people(60, np.random.default_rng(0))


@pytest.fixture(scope="module")
def predictions(scenes):
    return make_predictions(scenes[0], np.random.default_rng(1))


def figures(action, count=200):
    return draw_figures([action] * count, np.random.default_rng(0))


def at(points, name):
    return points[:, AT[name]]


def bend(points, a, b, c):
    """Angle in degrees by which the limb a-b-c deviates from straight."""
    u, v = at(points, b) - at(points, a), at(points, c) - at(points, b)
    cosine = (u * v).sum(-1) / np.linalg.norm(u, axis=-1) / np.linalg.norm(v, axis=-1)
    return np.degrees(np.arccos(cosine.clip(-1, 1)))


@pytest.mark.parametrize("action", ACTIONS)
def test_segments_have_human_lengths_and_both_sides_alike(action):
    points = figures(action)
    for bone, (a, b) in BONES.items():
        left, right = (
            np.linalg.norm(at(points, f"{s}_{a}") - at(points, f"{s}_{b}"), axis=-1)
            for s in ("left", "right")
        )
        assert left == pytest.approx(right)
        assert np.median(left) == pytest.approx(LENGTHS[bone], rel=0.02)
        assert np.std(left) > 0.02 * LENGTHS[bone]


def test_people_stand_as_tall_as_they_are():
    points = figures("standing")
    # Eyes at .936, ankles at .039 of stature (Drillis & Contini).
    height = at(points, "left_eye")[:, 1] - at(points, "left_ankle")[:, 1]
    assert np.median(height) == pytest.approx(0.936 - 0.039, abs=0.02)


@pytest.mark.parametrize("action", ACTIONS)
def test_joints_bend_within_their_limits_and_the_right_way(action):
    points = figures(action)
    for side in ("left", "right"):
        knee = bend(points, f"{side}_hip", f"{side}_knee", f"{side}_ankle")
        elbow = bend(points, f"{side}_shoulder", f"{side}_elbow", f"{side}_wrist")
        assert knee.max() <= LIMITS["knee"][1] + 1e-6
        assert elbow.max() <= LIMITS["elbow"][1] + 1e-6
        # A knee's shank goes backward of the thigh's line, whose forward is at right angles.
        thigh = at(points, f"{side}_knee") - at(points, f"{side}_hip")
        shank = at(points, f"{side}_ankle") - at(points, f"{side}_knee")
        turn = thigh[:, 2] * shank[:, 1] - thigh[:, 1] * shank[:, 2]
        assert (turn[knee > 5] < 0).all()
    assert (at(points, "left_hip")[:, 0] > at(points, "right_hip")[:, 0]).all()


def test_actions_look_like_what_they_are():
    sitting, raised, walking = figures("sitting"), figures("arms raised"), figures("walking")
    lap = at(sitting, "left_knee") - at(sitting, "left_hip")
    assert (lap[:, 2] > 0.15).all()
    assert np.median(bend(sitting, "left_hip", "left_knee", "left_ankle")) > 60
    above = at(raised, "left_wrist")[:, 1] > at(raised, "left_shoulder")[:, 1]
    assert above.mean() > 0.6
    left, right = at(walking, "left_knee")[:, 2], at(walking, "right_knee")[:, 2]
    assert np.corrcoef(left, right)[0, 1] < -0.5
    reaching = figures("reaching")
    reach = np.maximum(at(reaching, "left_wrist")[:, 2], at(reaching, "right_wrist")[:, 2])
    assert np.median(reach) > 0.25


def test_a_face_looks_forward():
    points = figures("standing")
    ears = (at(points, "left_ear") + at(points, "right_ear")) / 2
    eyes = (at(points, "left_eye") + at(points, "right_eye")) / 2
    nose = np.linalg.norm(at(points, "nose") - ears, axis=-1)
    assert (nose > np.linalg.norm(eyes - ears, axis=-1)).all()
    assert ((at(points, "nose") - ears)[:, 2] > 0).mean() > 0.95


def test_scenes_are_annotated_like_coco(scenes):
    truth, pictures = scenes
    assert len(pictures) == len(truth.images) == 60
    counts = np.bincount(truth.image, minlength=60)
    assert counts.min() == 1
    assert 3 < counts.max() <= 5
    sizes = np.array([(r.width, r.height) for r in truth.images])
    assert [p.shape for p in pictures] == [(h, w) for w, h in sizes]
    inside = (truth.xy >= -0.5) & (truth.xy <= sizes[truth.image][:, None] - 0.5)
    assert inside.all(-1)[truth.present].all()
    assert (truth.present == (truth.score > 0)).all()
    assert truth.present.sum(1).min() >= 4
    share = [(truth.score == v).mean() for v in (0, 1, 2)]
    assert share == pytest.approx([0.2, 0.1, 0.7], abs=0.07)
    extent = truth.box[:, 2:] - truth.box[:, :2]
    fill = truth.area / extent.prod(1)
    # Segments of COCO persons fill .53 of their boxes (`refine.oks.BOX_FRACTION`).
    assert 0.35 < np.median(fill) < 0.6
    assert fill.max() <= 1
    assert {e["action"] for e in truth.extra} == set(ACTIONS)


def test_visible_joints_lie_on_somebody(scenes):
    truth, pictures = scenes
    paper = max(int(p.max()) for p in pictures)
    on = []
    for pose, joint in np.argwhere(truth.score == 2):
        x, y = truth.xy[pose, joint].round().astype(int)
        on.append(pictures[truth.image[pose]][y, x] < paper)
    assert np.mean(on) > 0.97


def test_some_people_overlap_and_some_leave_the_picture(scenes):
    truth, _ = scenes
    _, start = neighbours(truth.box, truth.image)
    assert (np.diff(start) > 0).mean() > 0.2
    sizes = np.array([(r.width, r.height) for r in truth.images])[truth.image]
    assert (truth.box[:, 3] == sizes[:, 1]).mean() > 0.1


def test_a_seed_is_a_sample():
    first, second, other = (make_people(4, np.random.default_rng(s)) for s in (3, 3, 4))
    np.testing.assert_array_equal(first[0].xy, second[0].xy)
    assert all((a == b).all() for a, b in zip(first[1], second[1], strict=True))
    assert first[0].xy.shape != other[0].xy.shape or (first[0].xy != other[0].xy).any()


def test_truth_is_written_as_coco(scenes):
    truth, _ = scenes
    document = write_ground_truth(truth, None)
    assert set(document) == {"images", "annotations", "categories"}
    perfect = truth.replace(instance_score=np.ones(len(truth)))
    assert refine.evaluate(document, perfect)["AP"] == pytest.approx(1.0)


def test_predictions_err_like_a_bottom_up_network(scenes, predictions):
    truth, _ = scenes
    assert [e["id"] for e in predictions.extra] == list(range(1, len(predictions) + 1))
    assert len(predictions) > len(truth)
    assert (np.diff(predictions.image) >= 0).all()
    assert predictions.present.any(1).all()
    labelled = (truth.score > 0).mean()
    assert 0.4 * labelled < predictions.present.mean() < 0.95 * labelled
    assert ((predictions.instance_score > 0) & (predictions.instance_score < 1)).all()
    assert (np.isfinite(predictions.score) == predictions.present).all()
    score = refine.evaluate(truth, predictions)
    assert 0.1 < score["AP"] < 0.6


def test_keypoint_scores_tell_something_about_quality(scenes):
    truth, _ = scenes
    found = make_predictions(truth, np.random.default_rng(2))
    # The first answer for every person keeps the order of the truth within its image.
    quality, score = [], []
    for image in range(len(truth.images)):
        mine, theirs = (
            truth[truth.image == image],
            found[found.image == image][: sum(truth.image == image)],
        )
        ks = keypoint_similarity(mine.xy, theirs.xy, mine.area, BODY.require_sigmas())
        quality.append(ks[np.isfinite(ks)])
        score.append(theirs.score[np.isfinite(ks)])
    quality, score = np.concatenate(quality), np.concatenate(score)
    assert 0.5 < quality.mean() < 0.95
    assert np.corrcoef(quality, score)[0, 1] > 0.15


def test_suppression_finds_the_twins(scenes, predictions):
    twins = len(predictions) - len(scenes[0])
    removed = len(predictions) - len(refine.suppress(predictions, threshold=0.9))
    assert twins * 0.5 <= removed <= twins * 1.2


def test_predictions_ask_for_ground_truth():
    bare = Poses.from_arrays(BODY, np.zeros((1, 17, 2)))
    with pytest.raises(ArrayError, match="ground truth with area"):
        make_predictions(bare, np.random.default_rng(0))
    with pytest.raises(ArrayError, match="with boxes"):
        make_heatmaps(bare, np.random.default_rng(0))
    with pytest.raises(ArrayError, match="at least 1 image"):
        make_people(0, np.random.default_rng(0))


def test_heatmaps_peak_where_the_joints_are(scenes):
    truth = scenes[0][:20]
    maps = make_heatmaps(truth, np.random.default_rng(0))
    cells = maps["cells"]
    margin = np.minimum(cells, np.array([47, 63]) - cells).min(-1)
    inside = margin > 6
    assert inside.sum() > 100
    xy, peak = decode_heatmaps(maps["heatmaps"])
    assert np.linalg.norm(xy - cells, axis=-1)[inside].mean() < 0.1
    assert peak[inside & (truth.score == 2)].mean() > peak[inside & (truth.score == 1)].mean()
    assert peak[truth.score == 0].max() < 0.2


def test_decode_puts_heatmaps_back_into_the_image(scenes):
    truth = scenes[0][:20]
    maps = make_heatmaps(truth, np.random.default_rng(0))
    poses = decode(raw_heatmaps(maps))
    assert [poses.images[i].id for i in poses.image] == [truth.images[i].id for i in truth.image]
    margin = np.minimum(maps["cells"], np.array([47, 63]) - maps["cells"]).min(-1)
    error = np.linalg.norm(poses.xy - truth.xy, axis=-1)
    cell = 4 / maps["affine_image_to_input"][:, 0, 0]
    assert ((error / cell[:, None])[margin > 6]).mean() < 0.1


def test_people_walk_across_a_video():
    truth, figures = make_video(2, 60, np.random.default_rng(0))
    assert figures.shape[:2] == (2, 60)
    assert np.bincount(truth.track).tolist() == [60, 60]
    hips = truth.xy[:, [BODY.index("left_hip"), BODY.index("right_hip")]].mean(1)
    steps = [np.diff(hips[truth.track == who][:, 0]) for who in (0, 1)]
    assert (steps[0] > 0).all()
    assert (steps[1] < 0).all()
    ankle = truth.xy[truth.track == 0][:, BODY.index("left_ankle"), 0]
    stands = np.abs(np.diff(ankle)) < 3
    assert 0.2 < stands.mean() < 0.8
    pictures = list(draw_frames(figures[:, :5], np.random.default_rng(0)))
    assert [p.shape for p in pictures] == [(480, 960)] * 5
    x, y = truth.xy[truth.image == 0].reshape(-1, 2).round().astype(int).T
    assert (pictures[0][y, x] < 240).mean() > 0.9
    with pytest.raises(ArrayError, match="at least 1 person"):
        make_video(0, 5, np.random.default_rng(0))
    late, _ = make_video(1, 200, np.random.default_rng(0))
    assert len(late) < 200
    assert np.isnan(late.xy).any()
