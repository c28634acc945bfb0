"""One-stage decoders: encoders, plain oracles and pitfalls; all outputs here are synthetic."""

import json

import numpy as np
import pytest

from refine.decode import (
    decode,
    decode_dcc,
    decode_dekr,
    decode_direct_pose,
    decode_yolo_output,
    decode_yolo_pose,
    decode_yolox_pose,
    keep_best,
    raw_image,
)
from refine.decode.dekr import (
    dekr_features,
    match_to_heatmaps,
    merge_flipped_dekr,
    rescore_dekr,
    sample_heatmaps,
)
from refine.decode.nms import box_nms, nearby_joints_nms
from refine.decode.one_stage import Detections, grid_points
from refine.decode.yolo_pose import YOLOV7_ANCHORS
from refine.exceptions import ArrayError, FormatError
from refine.oks import pairwise_oks
from refine.skeleton import skeleton

SIZE = (256, 192)
STRIDES = (8, 16, 32)
SIGMAS = skeleton("coco17").require_sigmas()
MIRROR = skeleton("coco17").mirror


def logit(p):
    return np.log(p) - np.log1p(-p)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.fixture
def people():
    """Three people, the third half outside: joints (3, 17, 2), tight boxes grown by 4 px."""
    rng = np.random.default_rng(7)
    corner, extent = np.array([[20.0, 30], [130, 20], [225, 60]]), np.array([60.0, 110])
    xy = corner[:, None] + rng.uniform(0, 1, (3, 17, 2)) * extent
    return xy, np.concatenate([xy.min(1) - 4, xy.max(1) + 4], 1)


def cells_of(box, strides=STRIDES, copies=3):
    """Cells next to the middle of each box: pairs of row in the grids and person."""
    cell, stride = grid_points(SIZE, strides)
    middle = np.clip((box[:, :2] + box[:, 2:]) / 2, 0, np.array(SIZE) - 1)
    away = np.abs((cell + 0.5) * stride[:, None] - middle[:, None]).max(-1) / stride
    return [(a, i) for i, row in enumerate(away) for a in np.argsort(row)[:copies]]


def oks(found, xy):
    area = np.prod(np.ptp(xy, axis=1), 1)
    return pairwise_oks(xy, found, area, SIGMAS)


def encode_v8(people, version, sides=16, noise=0.0):
    """Answers at three cells a person, sure in the first."""
    rng = np.random.default_rng(1)
    xy, box = people
    cell, stride = grid_points(SIZE, STRIDES)
    raw = np.zeros((4 * sides + 1 + 51, len(cell)))
    raw[4 * sides] = logit(0.01)
    for rank, (a, i) in enumerate(cells_of(box)):
        c, s = cell[a], stride[a]
        raw[4 * sides, a] = logit(0.9 - 0.1 * (rank % 3))
        away = np.concatenate([(c + 0.5) * s - box[i, :2], box[i, 2:] - (c + 0.5) * s]) / s
        if sides == 1:
            raw[:4, a] = away
        else:
            hot = np.clip(1 - np.abs(np.arange(sides) - np.clip(away, 0, sides - 1)[:, None]), 0, 1)
            raw[: 4 * sides, a] = np.log(np.maximum(hot, 1e-30)).ravel()
        joints = xy[i] + noise * rng.normal(size=(17, 2))
        place = {"v8": (joints / s - c) / 2, "v26": joints / s - c - 0.5}[version]
        raw[4 * sides + 1 :, a] = np.column_stack([place, np.full(17, logit(0.8))]).ravel()
    return raw


def encode_v5(people):
    xy, box = people
    strides = (*STRIDES, 64)
    rows = []
    for s, anchors in zip(strides, YOLOV7_ANCHORS, strict=True):
        cell, _ = grid_points(SIZE, (s,))
        middle = np.clip((box[:, :2] + box[:, 2:]) / 2, 0, np.array(SIZE) - 1)
        for anchor in np.array(anchors, float):
            table = np.full((len(cell), 57), -9.0)
            for i in range(3):
                a = np.abs((cell + 0.5) * s - middle[i]).max(1).argmin()
                share = np.r_[
                    ((box[i, :2] + box[i, 2:]) / 2 / s - cell[a] + 0.5) / 2,
                    np.sqrt((box[i, 2:] - box[i, :2]) / anchor) / 2,
                ]
                if not ((share > 0) & (share < 1)).all():
                    continue
                place = (xy[i] / s - cell[a] + 0.5) / 2
                joints = np.column_stack([place, np.full(17, 1.5)])
                table[a] = np.r_[logit(share), 2.0, 3.0, joints.ravel()]
            rows.append(table)
    return np.concatenate(rows)


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


def exported(people, layout, noise=0.5, people_seen=17):
    found = decode_yolo_pose(encode_v8(people, "v8", noise=noise), 17, SIZE, threshold=0.5)
    joints = np.concatenate([found.xy, found.score[..., None]], 2).reshape(len(found.xy), -1)
    score = found.instance_score[:, None]
    middle = (found.box[:, :2] + found.box[:, 2:]) / 2
    extent = found.box[:, 2:] - found.box[:, :2]
    if layout == "v8":
        return found, np.concatenate([middle, extent, score, joints], 1).T
    if layout == "v5":
        return found, np.concatenate([middle, extent, score**0.5, score**0.5, joints], 1)
    kept = keep_best(found)
    joints = np.concatenate([kept.xy, kept.score[..., None]], 2).reshape(len(kept.xy), -1)
    score = kept.instance_score[:, None]
    return kept, np.concatenate([kept.box, score, np.zeros_like(score), joints], 1)


@pytest.mark.parametrize("layout", ["v8", "v5", "end2end"])
def test_exported_layouts(people, layout):
    found, output = exported(people, layout)
    got = decode_yolo_output(output, 17, layout)
    for a, b in zip(got, found, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-9)
    if layout == "v8":
        for a, b in zip(decode_yolo_output(output.T, 17), found, strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-9)
    assert len(decode_yolo_output(output, 17, layout, threshold=0.85).xy) == 3


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
    assert box_nms(box, score, threshold, most=5).tolist() == kept[:5].tolist()
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
        got = nearby_joints_nms(xy, score, 0.05, joints, most=60)
        assert got.tolist() == oracle_nearby(xy, score, 0.05, 8 if joints is None else joints)
    few = nearby_joints_nms(xy, score, 0.05, most=3)
    assert (
        few.tolist() == sorted(nearby_joints_nms(xy, score, most=60), key=lambda j: -score[j])[:3]
    )
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
    found = Detections(xy, np.ones((3, 17)), box, np.array([0.9, 0.8, 0.7]))
    assert keep_best(found).instance_score.tolist() == [0.9]
    apart = keep_best(found, "oks", 0.9, sigmas=SIGMAS)
    assert apart.instance_score.tolist() == [0.9, 0.7]
    assert keep_best(found, "none", most=2).instance_score.tolist() == [0.9, 0.8]


def encode_points(people, strides, shift):
    """Offsets in cells from points at (c + shift) s, classes, extra rows."""
    xy, box = people
    cell, stride = grid_points(SIZE, strides)
    n = len(cell)
    cls, offsets = np.full((n, 1), -6.0), np.zeros((n, 34))
    sides = np.zeros((n, 4))
    for a, i in cells_of(box, strides):
        point = (cell[a] + shift) * stride[a]
        offsets[a] = ((xy[i] - point) / stride[a]).ravel()
        sides[a, :2] = ((box[i, :2] + box[i, 2:]) / 2 - point) / stride[a]
        sides[a, 2:] = np.log((box[i, 2:] - box[i, :2]) / stride[a])
        cls[a] = 3.0
    return cls, offsets, sides


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


def encode_dcc(people, bins=(192, 256), padding=1.25):
    xy, box = people
    middle, extent = (box[:, :2] + box[:, 2:]) / 2, (box[:, 2:] - box[:, :2]) * padding
    at = ((xy - middle[:, None]) / extent[:, None] + 0.5) * (np.array(bins) - 1)
    return [
        np.log(np.maximum(np.clip(1 - np.abs(np.arange(b) - at[..., i, None]), 0, 1), 1e-30))
        for i, b in enumerate(bins)
    ]


def test_dcc_bins_span_the_grown_box(people):
    xy, box = people
    x, y = encode_dcc(people)
    np.testing.assert_allclose(decode_dcc(x, y, box), xy, rtol=0, atol=1e-9)
    ends = np.full((1, 1, 192), -99.0)
    ends[..., -1] = 0
    right = decode_dcc(ends, ends, [[0.0, 0, 100, 200]])
    np.testing.assert_allclose(right, [[[112.5, 225]]])


def encode_dekr(people, stride=4, sigma=2.0):
    """Heatmaps of joints and centres at stride 4, offsets from the cells near the centre."""
    xy, _ = people
    width, height = SIZE[0] // stride, SIZE[1] // stride
    y, x = np.mgrid[:height, :width]
    centre = np.clip(xy.mean(1), 0, np.array(SIZE) - 1)
    maps = np.zeros((18, height, width))
    offsets = np.zeros((34, height, width))
    for joints, middle in zip(xy, centre, strict=True):
        for k, (px, py) in enumerate([*joints, middle]):
            g = np.exp(-((x - px / stride) ** 2 + (y - py / stride) ** 2) / 2 / sigma**2)
            maps[k] = np.maximum(maps[k], g)
        near = (np.abs(x - middle[0] / stride) < 3) & (np.abs(y - middle[1] / stride) < 3)
        away = np.stack([x, y])[None] - (joints / stride)[:, :, None, None]
        offsets = np.where(near, away.reshape(34, height, width), offsets)
    return maps, offsets


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


AFFINE = [[0.5, 0, 10], [0, 0.5, 6]]


def shell(cli, tmp_path, preset, *options, **arrays):
    np.savez(tmp_path / "000000000042.npz", affine=AFFINE, input_size=SIZE, **arrays)
    path = tmp_path / "000000000042.npz"
    got = cli("decode", path, "--preset", preset, "-o", "-", "--precision", 6, *options)
    assert got.code == 0, got.err
    return json.loads(got.out)


def check(found, xy, atol=1e-3):
    got = np.array([p["keypoints"] for p in found]).reshape(len(found), 17, 3)[..., :2]
    expected = (xy - [10, 6]) / 0.5
    assert len(got) == len(xy)
    assert {p["image_id"] for p in found} == {42}
    best = oks(got, expected).argmax(1)
    np.testing.assert_allclose(got[best], expected, rtol=0, atol=atol)


@pytest.mark.parametrize(
    ("preset", "version", "sides"), [("yolov8-pose", "v8", 16), ("yolo26-pose", "v26", 1)]
)
def test_yolo_heads_from_the_shell(tmp_path, cli, people, preset, version, sides):
    found = shell(cli, tmp_path, preset, raw=encode_v8(people, version, sides))
    check(found, people[0])
    oks_too = shell(
        cli, tmp_path, preset, "--set", "suppress=oks", raw=encode_v8(people, version, sides)
    )
    check(oks_too, people[0])


@pytest.mark.parametrize("preset", ["yolov8-pose", "yolo26-pose", "yolov5-pose"])
@pytest.mark.parametrize("batch", [False, True])
def test_yolo_exports_from_the_shell(tmp_path, cli, people, preset, batch):
    layout = {"yolov8-pose": "v8", "yolo26-pose": "end2end", "yolov5-pose": "v5"}[preset]
    _, output = exported(people, layout, noise=0.0)
    found = shell(cli, tmp_path, preset, output0=output[None] if batch else output)
    check(found, people[0])
    assert all(0.89 < p["score"] < 0.91 for p in found)


def test_yolov5_heads_from_the_shell(tmp_path, cli, people):
    check(shell(cli, tmp_path, "yolov5-pose", raw=encode_v5(people)), people[0])


def test_end_to_end_outputs_are_not_suppressed(tmp_path, cli, people):
    _, output = exported(people, "end2end", noise=0.0)
    twice = np.concatenate([output, output])
    assert len(shell(cli, tmp_path, "yolo26-pose", output0=twice)) == 6
    assert len(shell(cli, tmp_path, "yolo26-pose", "--set", "suppress=box", output0=twice)) == 3


def test_yolox_and_directpose_from_the_shell(tmp_path, cli, people):
    cls, offsets, sides = encode_points(people, STRIDES, 0.0)
    n = len(cls)
    found = shell(
        cli, tmp_path, "yolox-pose", cls=cls, objectness=np.full((n, 1), 2.0), boxes=sides,
        offsets=offsets, visibility=np.zeros((n, 17)),
    )  # fmt: skip
    check(found, people[0])
    cls, offsets, _ = encode_points(people, (8, 16, 32, 64, 128), 0.5)
    heads = {"cls": cls, "centerness": np.ones_like(cls), "offsets": offsets}
    check(shell(cli, tmp_path, "directpose", **heads), people[0])


def test_rtmo_from_the_shell(tmp_path, cli, people):
    xy, box = people
    dets = np.column_stack([box, [0.9, 0.8, 0.7]])
    x, y = encode_dcc(people)
    seen = np.full((3, 17), 0.5)
    check(shell(cli, tmp_path, "rtmo", dets=dets, x_maps=x, y_maps=y, visibility=seen), xy)
    keypoints = np.concatenate([xy, seen[..., None]], 2)
    check(shell(cli, tmp_path, "rtmo", dets=dets[None], keypoints=keypoints[None]), xy)
    check(shell(cli, tmp_path, "rtmo", dets=dets[:1], keypoints=keypoints[:1]), xy[:1])


def test_dekr_from_the_shell(tmp_path, cli, people):
    maps, offsets = encode_dekr(people)
    check(
        shell(cli, tmp_path, "dekr", "--set", "threshold=0.5", heatmaps=maps, offsets=offsets),
        people[0],
    )
    np.savez(
        tmp_path / "net.npz",
        **{"l1.weight": np.zeros((4, 74)), "l1.bias": np.ones(4)},
        **{"l2.weight": np.full((1, 4), 0.5), "l2.bias": np.zeros(1)},
    )
    rescored = shell(
        cli, tmp_path, "dekr", "--set", "threshold=0.5", "--set", f"rescore={tmp_path / 'net.npz'}",
        heatmaps=maps, offsets=offsets,
    )  # fmt: skip
    plain = shell(cli, tmp_path, "dekr", "--set", "threshold=0.5", heatmaps=maps, offsets=offsets)
    twice = [p["score"] * 2 for p in plain]
    np.testing.assert_allclose([p["score"] for p in rescored], twice, rtol=1e-5)
    shell(cli, tmp_path, "dekr", "--set", "match=true", heatmaps=maps, offsets=offsets)


@pytest.mark.parametrize("noise", [1.0, 3.0])
def test_noise_lowers_oks_only_so_far(people, noise):
    raw = encode_v8(people, "v8", noise=noise)
    kept = keep_best(decode_yolo_pose(raw, 17, SIZE, threshold=0.5), "oks", 0.9, sigmas=SIGMAS)
    assert (oks(kept.xy, people[0]).max(1) > (0.95 if noise == 1 else 0.7)).all()


def test_nothing_found():
    empty = raw_image({"output0": np.zeros((56, 84)), "affine": AFFINE, "input_size": (64, 64)})
    poses = decode(empty, "yolov8-pose")
    assert len(poses) == 0
    assert len(poses.images) == 1
    xy, score, instance = decode_dekr(np.zeros((18, 8, 8)), np.zeros((34, 8, 8)))
    assert (xy.shape, score.shape, instance.shape) == ((0, 17, 2), (0, 17), (0,))


def test_bad_input(tmp_path, cli):
    with pytest.raises(ArrayError, match="of v5, v8, v26"):
        decode_yolo_pose(np.zeros((116, 84)), 17, (64, 64), version="v9")
    with pytest.raises(ArrayError, match="84 columns"):
        decode_yolo_pose(np.zeros((116, 85)), 17, (64, 64))
    with pytest.raises(ArrayError, match="1 class and 17 joints"):
        decode_yolo_pose(np.zeros((98, 84)), 17, (64, 64))
    with pytest.raises(ArrayError, match="56 or 39 values"):
        decode_yolo_output(np.zeros((55, 84)), 17)
    with pytest.raises(ArrayError, match="offsets"):
        decode_dekr(np.zeros((18, 8, 8)), np.zeros((34, 8, 9)))
    with pytest.raises(ArrayError, match="finite boxes"):
        box_nms([[0, 0, np.nan, 1]], [1.0])
    with pytest.raises(ArrayError, match="with sigmas"):
        keep_best(Detections(*(np.zeros(s) for s in ((0, 17, 2), (0, 17), (0, 4), (0,)))), "oks")
    raw = raw_image({"output0": np.zeros((55, 84)), "affine": AFFINE}, where="a.npz")
    with pytest.raises(FormatError, match=r"a\.npz.*another layout"):
        decode(raw, "yolov8-pose")
    with pytest.raises(FormatError, match="size of the network input"):
        decode(raw_image({"raw": np.zeros((116, 84)), "affine": AFFINE}), "yolov8-pose")
    np.savez(tmp_path / "a.npz", output0=np.zeros((56, 84)))
    got = cli("decode", tmp_path / "a.npz", "--preset", "yolov8-pose", "-o", tmp_path / "o.json")
    assert got.code == 3
    assert "Traceback" not in got.err
    assert not (tmp_path / "o.json").exists()
