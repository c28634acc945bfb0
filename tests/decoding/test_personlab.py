"""PersonLab decoders against plain transcriptions, and on synthetic outputs of known people."""

from dataclasses import replace

import numpy as np
import pytest

from refine.decoding import decode, raw_image
from refine.decoding.personlab.arrays import decode_personlab, personlab_rules, personlab_tree
from refine.decoding.personlab.kernels import expected_oks, hough
from refine.exceptions import ArrayError, FormatError, SkeletonError
from refine.oks import pairwise_oks
from refine.sample import make_people
from refine.skeletons import skeleton

BODY = skeleton("coco17")
K, STRIDE, DISC = len(BODY), 16, 32
EDGES = personlab_tree("coco17")
E = len(EDGES)
RULES = personlab_rules()


def encode(people, size, noise, rng):
    """Return what a perfect network would say of people (N, K, 2), and noise. Synthetic."""
    columns, rows = (int(np.ceil((s - 1) / STRIDE)) + 1 for s in size)
    y, x = np.mgrid[:rows, :columns] * float(STRIDE)
    cells = np.stack([x, y], -1)
    to = people[:, :, None, None] - cells
    far = np.nan_to_num(np.hypot(to[..., 0], to[..., 1]), nan=np.inf)
    whose = far.argmin(0)
    d = far.min(0)
    maps = np.clip(5 - 8 * (d / DISC) ** 2, -8, None) + noise * rng.standard_normal(d.shape)
    near = d < DISC

    def vectors(source, target):
        at = people[whose[source], target] - cells
        return np.where((near[source] & np.isfinite(at[..., 0]))[..., None], at, 0)

    short = np.stack([vectors(j, j) for j in range(K)])
    forth = np.stack([vectors(a, b) for a, b in EDGES])
    back = np.stack([vectors(b, a) for a, b in EDGES])
    short, forth, back = (
        v + 3 * noise * rng.standard_normal(v.shape) for v in (short, forth, back)
    )
    mid = [forth[..., 1], forth[..., 0], back[..., 1], back[..., 0]]
    return maps, np.concatenate([short[..., 1], short[..., 0]]), np.concatenate(mid)


@pytest.fixture(scope="module")
def scenes():
    """Crowded and truncated people with noisy outputs."""
    rng = np.random.default_rng(7)
    truth, _ = make_people(12, rng)
    parts = []
    for ref, rows in truth.by_image():
        heads = encode(truth.xy[rows], (ref.width, ref.height), 0.3, rng)
        parts.append((truth[rows], [h.astype(np.float32) for h in heads]))
    return parts


def candidates(maps, least):
    """Local maxima (value, joint, x, y), best first, row by row where equal."""
    found = []
    k, h, w = maps.shape
    for y, x, j in np.ndindex(h, w, k):
        window = maps[j, max(0, y - 1) : y + 2, max(0, x - 1) : x + 2]
        if maps[j, y, x] >= max(least, window.max()):
            found.append((maps[j, y, x], j, x, y))
    return sorted(found, key=lambda c: -c[0])


def sigmoid(v):
    return 1 / (1 + np.exp(-np.float64(v)))


def tfjs(maps, short, mid, limit=20, radius=20.0, steps=2):
    """decodeMultiplePoses, joint by joint."""
    _, h, w = maps.shape

    def cell(p):
        return tuple(
            int(np.clip(np.floor(v / STRIDE + 0.5), 0, n - 1))
            for v, n in zip(p, (w, h), strict=True)
        )

    def corrected(x, y, j):
        return np.array([x * STRIDE + short[K + j, y, x], y * STRIDE + short[j, y, x]], float)

    poses = []
    for value, j, x, y in candidates(maps, 0.0):
        at = corrected(x, y, j)
        if len(poses) == limit:
            break
        if any(np.sum((p[j] - at) ** 2) <= radius**2 for p, _, _ in poses):
            continue
        xy, score = {j: at}, {j: sigmoid(value)}
        walk = [(e, b, a, 2 * E) for e, (a, b) in reversed(list(enumerate(EDGES)))]
        for e, a, b, first in walk + [(e, a, b, 0) for e, (a, b) in enumerate(EDGES)]:
            if a not in xy or b in xy:
                continue
            u, v = cell(xy[a])
            p = xy[a] + [mid[first + E + e, v, u], mid[first + e, v, u]]
            for _ in range(steps):
                p = corrected(*cell(p), b)
            u, v = cell(p)
            xy[b], score[b] = p, sigmoid(maps[b, v, u])
        xy = np.array([xy[k] for k in range(K)])
        free = [all(np.sum((p[k] - xy[k]) ** 2) > radius**2 for p, _, _ in poses) for k in range(K)]
        score = np.array([score[k] for k in range(K)])
        poses.append((xy, score, score[free].sum() / K))
    return [np.array(part) for part in zip(*poses, strict=True)]


def coral(maps, short, mid, limit=100, threshold=0.2, radius=10.0, steps=5, slip=False):
    """DecodeAllPoses, joint by joint; everything in cells."""
    _, h, w = maps.shape
    top = np.array([w, h]) - 1.0
    short, mid = short / STRIDE, mid / STRIDE

    def read(array, c, p):
        x, y = np.clip(p, 0, top)
        i, j = int(x), int(y)
        a, b = min(i + 1, w - 1), min(j + 1, h - 1)
        fx, fy = x - i, y - j
        upper = (1 - fx) * array[c, j, i] + fx * array[c, j, a]
        return (1 - fy) * upper + fy * ((1 - fx) * array[c, b, i] + fx * array[c, b, a])

    def moved(p, array, dy, dx):
        return np.clip(p + np.array([read(array, dx, p), read(array, dy, p)]), 0, top)

    links = [(a, b, e) for e, (a, b) in enumerate(EDGES)]
    links += [(b, a, e + E) for e, (a, b) in enumerate(EDGES)]
    poses, r2 = [], (radius / STRIDE) ** 2
    for _, j, x, y in candidates(maps, -np.log(1 / (threshold + 1e-6) - 1)):
        root = np.clip([x + short[K + j, y, x], y + short[j, y, x]], 0, top)
        if len(poses) == limit:
            break
        if any(np.sum((p[j] - root) ** 2) <= r2 for p, _ in poses):
            continue
        queue, xy, score = [(read(maps, j, root), j, root)], {}, {}
        while queue:
            best = max(range(len(queue)), key=lambda i: queue[i][0])
            value, j, p = queue.pop(best)
            if j in xy:
                continue
            xy[j], score[j] = p, sigmoid(value)
            for a, b, e in links:
                if a != j or b in xy:
                    continue
                first = e + E if (e > E if slip else e >= E) else e
                q = moved(p, mid, first, first + E)
                for _ in range(steps):
                    q = moved(q, short, b, b + K)
                queue.append((read(maps, b, q), b, q))
        score = np.array([score[k] for k in range(K)])
        if score.mean() >= threshold:
            poses.append((np.array([xy[k] for k in range(K)]), score))
    order = sorted(range(len(poses)), key=lambda i: -poses[i][1].mean())
    final = {}
    for n, i in enumerate(order):
        near = [((poses[i][0] - poses[o][0]) ** 2).sum(1) <= r2 for o in order[:n]]
        free = ~np.any(near, axis=0) if near else np.full(K, True)
        final[i] = poses[i][1][free].sum() / K
    order = [i for i in sorted(order, key=lambda i: -final[i]) if final[i] >= threshold]
    xy = np.array([poses[i][0] for i in order]) * STRIDE
    return xy, np.array([poses[i][1] for i in order]), np.array([final[i] for i in order])


def test_tfjs_is_the_plain_transcription(scenes):
    for _, heads in scenes[:4]:
        for ours, theirs in zip(decode_personlab(*heads), tfjs(*heads), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4)


@pytest.mark.parametrize("slip", [False, True])
def test_coral_is_the_plain_transcription(scenes, slip):
    for _, heads in scenes[:4]:
        ours = decode_personlab(*heads, rules="coral", compat="edgetpu" if slip else None)
        for a, b in zip(ours, coral(*heads, slip=slip), strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-3)


def test_edgetpu_takes_the_wrong_channels():
    """From the left eye to the nose; short offsets would lead most joints back."""
    people = np.full((1, K, 2), 150.0)
    people[0, :, 0] += np.arange(K) * 20
    maps, short, mid = encode(people, (600, 400), 0, np.random.default_rng(0))
    maps[1] += 1
    rules = replace(RULES["coral"], steps=0, max_poses=1)
    right = decode_personlab(maps, short, mid, rules=rules)
    wrong = decode_personlab(maps, short, mid, rules=rules, compat="edgetpu")
    np.testing.assert_allclose(right.xy, people, atol=1e-3)
    assert np.abs(wrong.xy[0, 0] - people[0, 0]).max() > 1


@pytest.mark.parametrize(
    ("rules", "least"), [("tfjs", 0.7), ("coral", 0.75), ("hough", 0.8), ("refine", 0.8)]
)
def test_synthetic_people_are_found(scenes, rules, least):
    best = []
    for truth, heads in scenes:
        found = decode_personlab(*heads, rules=rules)
        oks = pairwise_oks(truth.xy, found.xy, truth.area, BODY.sigmas)
        best.extend(oks.max(1, initial=0))
        assert (found.instance_score[1:] <= found.instance_score[:-1]).all() or rules == "tfjs"
    assert np.mean(best) > least


def test_hough_beats_the_nearest_cell_under_noise(scenes):
    def error(rules):
        total = []
        for truth, heads in scenes:
            found = decode_personlab(*heads, rules=rules)
            oks = pairwise_oks(truth.xy, found.xy, truth.area, BODY.sigmas)
            for n, m in enumerate(oks.argmax(1)):
                if oks[n, m] > 0.5:
                    total.extend(np.linalg.norm(truth.xy[n] - found.xy[m], axis=1))
        return np.nanmedian(total)

    assert error("refine") < 0.8 * error("tfjs")


def test_votes_add_up():
    """The votes are those of the upsampled cells, and all of a disc's land on its joint."""
    people = np.full((1, K, 2), np.nan)
    people[0, 0] = 160, 128
    maps, short, _ = encode(people, (321, 257), 0, np.random.default_rng(0))
    maps = np.where(maps > -3, 20.0, -20.0).astype(np.float32)
    votes = hough(maps, short.astype(np.float32), 16.0, 4.0, 32.0, 0.01, True)
    assert np.unravel_index(votes[0].argmax(), votes[0].shape) == (32, 40)
    assert not votes[1:].any()
    inside = np.hypot(*(np.mgrid[:65, :81] * 4 - np.array([128, 160])[:, None, None])) < 16
    assert votes[0].sum() >= inside.sum() / (np.pi * 32**2)


def test_expected_oks_is_the_sum_over_the_votes():
    rng = np.random.default_rng(3)
    votes = rng.random((2, 20, 30)).astype(np.float32)
    at = np.array([[[12.3, 8.1], [2.0, 18.7]]])
    score, variance = np.array([[0.9, 0.4]]), np.array([[4.0, 9.0]])
    xy, value = expected_oks(votes, at, score, variance, 5.0, 0)
    y, x = np.mgrid[:20, :30]
    for m in range(2):
        d2 = (x - at[0, m, 0]) ** 2 + (y - at[0, m, 1]) ** 2
        w = votes[m] * (d2 <= 25)
        expected = score[0, m] * (w * np.exp(-d2 / 2 / variance[0, m])).sum() / w.sum()
        assert value[0, m] == pytest.approx(expected)
    assert (xy == at).all()
    hill = np.exp(-((x - 14.6) ** 2 + (y - 9.2) ** 2) / 8).astype(np.float32)[None]
    start, one = np.array([[[12.3, 8.1]]]), np.ones((1, 1))
    top, better = expected_oks(hill, start, one, 4 * one, 9.0, 20)
    np.testing.assert_allclose(top[0, 0], [14.6, 9.2], atol=0.01)
    assert better > expected_oks(hill, start, one, 4 * one, 9.0, 0)[1]


def test_layouts_and_probabilities_agree(scenes):
    heads = scenes[0][1]
    last = [np.moveaxis(np.ascontiguousarray(np.moveaxis(h, 0, -1)), -1, 0) for h in heads]
    one = decode_personlab(*heads)
    np.testing.assert_array_equal(one.xy, decode_personlab(*last).xy)
    plain = decode_personlab(sigmoid(heads[0]), *heads[1:], logits=False)
    np.testing.assert_allclose(one.xy, plain.xy)
    np.testing.assert_allclose(one.score, plain.score, atol=1e-6)


def test_limits_are_kept(scenes):
    _, heads = next(s for s in scenes if len(s[0]) > 2)
    assert len(decode_personlab(*heads, rules=replace(RULES["tfjs"], max_poses=2)).xy) == 2
    few = decode_personlab(*heads, rules=replace(RULES["tfjs"], min_score=0.3))
    assert (few.instance_score >= 0.3).all()
    nobody = decode_personlab(np.full_like(heads[0], -9), *heads[1:])
    assert nobody.xy.shape == (0, K, 2)


def test_outputs_become_poses_in_image_px(scenes):
    _, heads = scenes[0]
    names = ("heatmaps_logits", "short_offsets", "mid_offsets")
    fields = {n: np.moveaxis(h, 0, -1)[None] for n, h in zip(names, heads, strict=True)}
    raw = raw_image({**fields, "affine": [[2, 0, 30], [0, 2, 0]], "image_id": 7})
    poses = decode(raw, "posenet", nms_radius=20)
    direct = decode_personlab(*heads)
    np.testing.assert_allclose(poses.xy, (direct.xy - [30, 0]) / 2)
    assert poses.images[0].id == 7
    assert poses.score_kind == "probability"
    assert decode(raw, "personlab").score_kind == "expected_ks"
    split = {
        "heatmaps": sigmoid(heads[0]),
        "offsets": heads[1],
        "displacements_fwd": heads[2][: 2 * E],
        "displacements_bwd": heads[2][2 * E :],
        "affine": [[2, 0, 30], [0, 2, 0]],
    }
    np.testing.assert_allclose(decode(raw_image(split), "posenet").xy, poses.xy)


def test_bad_input_is_refused(scenes):
    maps, short, mid = scenes[0][1]
    with pytest.raises(ArrayError, match="short offsets"):
        decode_personlab(maps, short[:-1], mid)
    with pytest.raises(ArrayError, match="rule set"):
        decode_personlab(maps, short, mid, rules="best")
    with pytest.raises(ArrayError, match="stride"):
        decode_personlab(maps, short, mid, 0)
    with pytest.raises(ArrayError, match="compat"):
        decode_personlab(maps, short, mid, compat="tfjs")
    with pytest.raises(SkeletonError, match="mid-range"):
        decode_personlab(maps, short, mid, tree="openpose25")
    raw = raw_image({"heatmaps": maps[:5], "affine": np.eye(2, 3)})
    with pytest.raises(FormatError, match="17 channels"):
        decode(raw, "posenet")
    fields = {"heatmaps": maps, "offsets": short, "affine": np.eye(2, 3)}
    ways = {"displacements_fwd": mid[: 2 * E], "displacements_bwd": mid[2 * E :, :, 1:]}
    with pytest.raises(FormatError, match="displacements_fwd and displacements_bwd of one shape"):
        decode(raw_image(fields | ways), "posenet")
