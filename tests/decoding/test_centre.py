"""CenterNet and MoveNet decoders against plain transcriptions, and on synthetic outputs."""

import numpy as np
import pytest

from refine.decoding import decode, raw_image
from refine.decoding.centre.arrays import (
    decode_centernet,
    decode_movenet,
    decode_movenet_multipose,
    merge_centernet_flip,
)
from refine.exceptions import ArrayError, FormatError
from refine.oks import pairwise_oks
from refine.sample import make_people
from refine.skeletons import skeleton

BODY = skeleton("coco17")
K = len(BODY)
RNG = np.random.default_rng(0)


def logit(p):
    p = np.clip(p, 1e-4, 1 - 1e-4)
    return np.log(p / (1 - p))


def sigmoid(v):
    return 1 / (1 + np.exp(-np.float64(v)))


def encode(people, boxes, size, noise, rng, fraction=0.0):
    """Return CenterNet's heads for people (N, K, 2) with boxes xyxy, and noise. Synthetic.

    Missing joints have no peak, and are regressed to the centre. `fraction` is where in a cell
    the network sees its sample: cell i lies at (i + fraction) * 4 px.
    """
    w, h = (int(np.ceil(s / 4)) for s in size)
    y, x = np.mgrid[:h, :w]
    xy, box = people / 4 - fraction, boxes / 4 - fraction

    def blobs(points, sigma):
        points = points[np.isfinite(points).all(-1)]
        cells = np.floor(points)
        d2 = (x - cells[:, 0, None, None]) ** 2 + (y - cells[:, 1, None, None]) ** 2
        return np.exp(-d2 / 2 / sigma**2).max(0, initial=0.0), cells.astype(int), points - cells

    def inside(cells):
        return (cells >= 0).all(1) & (cells < (w, h)).all(1)

    middle = (box[:, :2] + box[:, 2:]) / 2
    heat, cells, _ = blobs(middle, 2)
    hops, wh, reg, step = (np.zeros((n, h, w)) for n in (2 * K, 2, 2, 2))
    # A network says much the same in the cells about a centre.
    for n, (u, v) in enumerate(cells):
        for j in range(max(0, v - 1), min(h, v + 2)):
            for i in range(max(0, u - 1), min(w, u + 2)):
                hops[:, j, i] = np.where(np.isfinite(xy[n]), xy[n] - [i, j], 0).ravel()
                wh[:, j, i] = box[n, 2:] - box[n, :2]
                reg[:, j, i] = middle[n] - [i, j]
    maps = []
    for k in range(K):
        m, at, left = blobs(xy[:, k], 1)
        maps.append(m)
        at, left = at[inside(at)], left[inside(at)]
        step[:, at[:, 1], at[:, 0]] = left.T
    hops += 6 * noise * rng.standard_normal(hops.shape)
    maps = np.clip(0.9 * np.array(maps) + noise * rng.random((K, h, w)), 0, 1)
    return [a.astype(np.float32) for a in (0.9 * heat, hops, wh, reg, maps, step)]


@pytest.fixture(scope="module")
def scenes():
    """Crowded and truncated people with noisy outputs."""
    rng = np.random.default_rng(5)
    truth, _ = make_people(10, rng)
    return [
        (truth[rows], encode(truth.xy[rows], truth.box[rows], (ref.width, ref.height), 0.05, rng))
        for ref, rows in truth.by_image()
    ]


def maxima(heat, reach):
    """Cells (column, row) and values of the maxima of a map, best first."""
    found = []
    for y, x in np.argwhere(heat > 0.05):
        window = heat[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1]
        if heat[y, x] >= window.max():
            found.append((heat[y, x], x, y))
    return sorted(found, key=lambda f: -f[0])


def plain_centernet(centre, hops, wh, reg, maps, step, k=100):
    """multi_pose_decode, one person and joint at a time; cells."""
    people, boxes, scores = [], [], []
    peaks = []
    for m in range(K):
        best = [(v, x, y) for v, x, y in maxima(maps[m], 1)[:k] if v > 0.1]
        peaks.append(np.array([[x, y] + step[:, y, x] for _, x, y in best]).reshape(-1, 2))
    for value, x, y in maxima(centre, 1)[:k]:
        pose = hops[:, y, x].reshape(K, 2) + np.array([x, y], float)
        low = np.array([x, y]) + reg[:, y, x] - wh[:, y, x] / 2
        high = low + wh[:, y, x]
        for m in range(K):
            if not len(peaks[m]):
                continue
            d = np.linalg.norm(peaks[m] - pose[m], axis=1)
            p = peaks[m][d.argmin()]
            if d.min() <= 0.3 * wh[:, y, x].max() and (p >= low).all() and (p <= high).all():
                pose[m] = p
        people.append(pose)
        boxes.append([*low, *high])
        scores.append(value)
    return np.array(people) * 4, np.array(scores), np.array(boxes) * 4


def test_centernet_is_the_plain_transcription(scenes):
    for _, heads in scenes[:3]:
        ours = decode_centernet(*heads)
        xy, score, box = plain_centernet(*heads)
        np.testing.assert_allclose(ours.xy, xy, atol=1e-3)
        np.testing.assert_allclose(ours.instance_score, score, atol=1e-6)
        np.testing.assert_allclose(ours.box, box, atol=1e-3)


def test_centernet_finds_synthetic_people(scenes):
    best = []
    for truth, heads in scenes:
        found = decode_centernet(*heads)
        sure = found.xy[found.instance_score > 0.3]
        best.extend(pairwise_oks(truth.xy, sure, truth.area, BODY.sigmas).max(1, initial=0))
    assert np.mean(best) > 0.9


def test_offsets_start_at_the_whole_cell():
    """Neither the centre's fraction nor half a cell is added to the regressed joints."""
    people = np.full((1, K, 2), 101.3)
    heads = encode(people, np.array([[50.0, 50, 151, 155]]), (240, 240), 0, RNG)
    found = decode_centernet(*heads[:4])
    np.testing.assert_allclose(found.xy, people, atol=1e-3)
    np.testing.assert_allclose(found.box, [[50, 50, 151, 155]], atol=1e-3)
    assert np.isnan(found.score).all()
    half = decode_centernet(*heads[:3])
    np.testing.assert_allclose(half.xy, people, atol=1e-3)
    np.testing.assert_allclose((half.box[0, :2] + half.box[0, 2:]) / 8 % 1, 0.5, atol=1e-3)


@pytest.mark.parametrize("why", ["box", "weak", "far", None])
def test_joints_stay_where_a_test_fails(why):
    people = np.full((1, K, 2), 100.0)
    heads = encode(people, np.array([[60.0, 60, 140, 140]]), (240, 240), 0, RNG)
    maps = np.zeros_like(heads[4])
    column = {"box": 36, "far": 31}.get(why, 29)
    people_at = 25 if why != "box" else 34
    heads[1][0::2] += people_at - 25
    maps[0, 25, column] = 0.1 if why == "weak" else 0.5
    heads[4], heads[5] = maps, np.zeros_like(heads[5])
    x = decode_centernet(*heads, max_poses=1, radius=0.25).xy[0, 0, 0] / 4
    assert x == (column if why is None else people_at)


def test_flip_merge_undoes_the_mirror():
    """The heads of a scene and of its mirror image, merged, are those of the scene."""
    people = RNG.uniform(60, 180, (1, K, 2))
    heads = encode(people, np.array([[50.0, 50, 190, 190]]), (240, 240), 0, RNG)
    centre, hops, wh, _, maps, _ = heads
    turned = hops.reshape(K, 2, *centre.shape)[BODY.mirror] * np.array([-1, 1])[:, None, None]
    mirrored = centre, turned.reshape(hops.shape), wh, maps[BODY.mirror]
    mirrored = tuple(m[..., ::-1] for m in mirrored)
    merged = merge_centernet_flip(centre, hops, wh, maps, mirrored, BODY.mirror)
    for ours, theirs in zip(merged, (centre, hops, wh, maps), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
    other = merge_centernet_flip(
        centre, hops, wh, maps, tuple(2 * m for m in mirrored), BODY.mirror
    )
    np.testing.assert_allclose(other[1], 1.5 * hops, atol=1e-5)


def plain_movenet(centre, scale, shift, regress, maps, step, k=6):
    """The graph of MoveNet.MultiPose, one person and joint at a time; probabilities, cells."""
    h, w = centre.shape
    y, x = np.mgrid[:h, :w]
    weights, poses, cells, value = [], [], [], []
    for v, i, j in maxima(centre, 2)[:k]:
        middle, size = np.array([j, i]) + shift[:, j, i], np.maximum(scale[:, j, i], 0)
        low = np.clip(middle - size / 2, 0, (h, w))
        high = np.clip(middle + size / 2, 0, (h, w))
        inside = (y >= low[0]) & (y < high[0]) & (x >= low[1]) & (x < high[1])
        pose, cell, each = [], [], []
        for m in range(K):
            a, b = [j, i] + regress[2 * m : 2 * m + 2, j, i]
            weight = maps[m] * np.exp(-((y - a) ** 2 + (x - b) ** 2) / (0.3 * min(h, w))) * inside
            r, c = np.unravel_index(weight.argmax(), weight.shape)
            pose.append([c + step[2 * m + 1, r, c], r + step[2 * m, r, c]])
            cell.append((r, c))
            each.append(weight)
        weights.append(each)
        poses.append(pose)
        cells.append(cell)
        value.append(v)
    n = range(len(poses))
    own = np.array([[weights[a][m][cells[a][m]] for m in range(K)] for a in n])
    most = np.array([[max(weights[b][m][cells[a][m]] for b in n) for m in range(K)] for a in n])
    return np.array(poses) * 4, own, most, np.array(value)


@pytest.mark.parametrize("compat", [None, "graph"])
def test_movenet_multipose_is_the_plain_transcription(compat):
    rng = np.random.default_rng(2)
    truth, _ = make_people(3, rng)
    for ref, rows in truth.by_image():
        size = ref.width // 2, ref.height // 2
        heads = encode(truth.xy[rows] / 2, truth.box[rows] / 2, size, 0.05, rng)
        turn = np.arange(2 * K).reshape(K, 2)[:, ::-1].ravel()
        step = np.tile(heads[5][::-1], (K, 1, 1))
        args = heads[0], heads[2][::-1], heads[3][::-1], heads[1][turn], heads[4] + 1e-4, step
        ours = decode_movenet_multipose(*args, logits=False, compat=compat)
        xy, own, most, value = plain_movenet(*args)
        np.testing.assert_allclose(ours.xy, xy, atol=1e-3)
        score = own if compat is None else most
        np.testing.assert_allclose(ours.score, score, atol=1e-6)
        counts = score > 0.127
        mean = (score * counts).sum(1) / np.maximum(counts.sum(1), 1)
        np.testing.assert_allclose(ours.instance_score, mean * value, atol=1e-6)
        other = decode_movenet_multipose(logit(args[0]), *args[1:4], logit(args[4]), step)
        np.testing.assert_allclose(other.xy[: len(rows)], ours.xy[: len(rows)], atol=1e-3)


def test_movenet_single_weighs_by_distance():
    rng = np.random.default_rng(4)
    h, w = 48, 48
    centre, maps = rng.random((h, w)), rng.random((K, h, w))
    hops, step = 8 * rng.standard_normal((2 * K, h, w)), rng.random((2 * K, h, w))
    y, x = np.mgrid[:h, :w]
    c = np.unravel_index((centre / (np.hypot(y - h / 2, x - w / 2) + 1.8)).argmax(), (h, w))
    found = decode_movenet(centre, hops, maps, step, logits=False)
    for m in range(K):
        a, b = np.array(c) + hops[2 * m : 2 * m + 2, c[0], c[1]]
        r, q = np.unravel_index((maps[m] / (np.hypot(y - a, x - b) + 1.8)).argmax(), (h, w))
        at = [4 * (q + step[2 * m + 1, r, q]), 4 * (r + step[2 * m, r, q])]
        np.testing.assert_allclose(found.xy[0, m], at, atol=1e-4)
        assert found.score[0, m] == pytest.approx(maps[m, r, q], abs=1e-6)
    assert found.instance_score == pytest.approx(found.score.mean(1))


def test_outputs_become_poses_in_image_px(scenes):
    truth, heads = scenes[0]
    affine = [[2, 0, 0], [0, 2, 8]]
    direct = decode_centernet(*heads)
    named = {
        "hm": logit(heads[0])[..., None],
        **{n: np.moveaxis(h, 0, -1) for n, h in zip(("hps", "wh", "reg"), heads[1:4], strict=True)},
        "hm_hp": np.moveaxis(logit(heads[4]), 0, -1),
        "hp_offset": np.moveaxis(heads[5], 0, -1),
    }
    poses = decode(raw_image({**named, "affine": affine}), "centernet", min_score=0.3)
    sure = direct.instance_score >= 0.3
    assert len(poses) == sure.sum() >= len(truth)
    np.testing.assert_allclose(poses.xy, (direct.xy[sure] - [0, 8]) / 2, atol=1e-3)
    flipped = {
        "hm_flipped": named["hm"][:, ::-1],
        "wh_flipped": named["wh"][:, ::-1],
        "hm_hp_flipped": named["hm_hp"][:, ::-1][..., BODY.mirror],
    }
    hops = named["hps"].reshape(*named["hps"].shape[:2], K, 2) * [-1, 1]
    flipped["hps_flipped"] = hops[:, ::-1][:, :, BODY.mirror].reshape(named["hps"].shape)
    both = raw_image({**named, **flipped, "affine": affine})
    np.testing.assert_allclose(decode(both, "centernet", min_score=0.3).xy, poses.xy, atol=1e-3)
    del flipped["hps_flipped"]
    with pytest.raises(FormatError, match="hps_flipped"):
        decode(raw_image({**named, **flipped, "affine": affine}), "centernet")
    alone = raw_image({**named, **flipped, "affine": affine})
    assert len(decode(alone, "centernet", flip=False, min_score=0.3)) == len(poses)


def test_bad_input_is_refused(scenes):
    heads = scenes[0][1]
    with pytest.raises(ArrayError, match="wh"):
        decode_centernet(heads[0], heads[1], heads[2][:1])
    with pytest.raises(ArrayError, match="at least 1"):
        decode_centernet(*heads, max_poses=0)
    with pytest.raises(ArrayError, match="keypoint_maps"):
        decode_centernet(*heads[:4], heads[4][:5])
    with pytest.raises(ArrayError, match="compat"):
        decode_movenet_multipose(*heads, compat="graphs")
    with pytest.raises(ArrayError, match="one shape"):
        merge_centernet_flip(*heads[:3], heads[4], heads[:4], BODY.mirror)
    nobody = decode_centernet(np.zeros_like(heads[0]), *heads[1:])
    assert nobody.xy.shape == (0, K, 2)
