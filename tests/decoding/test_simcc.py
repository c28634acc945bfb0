"""SimCC against plain oracles and round trips; all outputs here are synthetic."""

import json

import numpy as np
import pytest

from refine.decoding import decode, decode_simcc, load_presets, raw_crops, read_crop_outputs
from refine.decoding.simcc.arrays import dark_kernel, merge_flipped_simcc, simcc_visibility
from refine.exceptions import ArrayError, FormatError, GeometryError, RefineError, SkeletonError
from refine.geometry import Crop
from refine.skeletons import skeleton

SIZE = (192, 256)


def encode(xy, ratio=2.0, sigma=6.0):
    """Gaussians at places (N, K, 2) in input px."""
    return [
        np.exp(-0.5 * ((np.arange(round(s * ratio)) - xy[..., i, None] * ratio) / sigma) ** 2)
        for i, s in enumerate(SIZE)
    ]


@pytest.fixture
def places():
    return np.random.default_rng(3).uniform((36, 36), (156, 220), (5, 17, 2))


@pytest.mark.parametrize("ratio", [1.0, 2.0, 3.0])
def test_round_trips(places, ratio):
    x, y = encode(places, ratio)
    at, score = decode_simcc(x, y, ratio)
    assert np.abs(at - places).max() <= 0.5 / ratio + 1e-9
    assert (score > 0.98).all()
    # The blur of DARK keeps a Gaussian one, and the tails of these lie above its floor.
    np.testing.assert_allclose(decode_simcc(x, y, ratio, "dark")[0], places, rtol=0, atol=2e-3)
    logits = [np.log(np.maximum(m, 1e-300)) for m in (x, y)]
    mean, _ = decode_simcc(*logits, ratio, "expectation")
    np.testing.assert_allclose(mean, places, rtol=0, atol=2e-2)


def test_bins_that_lie_on_the_borders():
    bins = 224
    xy, _ = decode_simcc(
        np.eye(bins)[None, [0, bins - 1]], np.eye(bins)[None, [5, 5]], (bins - 1) / bins
    )
    np.testing.assert_allclose(xy[0, :, 0], [0, bins])


def test_scores_are_the_lesser_axis_or_the_mean():
    rng = np.random.default_rng(0)
    x, y = rng.normal(2, 1, (3, 17, 384)), rng.normal(0, 1, (3, 17, 512))
    tops = np.stack([x.max(-1), y.max(-1)])
    lesser, mean = (decode_simcc(x, y, score=s) for s in ("min", "mean"))
    np.testing.assert_allclose(lesser[1], tops.min(0))
    np.testing.assert_allclose(mean[1], tops.mean(0))
    np.testing.assert_array_equal(lesser[0], mean[0])
    assert np.abs(lesser[1] - mean[1]).max() > 0.4
    presets = load_presets()
    assert presets["rtmlib-rtmpose"].options.joint_score == "mean"
    assert presets["rtmpose"].options.joint_score == "min"


def test_scores_that_are_not_positive():
    x, y = -np.ones((1, 3, 8)), np.zeros((1, 3, 8))
    x[0, 0, 3], y[0, 0, 2] = 1.0, 2.0
    x[0, 1, 4], y[0, 1, 5] = -0.5, 1.0
    xy, score = decode_simcc(x, y)
    assert np.isnan(xy[0, 1:]).all()
    np.testing.assert_array_equal(score, [[1.0, -0.5, -1.0]])
    # rtmlib's mean is positive for the second joint, whose x map has no positive value.
    np.testing.assert_array_equal(decode_simcc(x, y, score="mean")[0][0, 1], [2.0, 2.5])
    # mmpose and rtmlib put (-1, -1) bins, which then are divided by the ratio like the others.
    np.testing.assert_array_equal(decode_simcc(x, y, compat=True)[0][0, 2], [-0.5, -0.5])
    assert np.isfinite(decode_simcc(x, y, softmax=True)[0]).all()


def test_not_numbers_are_missing():
    x, y = np.ones((1, 3, 8)), np.ones((1, 3, 8))
    x[0, 0, 3], y[0, 1, 2] = np.nan, np.inf
    for method in ("argmax", "expectation", "dark"):
        xy, _ = decode_simcc(x, y, method=method)
        assert np.isnan(xy[0, :2]).all()
        assert np.isfinite(xy[0, 2]).all()


def test_softmax_and_visibility():
    rng = np.random.default_rng(1)
    x, y = rng.normal(0, 2, (2, 3, 40)), rng.normal(0, 2, (2, 3, 50))

    def tops(bx, by):
        share = [
            np.exp(b * m) / np.exp(b * m).sum(-1, keepdims=True) for b, m in ((bx, x), (by, y))
        ]
        return np.minimum(*(s.max(-1) for s in share))

    np.testing.assert_allclose(decode_simcc(x, y, softmax=True)[1], tops(1, 1))
    np.testing.assert_allclose(decode_simcc(x, y, softmax=True, beta=3.0)[1], tops(3, 3))
    np.testing.assert_allclose(simcc_visibility(x, y, (1.5, 2.0), 0.5), tops(0.75, 1.0))


def oracle_dark(line, kernel):
    """Blur the whole map, rescale, clip, logarithm, edge padding, one Newton step."""
    cv2 = pytest.importorskip("cv2")
    r = (kernel - 1) // 2
    padded = np.pad(line.astype(np.float64), r)[None]
    g = cv2.GaussianBlur(padded, (kernel, 1), 0)[0, r : r + len(line)]
    g = np.pad(np.log(np.clip(g * line.max() / g.max(), 1e-3, 50)), 2, mode="edge")
    c = line.argmax() + 2
    step = 0.5 * (g[c + 1] - g[c - 1]) / (1e-9 + 0.25 * (g[c + 2] - 2 * g[c] + g[c - 2]))
    return line.argmax() - step


@pytest.mark.parametrize("kind", ["clean", "noisy", "weak", "logits", "strong"])
def test_dark_against_the_whole_map(places, kind):
    rng = np.random.default_rng(9)
    places = places.copy()
    places[0, :3, 0], places[1, :3, 1] = (0.3, 1.2, 190.6), (0.1, 255.4, 254.0)
    x, y = encode(places)
    scale, noise, shift = {
        "clean": (1, 0, 0),
        "noisy": (1, 0.05, 0),
        "weak": (2e-3, 1e-4, 0),
        "logits": (6, 0.3, -1),
        "strong": (80, 1, 0),
    }[kind]
    x, y = (scale * m + noise * rng.normal(size=m.shape) + shift for m in (x, y))
    xy, _ = decode_simcc(x, y, 2.0, "dark", sigma=(4.9, 5.66))
    expected = [
        np.apply_along_axis(oracle_dark, 2, m, dark_kernel(s)) for m, s in ((x, 4.9), (y, 5.66))
    ]
    np.testing.assert_allclose(xy, np.stack(expected, -1) / 2, rtol=1e-6, atol=1e-6)


def test_dark_is_better_than_argmax_under_noise(places):
    rng = np.random.default_rng(2)
    x, y = (m + 0.02 * rng.normal(size=m.shape) for m in encode(places))
    errors = [
        np.linalg.norm(decode_simcc(x, y, method=m)[0] - places, axis=-1).mean()
        for m in ("argmax", "dark")
    ]
    assert errors[1] < 0.5 * errors[0]


def test_flip_needs_one_less_the_ratio(places):
    mirror = skeleton("coco17").mirror
    x, y = encode(places)
    mirrored = places[:, mirror] * (-1, 1) + (SIZE[0] - 1, 0)
    back = encode(mirrored)
    merged = merge_flipped_simcc(x, y, *back, mirror, shift=1 - 2.0)
    np.testing.assert_allclose(decode_simcc(*merged, method="dark")[0], places, atol=2e-3)
    published = merge_flipped_simcc(x, y, *back, mirror)
    moved = decode_simcc(*published, method="dark")[0] - places
    np.testing.assert_allclose(moved[..., 0], 0.25, atol=5e-3)
    np.testing.assert_allclose(moved[..., 1], 0, atol=5e-3)


def test_types_agree(places):
    x, y = encode(places)
    for kind in (np.float32, np.float16):
        xy, _ = decode_simcc(x.astype(kind), y.astype(kind))
        assert np.abs(xy - decode_simcc(x, y)[0]).max() <= 0.5
    assert decode_simcc(np.zeros((0, 17, 384)), np.zeros((0, 17, 512)))[0].shape == (0, 17, 2)


@pytest.mark.parametrize("geometry", ["affine", "box_xyxy"])
@pytest.mark.parametrize("preset", ["simcc", "simcc-dark", "rtmpose", "rtmlib-rtmpose"])
def test_from_the_shell(tmp_path, cli, places, preset, geometry):
    rng = np.random.default_rng(5)
    box = rng.uniform(0, 100, (5, 2))
    box = np.concatenate([box, box + rng.uniform(60, 300, (5, 2))], 1)
    crop = Crop.from_box(box, SIZE)
    x, y = encode(places)
    where = {"affine": crop.matrix, "box_xyxy": box}[geometry]
    np.savez(tmp_path / "000000000007.npz", simcc_x=x, simcc_y=y, **{geometry: where})
    got = cli("decode", tmp_path / "000000000007.npz", "--preset", preset, "-o", "-")
    assert got.code == 0, got.err
    found = np.array([p["keypoints"] for p in json.loads(got.out)]).reshape(5, 17, 3)
    expected = crop.inverse()(places)
    scale = 1 / crop.matrix[:, 0, 0]
    assert (np.abs(found[..., :2] - expected).max((1, 2)) <= 0.251 * scale).all()
    assert json.loads(got.out)[0]["image_id"] == 7


def test_options_on_the_outputs(places):
    x, y = encode(places)
    mirror = skeleton("coco17").mirror
    fx, fy = encode(places[:, mirror] * (-1, 1) + (SIZE[0] - 1, 0))
    one = np.tile(np.eye(2, 3), (5, 1, 1))
    fields = {"simcc_x": x, "simcc_y": y, "affine": one}
    both = raw_crops(fields | {"simcc_x_flipped_input": fx, "simcc_y_flipped_input": fy})
    xy = decode(both, "simcc", method="dark", flip_shift=-1.0).xy
    np.testing.assert_allclose(xy, places, atol=2e-3)
    alone = decode(both, "simcc", flip=False)
    np.testing.assert_array_equal(alone.xy, decode(raw_crops(fields), "simcc").xy)
    assert alone.score_kind == "simcc"
    assert decode(both, "simcc", softmax=True).score_kind == "probability"


def test_bad_input(tmp_path, cli):
    ok = np.ones((1, 17, 8))
    with pytest.raises(ArrayError, match="a method of argmax"):
        decode_simcc(ok, ok, method="quarter")
    with pytest.raises(ArrayError, match="positive ratio"):
        decode_simcc(ok, ok, 0.0)
    with pytest.raises(ArrayError, match=r"\(N, K, Wx\)"):
        decode_simcc(ok, ok[:, :3])
    with pytest.raises(ArrayError, match="expected x"):
        decode_simcc(ok[0], ok)
    one = {"affine": np.eye(2, 3)[None]}
    with pytest.raises(FormatError, match=r"`simcc_y`, got simcc_x.*one of"):
        decode(raw_crops({"simcc_x": ok, **one}), "simcc")
    with pytest.raises(FormatError, match="as many rows"):
        raw_crops({"simcc_x": ok, "simcc_y": np.ones((2, 17, 8)), **one})
    with pytest.raises(GeometryError, match="outputs alone"):
        raw_crops({"simcc_x": ok, "simcc_y": ok})
    with pytest.raises(SkeletonError, match=r"a\.npz.*expected 17 joints"):
        decode(
            raw_crops({"simcc_x": ok[:, :4], "simcc_y": ok[:, :4], **one}, where="a.npz"), "simcc"
        )
    with pytest.raises(RefineError, match="expected an option"):
        decode(raw_crops({"simcc_x": ok, "simcc_y": ok, **one}), "simcc", kernel=3)
    (tmp_path / "a.npz").write_bytes(b"PK")
    got = cli("decode", tmp_path / "a.npz", "--preset", "simcc", "-o", tmp_path / "o.json")
    assert got.code == 3
    assert "Traceback" not in got.err
    assert not (tmp_path / "o.json").exists()


def test_scale_and_padding_stand_for_the_geometry(tmp_path):
    x = np.eye(384)[None, [100] * 17]
    np.savez(tmp_path / "a.npz", simcc_x=x, simcc_y=x)
    (tmp_path / "a.json").write_text('{"preprocessing": {"scale": 0.5, "pad_left": 10}}')
    raw = read_crop_outputs(tmp_path / "a.npz")
    np.testing.assert_allclose(decode(raw, "simcc").xy[0, 0], [80, 100])
