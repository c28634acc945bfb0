"""Expectations, regression and RoI maps against plain oracles; all outputs are synthetic."""

import json

import numpy as np
import pytest

from refine.decoding import (
    decode,
    decode_blazepose,
    decode_dsnt,
    decode_integral,
    decode_posefix,
    decode_rle,
    decode_roi_heatmaps,
    raw_crops,
)
from refine.decoding.regression.arrays import dsnt_to_input, merge_mirrored
from refine.exceptions import ArrayError, FormatError, GeometryError, SkeletonError
from refine.geometry import Crop
from refine.skeletons import skeleton

SIZE = (192, 256)
MIRROR = skeleton("coco17").mirror


def two_hot(xy, height=64, width=48):
    """Share mass 1 out among the four cells around places (N, K, 2)."""
    x, y = np.arange(width), np.arange(height)
    wx = np.clip(1 - np.abs(x - xy[..., 0, None]), 0, None)
    wy = np.clip(1 - np.abs(y - xy[..., 1, None]), 0, None)
    return wy[..., :, None] * wx[..., None, :]


def logits_of(mass):
    return np.log(np.maximum(mass, 1e-30))


@pytest.fixture
def cells():
    return np.random.default_rng(8).uniform((0, 0), (47, 63), (4, 17, 2))


def oracle_expectation(maps, beta):
    z = beta * maps.astype(np.float64).reshape(*maps.shape[:2], -1)
    p = np.exp(z - z.max(-1, keepdims=True))
    p = (p / p.sum(-1, keepdims=True)).reshape(maps.shape)
    y, x = np.mgrid[: maps.shape[2], : maps.shape[3]]
    return np.stack([(p * x).sum((2, 3)), (p * y).sum((2, 3))], -1), p.max((2, 3))


@pytest.mark.parametrize("beta", [0.3, 1.0, 10.0])
def test_integral_against_softmax(beta):
    maps = np.random.default_rng(0).normal(0, 3, (2, 5, 12, 9)).astype(np.float32)
    xy, score = decode_integral(maps, beta)
    expected, peak = oracle_expectation(maps, beta)
    np.testing.assert_allclose(xy, expected, rtol=0, atol=1e-5)
    np.testing.assert_allclose(score, peak, rtol=1e-5)


def test_integral_finds_what_was_encoded(cells):
    np.testing.assert_allclose(decode_integral(logits_of(two_hot(cells)))[0], cells, atol=1e-9)


def test_debias_undoes_the_pull_of_empty_cells():
    """A sharp peak over zero logits: every empty cell weighs exp(0)."""
    rng = np.random.default_rng(1)
    maps = np.zeros((1, 40, 64, 64))
    at = rng.integers(2, 62, (40, 2))
    maps[0, np.arange(40), at[:, 1], at[:, 0]] = 8.0
    biased, _ = decode_integral(maps)
    mass = np.exp(8) / (np.exp(8) + 64 * 64 - 1)
    np.testing.assert_allclose(biased[0], mass * at + (1 - mass) * 31.5, atol=0.05)
    np.testing.assert_allclose(decode_integral(maps, debias="cells")[0][0], at, atol=1e-9)
    # The rule of mmpose takes the mass of all empty cells for that of one and hardly helps here.
    published, _ = decode_integral(maps, debias="mmpose")
    x, c = biased / 64, np.exp(maps).sum((2, 3))[..., None]
    np.testing.assert_allclose(published, c / (c - 1) * (x - 1 / (2 * c)) * 64, atol=1e-9)
    assert np.abs(published[0] - at).max() > 10


def test_debias_does_not_overflow():
    maps = np.zeros((1, 1, 4, 4))
    maps[0, 0, 1, 2] = 5000.0
    for rule in ("mmpose", "cells"):
        np.testing.assert_allclose(decode_integral(maps, debias=rule)[0], [[[2.0, 1.0]]])
    assert np.isnan(decode_integral(np.zeros((1, 1, 4, 4)), debias="cells")[0]).all()


def test_dsnt_counts_from_the_borders(cells):
    p = two_hot(cells)
    xy, _ = decode_dsnt(logits_of(p))
    np.testing.assert_allclose(
        xy, (2 * (cells + 1) - (np.array([48, 64]) + 1)) / [48, 64], atol=1e-9
    )
    np.testing.assert_allclose(decode_dsnt(p * 3.0, softmax=False)[0], xy, atol=1e-9)
    # Half-pixel centres: the middle of cell 0 at stride 4 is input px 1.5.
    np.testing.assert_allclose(dsnt_to_input(xy, SIZE), cells * 4 + 1.5, atol=1e-9)
    with pytest.raises(ArrayError, match="not negative"):
        decode_dsnt(-p, softmax=False)


def test_rle_is_a_fraction_of_the_size_not_of_one_pixel_less():
    xy, score = decode_rle(np.ones((1, 1, 2)), np.zeros((1, 1, 2)), SIZE)
    np.testing.assert_array_equal(xy, [[[192, 256]]])
    np.testing.assert_allclose(score, 0.5)
    centred, _ = decode_rle(np.zeros((1, 1, 2)), None, SIZE, centred=True)
    np.testing.assert_array_equal(centred, [[[96, 128]]])
    assert np.isnan(decode_rle(np.zeros((1, 1, 2)), None, SIZE)[1]).all()
    _, plain = decode_rle(np.zeros((1, 1, 2)), np.array([[[0.1, 0.5]]]), SIZE, sigmoid=False)
    np.testing.assert_allclose(plain, 0.7)


def test_posefix_heads(cells):
    target = two_hot(cells)
    for head in ("fine", "coarse"):
        np.testing.assert_allclose(decode_posefix(logits_of(target), head)[0], cells, atol=1e-9)
    # Mass far away pulls the expectation, not the four cells.
    spoiled = 0.8 * target + 0.2 * two_hot(np.full_like(cells, 5.5))
    far = np.linalg.norm(cells - 5.5, axis=-1) > 3
    fine, coarse = (decode_posefix(logits_of(spoiled), h)[0][far] for h in ("fine", "coarse"))
    np.testing.assert_allclose(coarse, cells[far], atol=1e-9)
    np.testing.assert_allclose(fine, (0.8 * cells + 0.2 * 5.5)[far], atol=1e-9)
    _, score = decode_posefix(logits_of(spoiled), "coarse")
    np.testing.assert_allclose(score[far], 0.8)


def test_maps_that_are_not_numbers():
    maps = np.zeros((1, 3, 4, 4))
    maps[0, 0, 1, 1], maps[0, 1, 3, 3] = np.nan, np.inf
    for decoded in (decode_integral(maps), decode_posefix(maps, "coarse"), decode_dsnt(maps)):
        assert np.isnan(decoded[0][0, :2]).all()
        assert np.isfinite(decoded[0][0, 2]).all()


def oracle_blazepose(xy, maps, stride, kernel, least):
    out = xy.copy()
    r = kernel // 2
    for i in np.ndindex(xy.shape[:2]):
        c, w = (xy[i] / stride).astype(int), maps[i]
        if (c < 0).any() or (c >= w.shape[::-1]).any():
            continue
        y, x = np.mgrid[max(c[1] - r, 0) : c[1] + r + 1, max(c[0] - r, 0) : c[0] + r + 1]
        inside = (y < w.shape[0]) & (x < w.shape[1])
        y, x = y[inside], x[inside]
        p = 1 / (1 + np.exp(-w[y, x]))
        if p.max() >= least:
            out[i] = np.array([(p * x).sum(), (p * y).sum()]) / p.sum() * stride
    return out


def test_blazepose():
    rng = np.random.default_rng(6)
    maps = rng.normal(-1, 2, (3, 8, 20, 16))
    marks = np.concatenate([rng.uniform(-8, 88, (3, 8, 2)), rng.normal(size=(3, 8, 3))], 2)
    xy, score = decode_blazepose(marks, maps, kernel=5, min_confidence=0.9)
    expected = oracle_blazepose(marks[..., :2], maps, 4.0, 5, 0.9)
    assert (expected != marks[..., :2]).any()
    assert (expected == marks[..., :2]).any()
    np.testing.assert_allclose(xy, expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(score, 1 / (1 + np.exp(-marks[..., 3])))


def rois(n=6):
    rng = np.random.default_rng(5)
    low = rng.uniform(-20, 300, (n, 2))
    box = np.concatenate([low, low + rng.uniform(0, 180, (n, 2))], 1)
    box[0, 2:] = box[0, :2]
    return rng.normal(size=(n, 17, 14, 14)).astype(np.float32), box


def test_roi_against_a_bicubic_resize():
    torch = pytest.importorskip("torch")
    maps, box = rois()
    xy, logit = decode_roi_heatmaps(maps, box)
    same, share = decode_roi_heatmaps(maps, box, score="probability")
    np.testing.assert_array_equal(xy, same)
    for i, (x1, y1, x2, y2) in enumerate(box):
        w, h = max(x2 - x1, 1), max(y2 - y1, 1)
        cols, rows = int(np.ceil(w)), int(np.ceil(h))
        flat = torch.nn.functional.interpolate(
            torch.tensor(maps[i : i + 1]), size=(rows, cols), mode="bicubic", align_corners=False
        )[0].reshape(17, -1)
        at = flat.argmax(1).numpy()
        expected = np.stack(
            [(at % cols + 0.5) * w / cols + x1, (at // cols + 0.5) * h / rows + y1], 1
        )
        np.testing.assert_allclose(xy[i], expected, rtol=0, atol=1e-9)
        np.testing.assert_allclose(logit[i], flat.max(1).values, atol=1e-4)
        np.testing.assert_allclose(share[i], flat.softmax(1).max(1).values, rtol=1e-4)


def test_roi_round_trip_has_half_a_pixel():
    """The middle of the highest pixel, not its corner."""
    box = np.array([[10.0, 20.0, 66.0, 76.0]])
    maps = np.zeros((1, 1, 56, 56))
    maps[0, 0, 30, 12] = 1.0
    np.testing.assert_allclose(decode_roi_heatmaps(maps, box)[0][0, 0], [22.5, 50.5])
    maps[0, 0, 0, 0] = np.nan
    assert np.isnan(decode_roi_heatmaps(maps, box)[0]).all()


def test_mirrored_coordinates():
    xy = np.random.default_rng(0).uniform(0, 190, (3, 17, 2))
    back = xy[:, MIRROR] * (-1, 1) + (SIZE[0] - 1, 0)
    np.testing.assert_allclose(merge_mirrored(xy, back, MIRROR, SIZE[0]), xy)


def people():
    """Boxes and their crops."""
    box = np.array([[30, 40, 130, 190], [10, 10, 90, 250], [200, 100, 260, 130], [0, 0, 90, 90.0]])
    return box, Crop.from_box(box, SIZE)


@pytest.mark.parametrize(
    ("preset", "half"),
    [("integral", 0.0), ("dsnt", 1.5), ("posefix", 0.0), ("posefix-coarse", 0.0)],
)
@pytest.mark.parametrize("flip", [False, True])
def test_maps_from_the_shell(tmp_path, cli, cells, preset, half, flip):
    box, crop = people()
    fields = {"heatmaps": logits_of(two_hot(cells)), "box_xyxy": box, "score": [0.5, 0.6, 0.7, 0.8]}
    if flip:
        # In input px, so that mirroring is exact: cell (W - 1 - (4 c + half) - half) / 4.
        inner = np.clip(cells, 1, None)
        back = inner[:, MIRROR] * (-1, 1) + ((SIZE[0] - 1 - 2 * half) / 4, 0)
        fields["heatmaps"] = logits_of(two_hot(inner))
        fields["heatmaps_flipped_input"] = logits_of(two_hot(back))
        cells = inner
    np.savez(tmp_path / "9.npz", **fields)
    got = cli("decode", tmp_path / "9.npz", "--preset", preset, "-o", "-", "--precision", 6)
    assert got.code == 0, got.err
    found = json.loads(got.out)
    xy = np.array([p["keypoints"] for p in found]).reshape(4, 17, 3)[..., :2]
    np.testing.assert_allclose(xy, crop.inverse()(cells * 4 + half), rtol=0, atol=1e-3)
    assert [p["score"] for p in found] == [0.5, 0.6, 0.7, 0.8]


@pytest.mark.parametrize(("preset", "shift"), [("rle", 0.0), ("rle-original", 0.5)])
def test_rle_from_the_shell(tmp_path, cli, cells, preset, shift):
    box, crop = people()
    at = cells * 4 / SIZE - shift
    sigma = np.random.default_rng(0).normal(-2, 1, at.shape)
    np.savez(
        tmp_path / "9.npz",
        coordinates=np.concatenate([at, sigma], 2),
        box_xyxy=box,
        score=[0.5] * 4,
    )
    lost = cli("decode", tmp_path / "9.npz", "--preset", preset, "-o", "-")
    assert lost.code == 3
    assert "input_size" in lost.err
    got = cli(
        "decode", tmp_path / "9.npz", "--preset", preset, "--set", "input_size=[192,256]",
        "-o", "-", "--precision", 6,
    )  # fmt: skip
    assert got.code == 0, got.err
    found = json.loads(got.out)
    table = np.array([p["keypoints"] for p in found]).reshape(4, 17, 3)
    np.testing.assert_allclose(table[..., :2], crop.inverse()(cells * 4), rtol=0, atol=1e-3)
    score = 1 - (1 / (1 + np.exp(-sigma))).mean(-1)
    np.testing.assert_allclose(table[..., 2], score, atol=1e-6)
    expected = 0.5 + score.mean(1) + score.max(1)
    np.testing.assert_allclose([p["score"] for p in found], expected, atol=1e-6)


@pytest.mark.parametrize("flags", [[[0.25], [0.75]], [0.25, 0.75]])
def test_blazepose_from_the_shell(flags, tmp_path, cli):
    marks = np.random.default_rng(0).uniform(20, 230, (2, 39, 5))
    np.savez(
        tmp_path / "9.npz", landmarks=marks.reshape(2, 195), pose_flag=flags,
        affine=np.tile([[2.0, 0, 4], [0, 2, 6]], (2, 1, 1)),
    )  # fmt: skip
    got = cli("decode", tmp_path / "9.npz", "--preset", "blazepose", "-o", "-")
    assert got.code == 0, got.err
    found = json.loads(got.out)
    xy = np.array([p["keypoints"] for p in found]).reshape(2, 33, 3)[..., :2]
    np.testing.assert_allclose(xy, (marks[:, :33, :2] - [4, 6]) / 2, atol=1e-3)
    assert [p["score"] for p in found] == [0.25, 0.75]


@pytest.mark.parametrize(
    ("shape", "said"), [((2, 0), "pose flag"), ((3,), "as many rows"), ((1,), "as many rows")]
)
def test_pose_flags_are_one_for_each_pose(shape, said, tmp_path, cli):
    np.savez(
        tmp_path / "9.npz", landmarks=np.full((2, 195), 50.0), pose_flag=np.ones(shape),
        affine=np.tile([[2.0, 0, 4], [0, 2, 6]], (2, 1, 1)),
    )  # fmt: skip
    got = cli("decode", tmp_path / "9.npz", "--preset", "blazepose", "-o", "-")
    assert got.code == 3
    assert said in got.err


@pytest.mark.parametrize(("preset", "shift"), [("mask-rcnn", -0.5), ("keypoint-rcnn", 0.0)])
def test_rois_from_the_shell(tmp_path, cli, preset, shift):
    maps, box = rois()
    np.savez(tmp_path / "9.npz", heatmaps=maps, box_xyxy=box, score=np.full(6, 0.5))
    got = cli("decode", tmp_path / "9.npz", "--preset", preset, "-o", "-")
    assert got.code == 0, got.err
    xy = np.array([p["keypoints"] for p in json.loads(got.out)]).reshape(6, 17, 3)[..., :2]
    np.testing.assert_allclose(xy, decode_roi_heatmaps(maps, box)[0] + shift, atol=1e-3)


def test_bad_input():
    maps, box = rois()
    with pytest.raises(ArrayError, match=r"\(N, K, H, W\)"):
        decode_integral(maps[0])
    with pytest.raises(ArrayError, match="one of fine, coarse"):
        decode_posefix(maps, "medium")
    with pytest.raises(ArrayError, match="as many sigmas"):
        decode_rle(np.zeros((1, 2, 2)), np.zeros((1, 3, 2)), SIZE)
    with pytest.raises(ArrayError, match="finite boxes"):
        decode_roi_heatmaps(maps, box[:2])
    with pytest.raises(ArrayError, match="expected heatmaps"):
        decode_blazepose(np.zeros((1, 2, 5)), np.zeros((1, 3, 4, 4)))
    one = np.tile(np.eye(2, 3), (6, 1, 1))
    with pytest.raises(GeometryError, match=r"box_xyxy"):
        decode(raw_crops({"heatmaps": maps, "affine": one}), "mask-rcnn")
    with pytest.raises(SkeletonError, match="expected 17 joints"):
        decode(raw_crops({"heatmaps": maps[:, :5], "affine": one}), "integral")
    with pytest.raises(FormatError, match=r"a\.npz.*logits"):
        decode(raw_crops({"coordinates": maps, "affine": one}, where="a.npz"), "integral")
