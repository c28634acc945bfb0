"""Decoders against plain transcriptions on whole maps, and against real reference results."""

import json

import numpy as np
import pytest

from refine.decoding import decode, decode_heatmaps, read_raw
from refine.skeletons import Skeleton

cv2 = pytest.importorskip("cv2")


def blurred(image, kernel, zero_border):
    if not zero_border:
        return cv2.GaussianBlur(image, (kernel, kernel), 0)
    pad = (kernel - 1) // 2
    h, w = image.shape
    return cv2.GaussianBlur(np.pad(image, pad), (kernel, kernel), 0)[pad : pad + h, pad : pad + w]


def dark(image, kernel):
    """Return the keypoint of DarkPose, and whether its floor acted on the stencil."""
    h, w = image.shape
    y, x = np.unravel_index(image.argmax(), image.shape)
    if not (1 < x < w - 2 and 1 < y < h - 2):
        return np.array([x, y], float), False
    g = blurred(image, kernel, True)
    g = (g * (image.max() / g.max()))[y - 2 : y + 3, x - 2 : x + 3].astype(float)
    low = np.log(np.maximum(g, 1e-10))
    d = 0.5 * np.array([low[2, 3] - low[2, 1], low[3, 2] - low[1, 2]])
    dxx = 0.25 * (low[2, 4] - 2 * low[2, 2] + low[2, 0])
    dyy = 0.25 * (low[4, 2] - 2 * low[2, 2] + low[0, 2])
    dxy = 0.25 * (low[3, 3] - low[1, 3] - low[3, 1] + low[1, 1])
    step = np.zeros(2)
    if dxx * dyy - dxy**2 != 0:
        step = np.linalg.solve([[dxx, dxy], [dxy, dyy]], d)
    cross = np.concatenate([g[2], g[:, 2], g[1:4:2, 1:4:2].ravel()])
    return np.array([x, y]) - step, bool((cross <= 1e-10).any())


def dark_udp(image, kernel, compat):
    y, x = np.unravel_index(image.argmax(), image.shape)
    g = blurred(image, kernel, compat is None).astype(float)
    if compat is None:
        g = g * (image.max() / g.max())
    elif compat == "udp":
        g = (g - g.min()) / (g.max() - g.min()) * image.max()
    low = np.pad(np.log(np.clip(g, 1e-3, 50)), 1, mode="edge")[y : y + 3, x : x + 3]
    d = 0.5 * np.array([low[1, 2] - low[1, 0], low[2, 1] - low[0, 1]])
    dxx, dyy = low[1, 2] - 2 * low[1, 1] + low[1, 0], low[2, 1] - 2 * low[1, 1] + low[0, 1]
    dxy = low[2, 2] - low[1, 2] - low[2, 1] + 2 * low[1, 1] - low[1, 0] - low[0, 1] + low[0, 0]
    hessian = np.array([[dxx, dxy / 2], [dxy / 2, dyy]])
    if compat != "udp":
        hessian += np.finfo(np.float32).eps * np.eye(2)
    return np.array([x, y]) - np.linalg.solve(hessian, d)


@pytest.fixture(scope="module")
def made():
    """Clean, noisy, weak, two-peaked and bordering maps, 24 of each."""
    rng = np.random.default_rng(11)
    y, x = np.mgrid[:32, :24]

    def peak(low, high):
        cx, cy = rng.uniform(low, (23 - low, 31 - low))
        return np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 2 / high**2)

    kinds = [
        lambda: peak(4, 2),
        lambda: peak(4, 2) + 0.01 * rng.random((32, 24)),
        lambda: 0.03 * peak(4, 2) + 0.001 * rng.random((32, 24)),
        lambda: peak(4, 2) + 0.7 * peak(4, 2),
        lambda: peak(0, 2) + 0.01 * rng.random((32, 24)),
    ]
    return np.stack([k() for k in kinds for _ in range(24)])[:, None].astype(np.float32)


@pytest.mark.parametrize("kernel", [3, 5, 7, 9, 11, 17])
def test_dark(made, kernel):
    ours, _ = decode_heatmaps(made, "dark", kernel)
    theirs, floored = zip(*(dark(m[0], kernel) for m in made), strict=True)
    free = ~np.array(floored)
    assert free.mean() > 0.9
    np.testing.assert_allclose(ours[free, 0], np.array(theirs)[free], rtol=0, atol=1e-3)
    assert np.median(np.abs(ours[:, 0] - theirs)) < 1e-5


def test_dark_where_the_floor_acts():
    """The floor sees the rescaled map: a spike that the blur lowers, beside nothing."""
    y, x = np.mgrid[:32, :24]
    image = np.maximum(np.exp(-((x - 11.3) ** 2 + (y - 15.6) ** 2) / 0.5), 1e-12) * 1e-9
    image[:, 13:] -= 2e-10
    for kernel in (3, 5):
        theirs, floored = dark(image, kernel)
        assert floored
        ours, _ = decode_heatmaps(image[None, None], "dark", kernel)
        np.testing.assert_allclose(ours[0, 0], theirs, rtol=0, atol=1e-6)


@pytest.mark.parametrize("compat", [None, "udp", "rtmlib"])
@pytest.mark.parametrize("kernel", [3, 7, 11])
def test_dark_udp(made, kernel, compat):
    # float64 throughout: the weak maps' flat logarithms amplify the last digit of float32.
    maps = made.astype(np.float64)
    ours, _ = decode_heatmaps(maps, "dark-udp", kernel, compat=compat)
    theirs = np.array([dark_udp(m[0], kernel, compat) for m in maps])
    np.testing.assert_allclose(ours[:, 0], theirs, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kernel", [5, 21])
def test_second_after_blur(made, kernel):
    for image in made[:, 0].astype(np.float64):
        padded = cv2.GaussianBlur(np.pad(image / image.max(), 10), (kernel, kernel), 0)
        y, x = np.unravel_index(padded.argmax(), padded.shape)
        padded[y, x] = 0
        v, u = np.unravel_index(padded.argmax(), padded.shape)
        step = np.array([u - x, v - y])
        expected = np.clip([x, y] + 0.25 * step / np.linalg.norm(step) - 10, 0, (23, 31))
        got, _ = decode_heatmaps(image[None, None], "second", kernel)
        np.testing.assert_allclose(got[0, 0], expected, rtol=0, atol=1e-12)


CASES = [
    (model, picture)
    for model in (
        "pp-tinypose-256x192",
        "pp-tinypose-128x96",
        "hourglass-edvardhua",
        "cpm-edvardhua",
    )
    for picture in ("bus", "coco785", "coco40083")
]


@pytest.mark.parametrize(("model", "picture"), CASES)
def test_real_maps(data, model, picture):
    path = data / "raw_reference" / model / f"{picture}.npz"
    facts = json.loads(path.with_suffix(".json").read_text())
    reference = facts["reference"]
    joints = Skeleton(model, tuple(facts["keypoints"]))
    raw = read_raw(path)
    # Printed with four digits; a hundredth of an image pixel is far below 1e-3 cell there.
    for name, options in {
        "argmax": {"method": "argmax"},
        "quarter_shift": {"method": "quarter", "compat": "mmpose"},
        "dark": {"method": "dark", "kernel": reference["dark_blur_kernel"]},
    }.items():
        expected = np.array([person[name] for person in reference["people"]])
        poses = decode(raw, "mmpose", skeleton=joints, **options)
        cells = poses.xy, expected[..., :2]
        if name == "dark":
            keep = ~np.array([[dark(m, options["kernel"])[1] for m in p] for p in raw.heatmaps])
            assert keep.mean() > 0.8
            cells = cells[0][keep], cells[1][keep]
        linear = np.abs(np.array(facts["affine_picture_to_input"])[:, 0, 0]).max()
        tolerance = 1e-3 * facts["stride"] / linear + 1e-4
        np.testing.assert_allclose(*cells, rtol=0, atol=tolerance)
        np.testing.assert_allclose(poses.score, expected[..., 2], rtol=0, atol=1e-4)
