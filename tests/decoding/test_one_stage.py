"""One-stage decoders: encoders, plain oracles and pitfalls; all outputs here are synthetic."""

import numpy as np
import pytest

from refine.decoding import (
    decode_dcc,
    decode_dekr,
    decode_direct_pose,
    decode_yolo_output,
    decode_yolo_pose,
    decode_yolox_pose,
    keep_best,
)
from refine.decoding.one_stage.dekr import (
    dekr_features,
    match_to_heatmaps,
    merge_flipped_dekr,
    rescore_dekr,
    sample_heatmaps,
)
from refine.decoding.one_stage.nms import box_nms, nearby_joints_nms
from refine.decoding.one_stage.yolo import YOLOV7_ANCHORS
from refine.decoding.people import Detections
from refine.exceptions import ArrayError
from tests.oracles.one_stage import (
    MIRROR,
    SIGMAS,
    SIZE,
    STRIDES,
    encode_dcc,
    encode_dekr,
    encode_points,
    encode_v5,
    encode_v8,
    exported,
    oks,
    sigmoid,
)


@pytest.mark.parametrize(("version", "sides"), [("v8", 16), ("v8", 1), ("v26", 1)])
def test_yolo_round_trips(people, version, sides):
    xy, box = people
    raw = encode_v8(people, version, sides)
    every = decode_yolo_pose(raw, 17, SIZE, version=version)
    assert every.xy.shape == (raw.shape[1], 17, 2)
    kept = keep_best(decode_yolo_pose(raw, 17, SIZE, version=version, threshold=0.5))
    assert len(kept.xy) == 3
    order = np.argsort(kept.xy[:, 0, 0])
    same = np.argsort(xy[:, 0, 0])
    np.testing.assert_allclose(kept.xy[order], xy[same], rtol=0, atol=1e-9)
    np.testing.assert_allclose(kept.box[order], box[same], rtol=0, atol=1e-6)
    np.testing.assert_allclose(kept.instance_score, 0.9)
    np.testing.assert_allclose(kept.score, 0.8)


def test_v5_round_trip_and_its_half_cell(people):
    xy, box = people
    raw = encode_v5(people)
    found = decode_yolo_pose(raw, 17, SIZE, (*STRIDES, 64), "v5", threshold=0.5)
    kept = keep_best(found)
    assert len(kept.xy) == 3
    order, same = np.argsort(kept.xy[:, 0, 0]), np.argsort(xy[:, 0, 0])
    np.testing.assert_allclose(kept.xy[order], xy[same], rtol=0, atol=1e-9)
    np.testing.assert_allclose(kept.box[order], box[same], rtol=0, atol=1e-6)
    np.testing.assert_allclose(kept.instance_score, sigmoid(2) * sigmoid(3))


def test_the_same_answer_lies_half_a_cell_lower_in_v5():
    """Mixing the two up shifts every joint by half a stride, 4 to 16 px."""
    first = decode_yolo_pose(
        np.zeros((48, 57)), 17, (32, 32), (8,), "v5", anchors=YOLOV7_ANCHORS[:1]
    )
    second = decode_yolo_pose(np.zeros((116, 16)), 17, (32, 32), (8,), "v8").xy
    np.testing.assert_allclose(second - first.xy[:16], 4.0)
    third = decode_yolo_pose(np.zeros((56, 16)), 17, (32, 32), (8,), "v26").xy
    np.testing.assert_allclose(third - second, 4.0)


@pytest.mark.parametrize("layout", ["v8", "v5", "end2end"])
def test_exported_layouts(people, layout):
    found, output = exported(people, layout)
    got = decode_yolo_output(output, 17, layout)
    for a, b in zip(got[:4], found[:4], strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-9)
    if layout == "v8":
        for a, b in zip(decode_yolo_output(output.T, 17)[:4], found[:4], strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-9)
    assert len(decode_yolo_output(output, 17, layout, threshold=0.85).xy) == 3


def with_classes(table, head, classes, best):
    """Spread the score of one class over several: the best class of each row has it."""
    scores = np.zeros((len(table), classes))
    scores[np.arange(len(table)), best] = table[:, head]
    return np.concatenate([table[:, :head], scores, table[:, head + 1 :]], 1)


@pytest.mark.parametrize("classes", [2, 3, 19, 80])
@pytest.mark.parametrize("layout", ["v8", "v5"])
@pytest.mark.parametrize("dims", [3, 2])
def test_outputs_of_several_classes(people, layout, classes, dims):
    found, output = exported(people, layout)
    table = output.T if layout == "v8" else output
    head = {"v8": 4, "v5": 5}[layout]
    if dims == 2:
        joints = table[:, head + 1 :].reshape(len(table), 17, 3)[..., :2]
        table = np.concatenate([table[:, : head + 1], joints.reshape(len(table), -1)], 1)
    best = np.arange(len(table)) % classes
    wide = with_classes(table, head, classes, best)
    cells = len(wide)
    for given in (wide, wide.T) if layout == "v8" else (wide,):
        got = decode_yolo_output(given, 17, layout, cells=cells)
        np.testing.assert_array_equal(got.label, best)
        np.testing.assert_allclose(got.xy, found.xy, rtol=0, atol=1e-9)
        np.testing.assert_allclose(got.box, found.box, rtol=0, atol=1e-9)
        np.testing.assert_allclose(got.instance_score, found.instance_score)
        assert np.isnan(got.score).all() == (dims == 2)
        told = decode_yolo_output(given, 17, layout, cells=cells, classes=classes)
        np.testing.assert_array_equal(told.xy, got.xy)


def test_values_that_are_no_classes_are_refused(people):
    """A table of 20 joints is none of 17 joints and 10 classes."""
    _, output = exported(people, "v8")
    wide = np.concatenate([output, output[-9:]]).T
    with pytest.raises(ArrayError, match="scores in"):
        decode_yolo_output(wide, 17)
    with pytest.raises(ArrayError, match=r"\(4\)"):
        decode_yolo_output(wide, 17, classes=4)
    with pytest.raises(ArrayError, match="whole numbers"):
        decode_yolo_output(np.full((5, 57), 0.5), 17, "end2end")


def test_heads_of_several_classes(people):
    raw = encode_v8(people, "v8")
    label = np.arange(raw.shape[1]) % 3
    wide = with_classes(raw.T, 64, 3, label).T
    wide[64:67][wide[64:67] == 0] = -9
    got = decode_yolo_pose(wide, 17, SIZE, classes=3, threshold=0.5)
    one = decode_yolo_pose(raw, 17, SIZE, threshold=0.5)
    np.testing.assert_array_equal(got.xy, one.xy)
    assert set(got.label.tolist()) <= {0, 1, 2}
    with pytest.raises(ArrayError, match="classes=C"):
        decode_yolo_pose(wide, 17, SIZE)
    v5 = encode_v5(people)
    more = np.insert(v5, 6, -9.0, axis=1)
    many = decode_yolo_pose(more, 17, SIZE, (*STRIDES, 64), "v5", classes=2, threshold=0.5)
    few = decode_yolo_pose(v5, 17, SIZE, (*STRIDES, 64), "v5", threshold=0.5)
    np.testing.assert_array_equal(many.xy, few.xy)
    assert not many.label.any()


def test_poses_of_different_classes_are_no_duplicates(people):
    xy, box = (np.concatenate([a, a]) for a in people)
    score = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4])
    found = Detections(xy, np.ones((6, 17)), score, box, np.repeat([4, 2], 3))
    for suppress in ("box", "oks"):
        kept = keep_best(found, suppress, 0.7, sigmas=SIGMAS)
        assert kept.label.tolist() == [4, 4, 4, 2, 2, 2]
        assert kept.instance_score.tolist() == score.tolist()
        assert len(keep_best(found, suppress, sigmas=SIGMAS, max_poses=4).xy) == 4
        assert len(keep_best(found._replace(label=None), suppress, sigmas=SIGMAS).xy) == 3


def oracle_box_nms(box, score, threshold):
    alive, kept = list(np.argsort(-score, kind="stable")), []
    while alive:
        i = alive.pop(0)
        kept.append(i)
        w = np.minimum(box[alive, 2], box[i, 2]) - np.maximum(box[alive, 0], box[i, 0])
        h = np.minimum(box[alive, 3], box[i, 3]) - np.maximum(box[alive, 1], box[i, 1])
        inner = np.maximum(w, 0) * np.maximum(h, 0)
        area = np.prod(box[:, 2:] - box[:, :2], 1)
        iou = inner / (area[alive] + area[i] - inner)
        alive = [j for j, v in zip(alive, iou, strict=True) if v <= threshold]
    return kept


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.7, 1.0])
def test_box_nms(threshold):
    rng = np.random.default_rng(0)
    low = rng.uniform(0, 60, (200, 2))
    box = np.concatenate([low, low + rng.uniform(5, 40, (200, 2))], 1)
    score = rng.integers(0, 20, 200) / 20
    kept = box_nms(box, score, threshold)
    assert kept.tolist() == oracle_box_nms(box, score, threshold)
    assert box_nms(box, score, threshold, max_poses=5).tolist() == kept[:5].tolist()
    assert len(box_nms(np.zeros((0, 4)), [])) == 0
    assert box_nms([[5, 5, 5, 5]] * 2, [1, 2]).tolist() == [1, 0]


def oracle_nearby(xy, score, distance, joints):
    diagonal = np.linalg.norm(np.ptp(xy, axis=1), axis=1)
    away = np.linalg.norm(xy[:, None] - xy, axis=-1)
    near = (away < distance * diagonal[:, None, None]).sum(2) > joints
    gone, kept = set(), []
    for i in np.argsort(-score, kind="stable"):
        if i in gone:
            continue
        group = np.flatnonzero(near[i])
        best = group[score[group].argmax()]
        if best not in gone:
            kept.append(best)
            gone |= set(group)
    return kept


def test_nearby_joints_nms():
    rng = np.random.default_rng(3)
    base = rng.uniform(0, 200, (12, 17, 2))
    xy = base[rng.integers(0, 12, 60)] + rng.normal(0, 6, (60, 17, 2))
    xy[::7] = (xy[::7] - 100) * 0.3 + 100
    score = rng.random(60)
    for joints in (None, 4, 12):
        got = nearby_joints_nms(xy, score, 0.05, joints, max_poses=60)
        assert got.tolist() == oracle_nearby(xy, score, 0.05, 8 if joints is None else joints)
    few = nearby_joints_nms(xy, score, 0.05, max_poses=3)
    everyone = nearby_joints_nms(xy, score, max_poses=60)
    assert few.tolist() == sorted(everyone, key=lambda j: -score[j])[:3]
    assert nearby_joints_nms(np.zeros((1, 17, 2)), [0.5]).tolist() == [0]
    assert len(nearby_joints_nms(np.zeros((0, 17, 2)), [])) == 0


def test_nearby_joints_nms_uses_the_diagonal_of_one_pose():
    """A small pose is near a large one around it, the large one is not near the small one."""
    large = np.linspace(0, 1, 17)[:, None] * [300.0, 300]
    small = large * 0.02 + 150 * 0.98
    xy = np.stack([large, small])
    assert nearby_joints_nms(xy, [0.9, 0.5], 0.6).tolist() == [0]
    assert nearby_joints_nms(xy, [0.5, 0.9], 0.6).tolist() == [1]
    assert nearby_joints_nms(xy[::-1], [0.5, 0.9], 0.6, by_score=False).tolist() == [0, 1]


def test_oks_nms_keeps_people_whose_boxes_overlap():
    """Two people in one box, and a copy of the first."""
    rng = np.random.default_rng(2)
    one = rng.uniform(0, 100, (17, 2))
    other = one[::-1].copy()
    xy = np.stack([one, one + 1, other])
    box = np.tile([0.0, 0, 100, 100], (3, 1))
    found = Detections(xy, np.ones((3, 17)), np.array([0.9, 0.8, 0.7]), box)
    assert keep_best(found).instance_score.tolist() == [0.9]
    apart = keep_best(found, "oks", 0.9, sigmas=SIGMAS)
    assert apart.instance_score.tolist() == [0.9, 0.7]
    assert keep_best(found, "none", max_poses=2).instance_score.tolist() == [0.9, 0.8]


def test_yolox_points_are_corners(people):
    xy, box = people
    cls, offsets, sides = encode_points(people, STRIDES, 0.0)
    n = len(cls)
    found = decode_yolox_pose(cls, np.full(n, 2.0), sides, offsets, np.zeros((n, 17)), SIZE)
    kept = keep_best(found, "box", 0.65)
    assert len(kept.xy) == 3
    assert (oks(kept.xy, xy).max(1) > 1 - 1e-9).all()
    np.testing.assert_allclose(np.sort(kept.box[:, 0]), np.sort(box[:, 0]))
    np.testing.assert_allclose(kept.instance_score, sigmoid(3) * sigmoid(2))
    np.testing.assert_allclose(kept.score, 0.5)


def test_directpose_points_are_middles(people):
    xy, _ = people
    cls, offsets, _ = encode_points(people, (8, 16, 32, 64, 128), 0.5)
    found = decode_direct_pose(cls, np.full(len(cls), 1.0), offsets, SIZE)
    kept = keep_best(found, "box", 0.6)
    assert len(kept.xy) == 3
    assert (oks(kept.xy, xy).max(1) > 1 - 1e-9).all()
    np.testing.assert_allclose(kept.instance_score, sigmoid(3) * sigmoid(1))
    np.testing.assert_allclose(kept.box, np.concatenate([kept.xy.min(1), kept.xy.max(1)], 1))
    assert np.isnan(kept.score).all()


def test_dcc_bins_span_the_grown_box(people):
    xy, box = people
    x, y = encode_dcc(people)
    np.testing.assert_allclose(decode_dcc(x, y, box), xy, rtol=0, atol=1e-9)
    ends = np.full((1, 1, 192), -99.0)
    ends[..., -1] = 0
    right = decode_dcc(ends, ends, [[0.0, 0, 100, 200]])
    np.testing.assert_allclose(right, [[[112.5, 225]]])


def test_dekr_round_trip(people):
    xy, _ = people
    found, score, instance = decode_dekr(*encode_dekr(people), threshold=0.5)
    assert (oks(found, xy).max(1) > 1 - 1e-9).all()
    assert len(found) == 3
    np.testing.assert_allclose(instance, score.mean(1))


def test_dekr_heat_is_read_at_whole_pixels():
    maps = np.random.default_rng(0).random((3, 6, 7)).astype(np.float32)
    xy = np.random.default_rng(1).uniform(-5, 30, (9, 3, 2))
    at = np.minimum(np.arange(7 * 4) / 4, 6), np.minimum(np.arange(6 * 4) / 4, 5)
    wide = np.stack([[np.interp(at[0], np.arange(7), r) for r in m] for m in maps])
    full = np.stack([[np.interp(at[1], np.arange(6), c) for c in w.T] for w in wide]).swapaxes(1, 2)
    px = np.clip(np.floor(xy), 0, [27, 23]).astype(int)
    expected = full[np.arange(3), px[..., 1], px[..., 0]]
    np.testing.assert_allclose(sample_heatmaps(maps, xy), expected, rtol=0, atol=1e-6)


def test_dekr_flip_is_exact_once_the_image_is_moved(people):
    """x -> W - 1 - x and 3 px to the left: W - 4 - x, which maps cells onto cells."""
    xy, box = people
    maps, offsets = encode_dekr(people)
    mirrored = xy[:, MIRROR] * (-1, 1) + (SIZE[0] - 4, 0)
    back = encode_dekr((mirrored, box))
    merged = merge_flipped_dekr(maps, offsets, *back, MIRROR)
    found, _, _ = decode_dekr(*merged, threshold=0.5)
    assert len(found) == 3
    inner = xy[:2]
    best = oks(found, inner).argmax(1)
    np.testing.assert_allclose(found[best], inner, rtol=0, atol=1e-4)


def test_dekr_match_moves_joints_to_their_peaks(people):
    xy, _ = people
    inside = (xy > 8).all(-1) & (xy < np.array(SIZE) - 12).all(-1)
    inside &= (
        np.linalg.norm(xy[:, None] - xy, axis=-1).min(
            1, where=~np.eye(3, dtype=bool)[..., None], initial=99
        )
        > 30
    )
    maps, _ = encode_dekr(people)
    off = xy + np.random.default_rng(0).uniform(-6, 6, xy.shape)
    got = match_to_heatmaps(maps[:-1], off, np.ones(xy.shape[:2]))
    assert inside.sum() > 20
    # The Gaussian is fitted to a linear interpolation of itself.
    assert np.abs(got - xy)[inside].max() < 0.5
    assert np.abs(off - xy)[inside].max() > 4
    still = match_to_heatmaps(np.zeros_like(maps[:-1]), off, np.ones(xy.shape[:2]))
    assert np.isfinite(still).all()


def test_dekr_rescoring():
    rng = np.random.default_rng(0)
    xy, score = rng.uniform(0, 200, (4, 17, 2)), rng.random((4, 17))
    features = dekr_features(xy, score)
    torso = (
        np.linalg.norm(xy[:, 5] - xy[:, 11], axis=1) + np.linalg.norm(xy[:, 6] - xy[:, 12], axis=1)
    ) / 2
    np.testing.assert_allclose(features[:, :2], (xy[:, 0] - xy[:, 1]) / torso[:, None])
    np.testing.assert_allclose(
        features[:, 56], np.linalg.norm(xy[:, 14] - xy[:, 16], axis=1) / torso
    )
    np.testing.assert_allclose(features[:, 57:], score)
    np.testing.assert_allclose(
        dekr_features(xy * 1e-5, score)[:, :38], features[:, :38] * torso[:, None] * 1e-5
    )
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Linear(74, 256), torch.nn.ReLU(), torch.nn.Linear(256, 256), torch.nn.ReLU(),
        torch.nn.Linear(256, 1),
    ).double()  # fmt: skip
    layers = [(m.weight.detach().numpy(), m.bias.detach().numpy()) for m in net[::2]]
    expected = net(torch.tensor(features))[:, 0].detach().numpy() * score[:, 0]
    np.testing.assert_allclose(rescore_dekr(xy, score, score[:, 0], layers), expected)


@pytest.mark.parametrize("noise", [1.0, 3.0])
def test_noise_lowers_oks_only_so_far(people, noise):
    raw = encode_v8(people, "v8", noise=noise)
    kept = keep_best(decode_yolo_pose(raw, 17, SIZE, threshold=0.5), "oks", 0.9, sigmas=SIGMAS)
    assert (oks(kept.xy, people[0]).max(1) > (0.95 if noise == 1 else 0.7)).all()
