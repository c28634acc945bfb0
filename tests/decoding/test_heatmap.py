import itertools

import numpy as np
import pytest

from refine._kernel import kernel
from refine.decoding import decode_heatmaps
from refine.decoding.heatmap.arrays import METHODS
from refine.decoding.maps.blur import blur_map, blur_patch, gaussian_taps, patch_room
from refine.decoding.maps.kernels import widen_halves
from refine.decoding.maps.lanes import LANES
from refine.decoding.maps.peak import BLOCK, peak_of
from refine.exceptions import ArrayError

Y, X = np.mgrid[:64, :48]


def gaussian(x, y, sigma=2.0):
    return np.exp(-((X - x) ** 2 + (Y - y) ** 2) / 2 / sigma**2)


def one(image, *args, **options):
    xy, score = decode_heatmaps(np.asarray(image)[None, None], *args, **options)
    return xy[0, 0], score[0, 0]


GOLDEN = {
    (23.37, 31.82): [
        (23, 32), (23.25, 31.75), (23.25, 32), (23.36979, 31.82008), (23.36999, 31.82),
        (23.37003, 31.81997), (23.37011, 31.8199),
    ],
    (10.5, 20.25): [
        (10, 20), (10.25, 20.25), (10.25, 20), (10.49966, 20.24988), (10.49999, 20.25),
        (10.5, 20.25004), (10.5, 20.25012),
    ],
    (5.49, 3.51): [
        (5, 4), (5.25, 3.75), (5.25, 4), (5.48966, 3.53063), (5.49103, 3.55636),
        (5.49001, 3.52847), (5.49001, 3.50999),
    ],
    (2.2, 30.4): [
        (2, 30), (2.25, 30.25), (2.25, 30), (2.36215, 30.39976), (2.43848, 30.4),
        (2.36416, 30.40003), (1.74203, 30.40009),
    ],
    (1.3, 30.4): [
        (1, 30), (1, 30), (2, 30.25), (1, 30), (1, 30), (1.72246, 30.40003), (0.17198, 30.40009),
    ],
    (46.6, 61.9): [
        (47, 62), (47, 62), (45.75, 61), (47, 62), (47, 62), (47.5, 61.387), (47.5, 62.8856),
    ],
}  # fmt: skip
COLUMNS = [
    ("argmax", None, None),
    ("quarter", None, None),
    ("second", 21, None),
    ("dark", 11, None),
    ("dark", 17, None),
    ("dark-udp", 11, None),
    ("dark-udp", None, "udp"),
]


@pytest.mark.parametrize("column", range(len(COLUMNS)))
@pytest.mark.parametrize("centre", GOLDEN)
def test_golden_values(centre, column):
    method, kernel, compat = COLUMNS[column]
    xy, _ = one(gaussian(*centre), method, kernel, compat=compat)
    digits = 1e-4 if centre == (46.6, 61.9) else 1.01e-5
    np.testing.assert_allclose(xy, GOLDEN[centre][column], rtol=0, atol=digits)


@pytest.mark.parametrize(
    ("method", "kernel", "expected"),
    [
        ("argmax", None, (20, 31)),
        ("quarter", None, (20.25, 30.75)),
        ("second", 21, (21.25, 31)),
        ("dark", 11, (20.3793, 30.62036)),
        ("dark-udp", 11, (20.37327, 30.62054)),
    ],
)
def test_golden_values_of_two_peaks(method, kernel, expected):
    image = gaussian(20.3, 30.6) + 0.6 * gaussian(28.2, 33.1)
    np.testing.assert_allclose(one(image, method, kernel)[0], expected, rtol=0, atol=1.01e-5)


def test_fit_is_less_disturbed_by_a_second_peak_than_dark():
    image = gaussian(20.3, 30.6) + 0.6 * gaussian(28.2, 33.1)
    assert np.hypot(*(one(image, "fit")[0] - (20.3, 30.6))) < 0.5 * np.hypot(
        *(one(image, "dark")[0] - (20.3, 30.6))
    )


@pytest.mark.parametrize("centre", [*GOLDEN, (-0.9, 30.4), (47.9, 63.8), (0.2, -0.7)])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 255.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fit_is_exact_everywhere_and_at_any_scale(centre, scale, dtype):
    image = (gaussian(*centre) * scale).astype(dtype)
    np.testing.assert_allclose(one(image, "fit")[0], centre, rtol=0, atol=1e-5)


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_fit_is_eight_times_closer_than_dark_near_the_border(noise):
    maps, centres = _sample(400, (0.0, 2.5), noise)
    assert _error(maps, centres, "fit") < _error(maps, centres, "dark") / 8


@pytest.mark.parametrize("noise", [0.0, 0.02, 0.05])
def test_fit_is_not_worse_than_dark_inside(noise):
    maps, centres = _sample(1500, (7.0, 40.0), noise)
    # 1 %: both are at the statistical floor, and the sample is finite.
    assert _error(maps, centres, "fit") <= 1.01 * _error(maps, centres, "dark")


def _sample(count, columns, noise):
    rng = np.random.default_rng(5)
    centres = np.stack([rng.uniform(*columns, count), rng.uniform(7, 56, count)], 1)
    maps = np.stack([gaussian(*c) for c in centres]) + noise * rng.standard_normal((count, 64, 48))
    return maps[:, None].astype(np.float32), centres


def _error(maps, centres, method):
    return np.linalg.norm(decode_heatmaps(maps, method)[0][:, 0] - centres, axis=1).mean()


@pytest.mark.parametrize("method", [m for m in METHODS if m != "soft-argmax"])
@pytest.mark.parametrize("value", [0.0, -0.5])
def test_a_map_without_a_positive_cell_has_no_peak(method, value):
    xy, score = one(np.full((8, 6), value), method)
    assert np.isnan(xy).all()
    assert score == value


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_map_with_nan_has_no_peak(method, sign, dtype):
    image = gaussian(20, 30).astype(dtype)
    image[3, 4] = np.copysign(np.nan, sign)
    xy, score = one(image, method)
    assert np.isnan(xy).all()
    assert np.isnan(score)


@pytest.mark.parametrize("method", METHODS)
def test_infinity_is_no_peak_and_minus_infinity_is_background(method):
    image = gaussian(20, 30)
    image[3, 4] = np.inf
    assert np.isnan(one(image, method)[0]).all()
    image[3, 4] = -np.inf
    np.testing.assert_allclose(one(image, method)[0], (20, 30), atol=0.3)


@pytest.mark.parametrize("method", METHODS)
def test_one_cell(method):
    xy, score = one([[0.5]], method)
    np.testing.assert_array_equal(xy, (0, 0))
    assert score == 0.5


@pytest.mark.parametrize("shape", [(1, 9), (9, 1), (2, 2), (3, 3)])
@pytest.mark.parametrize("method", METHODS)
def test_tiny_maps_give_finite_results_inside_or_beside_the_map(method, shape):
    rng = np.random.default_rng(0)
    xy, _ = decode_heatmaps(rng.random((20, 1, *shape)), method, compat=None)
    assert np.isfinite(xy).all()
    if method != "dark-udp":
        assert (np.abs(xy) < 20).all()


def test_a_plateau_gives_its_first_cell_and_its_middle_with_fit():
    image = np.zeros((64, 48))
    image[10:13, 20:25] = 1
    assert one(image, "argmax")[0].tolist() == [20, 10]
    np.testing.assert_allclose(one(image, "fit")[0], (22, 11), atol=1e-6)
    np.testing.assert_allclose(one(np.ones((9, 7)), "fit")[0], (3, 4))


def test_a_clipped_peak_is_found_by_fit():
    np.testing.assert_allclose(
        one(np.minimum(gaussian(20.5, 30.25), 0.8), "fit")[0], (20.5, 30.25), atol=0.1
    )


def test_equal_peaks_give_the_first():
    image = gaussian(30, 40) + gaussian(10, 20)
    assert one(image, "argmax")[0].tolist() == [10, 20]


def test_no_poses_no_joints_no_cells():
    assert decode_heatmaps(np.zeros((0, 17, 4, 4)))[0].shape == (0, 17, 2)
    assert decode_heatmaps(np.zeros((2, 0, 4, 4)))[1].shape == (2, 0)
    xy, score = decode_heatmaps(np.zeros((2, 3, 0, 4)))
    assert np.isnan(xy).all()
    assert np.isnan(score).all()


@pytest.mark.parametrize(
    ("compat", "value"), [("hrnet", 0), ("udp", 0), ("mmpose", -1), ("rtmlib", -1)]
)
def test_sentinels_of_the_references(compat, value):
    for image in (np.zeros((8, 8)), np.full((8, 8), np.nan)):
        assert one(image, "quarter", compat=compat)[0].tolist() == [value, value]


def test_quarter_rules_differ_on_the_border_rows_only():
    image = gaussian(20.3, 1.0)
    assert one(image, "quarter")[0].tolist() == [20, 1]
    assert one(image, "quarter", compat="mmpose")[0].tolist() == [20.25, 1]
    assert one(gaussian(20.3, 0.0), "quarter", compat="mmpose")[0].tolist() == [20, 0]
    # Column 1 is not refined, column W - 2 is.
    assert one(gaussian(1.2, 30.3), "quarter")[0].tolist() == [1, 30]
    assert one(gaussian(46.2, 30.3), "quarter")[0].tolist() == [46.25, 30.25]


def test_second_without_blur_steps_toward_the_second_maximum():
    image = np.zeros((9, 9))
    image[4, 4], image[7, 8] = 1.0, 0.9
    np.testing.assert_allclose(one(image, "second")[0], (4 + 0.2, 4 + 0.15))


def test_second_with_blur_scores_the_raw_map_at_the_result():
    image = gaussian(1.3, 30.4)
    xy, score = one(image, "second", 21)
    assert score == image[round(xy[1]), round(xy[0])] < image.max()


def test_soft_argmax_is_the_expectation_of_softmax():
    rng = np.random.default_rng(1)
    image = rng.standard_normal((13, 7)) - 3
    weight = np.exp(4 * image)
    y, x = np.mgrid[:13, :7]
    expected = np.array([(weight * x).sum(), (weight * y).sum()]) / weight.sum()
    xy, score = one(image, "soft-argmax", beta=4.0)
    np.testing.assert_allclose(xy, expected, rtol=0, atol=1e-9)
    assert score == image.max()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_the_argument_is_not_modified_and_its_layout_does_not_matter(method, kind):
    rng = np.random.default_rng(2)
    maps = rng.random((2, 3, 16, 12)).astype(kind)
    maps.setflags(write=False)
    strided = np.asfortranarray(maps)
    for a, b in zip(decode_heatmaps(maps, method), decode_heatmaps(strided, method), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("shape", [(7, 30, 64, 48), (1, 3, 300, 400)])
@pytest.mark.parametrize("kind", [np.uint8, np.float16, np.float64])
def test_what_passes_through_a_buffer_in_parts_is_decoded_as_a_whole(shape, kind):
    """More than fits the buffer: several images at a time, and parts of one."""
    maps = (np.random.default_rng(2).random(shape) * 255).astype(kind)
    exact = maps.astype(np.float64 if kind == np.float64 else np.float32)
    for layout in (maps, maps[::-1, :, ::-1, ::-1][::-1, :, ::-1, ::-1], np.asfortranarray(maps)):
        for a, b in zip(decode_heatmaps(layout), decode_heatmaps(exact), strict=True):
            np.testing.assert_array_equal(a, b)


def test_soft_argmax_in_single_precision():
    maps = np.random.default_rng(4).normal(0, 0.05, (3, 2, 64, 48))
    maps[:, :, 20:23, 7:9] += 1
    for single, double in zip(
        decode_heatmaps(maps.astype(np.float32), "soft-argmax"),
        decode_heatmaps(maps.astype(np.float32).astype(np.float64), "soft-argmax"),
        strict=True,
    ):
        np.testing.assert_allclose(single, double, rtol=0, atol=3e-5)


def test_whole_numbers_are_read_as_floats():
    image = np.round(gaussian(20.3, 30.6) * 255).astype(np.uint8)
    xy, score = one(image, "fit")
    np.testing.assert_allclose(xy, (20.3, 30.6), atol=0.01)
    assert score == image.max()


@pytest.mark.parametrize("method", METHODS)
def test_threads_change_nothing(method, monkeypatch):
    monkeypatch.setattr("refine.decoding.heatmap.arrays.PER_THREAD", 1)
    maps = np.random.default_rng(3).random((5, 3, 16, 12)).astype(np.float32)
    for a, b in zip(
        decode_heatmaps(maps, method), decode_heatmaps(maps, method, threads=4), strict=True
    ):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("maps", "options", "message"),
    [
        (np.zeros((17, 64, 48)), {}, r"\(17, 64, 48\).*maps\[None\]"),
        (np.zeros((1, 1, 2, 2), complex), {}, "complex"),
        ([[1], [2, 3]], {}, "heatmaps"),
        (np.zeros((1, 1, 2, 2)), {"method": "darkest"}, "one of fit, argmax"),
        (np.zeros((1, 1, 2, 2)), {"method": "dark", "kernel": 4}, "odd"),
        (np.zeros((1, 1, 2, 2)), {"compat": "x"}, "hrnet"),
        (np.zeros((1, 1, 2, 2)), {"beta": 0.0}, "beta"),
        (np.zeros((1, 1, 2, 2)), {"threads": 0}, "thread"),
    ],
)
def test_bad_arguments(maps, options, message):
    with pytest.raises(ArrayError, match=message):
        decode_heatmaps(maps, **options)


@kernel
def compiled_peak(flat):
    return peak_of(flat)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_kernels_find_the_peak_that_plain_code_finds(dtype):
    rng = np.random.default_rng(0)
    odd = [np.nan, -np.nan, np.inf, -np.inf, 0.0, -0.0, -1.0, 1e-40]
    for size in (1, 7, BLOCK, 3 * BLOCK + 5):
        for trial in range(60):
            flat = rng.choice(rng.normal(size=5), size).astype(dtype)  # with ties
            if trial % 3:
                at = rng.integers(0, size, 1 + trial % 2)
                flat[at] = rng.choice(odd, len(at)).astype(dtype)
            np.testing.assert_equal(compiled_peak(flat), peak_of(flat))


@kernel
def blurred_squares(maps, reach, taps, reflect):
    """Blur the square around every cell of every map."""
    n, height, width = maps.shape
    out = np.empty((n, height, width, 2 * reach + 1, LANES))
    bands, transposed, patch, half = patch_room(taps, reach)
    for m in range(n):
        for y in range(height):
            for x in range(width):
                blur_patch(
                    maps.ravel(), m * height * width, height, width, x, y, reach, reflect,
                    bands, transposed, patch, half, out[m, y, x],
                )  # fmt: skip
    return out


@pytest.mark.parametrize("reflect", [False, True])
def test_squares_are_blurred_as_whole_maps_are(reflect):
    """Also where they reach over a border, into the next map or behind the last one."""
    maps = np.random.default_rng(2).normal(1, 1, (3, 9, 11)).astype(np.float32)
    taps = gaussian_taps(7)
    found = blurred_squares(maps, 2, taps, reflect)
    whole = np.stack([blur_map(m, taps, reflect) for m in maps])
    for y, x in itertools.product(range(2, 7), range(2, 9)):
        square = whole[:, y - 2 : y + 3, x - 2 : x + 3]
        np.testing.assert_allclose(found[:, y, x, :, :5], square, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found[:, :, :, 2, 2], whole, rtol=1e-12, atol=1e-12)
    assert (found[..., -1] == 0).all()


@pytest.mark.parametrize("method", ["dark", "dark-udp"])
def test_no_step_is_taken_where_minus_infinity_would_be_blurred(method):
    image = gaussian(20.3, 30.4)
    assert np.abs(one(image, method)[0] - (20.3, 30.4)).max() < 1e-3
    image[27, 24] = -np.inf
    assert one(image, method)[0].tolist() == [20, 30]


def test_every_half_is_widened_to_itself():
    bits, out = np.arange(1 << 16, dtype=np.uint16), np.empty(1 << 16, np.float32)
    widen_halves(bits, out)
    np.testing.assert_array_equal(out, bits.view(np.float16).astype(np.float32))
    assert (np.signbit(out) == np.signbit(bits.view(np.float16))).all()
