import numpy as np
from hypothesis import assume, given, settings, strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from refine.decoding import decode_heatmaps, merge_flipped
from refine.decoding.heatmap.arrays import METHODS
from refine.decoding.maps.gauss import TOLERANCE

MAPS = arrays(
    np.float32,
    array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12),
    elements=st.floats(-2, 2, width=32, allow_subnormal=False),
)
METHOD = st.sampled_from(METHODS)


@settings(max_examples=80, deadline=None)
@given(MAPS, METHOD)
def test_any_map_gives_a_point_or_none(image, method):
    xy, score = decode_heatmaps(image[None, None], method)
    # Of blurred maps the maximum lies elsewhere.
    assert score[0, 0] == image.max() or method in ("second", "taylor")
    assert score[0, 0] in image
    if image.max() > 0 or method == "soft-argmax":
        assert np.isfinite(xy).all()
    else:
        assert np.isnan(xy).all()


@settings(max_examples=80, deadline=None)
@given(MAPS)
def test_argmax_is_that_of_numpy(image):
    y, x = np.unravel_index(image.argmax(), image.shape)
    expected = [x, y] if image.max() > 0 else [-1, -1]
    assert (
        decode_heatmaps(image[None, None], "argmax", compat="mmpose")[0][0, 0].tolist() == expected
    )


@settings(max_examples=80, deadline=None)
@given(MAPS)
def test_fit_stays_near_the_peak(image):
    if image.max() <= 0:
        return
    y, x = np.unravel_index(image.argmax(), image.shape)
    at, _ = decode_heatmaps(image[None, None], "fit")
    longest = max(image.shape)
    reach = max(1.0, longest / 4) * 2 + (longest - 1) / 2
    assert np.abs(at[0, 0] - (x, y)).max() <= reach


CENTRE = st.tuples(st.floats(-0.9, 23.9), st.floats(-0.9, 31.9))


@settings(max_examples=60, deadline=None)
@given(CENTRE, st.floats(0.8, 4.0), st.floats(1e-4, 1e4))
def test_fit_recovers_a_gaussian_anywhere(centre, sigma, amplitude):
    # A narrow peak beyond a corner shows one flank only, see `refine.decoding.maps.fit`.
    assume(sigma > 1.3 or any(0 <= c < size - 1 for c, size in zip(centre, (24, 32), strict=True)))
    y, x = np.mgrid[:32, :24]
    d2 = (x - centre[0]) ** 2 + (y - centre[1]) ** 2
    maps = (amplitude * np.exp(-d2 / 2 / sigma**2))[None, None]
    xy, _ = decode_heatmaps(maps)
    np.testing.assert_allclose(xy[0, 0], centre, rtol=0, atol=TOLERANCE)


@settings(max_examples=40, deadline=None)
@given(CENTRE, st.sampled_from(["fit", "dark", "quarter", "argmax"]))
def test_moving_the_map_moves_the_point(centre, method):
    y, x = np.mgrid[:40, :40]
    inside = np.clip(centre, 8, 22)
    image = np.exp(-((x - inside[0]) ** 2 + (y - inside[1]) ** 2) / 8)
    moved = np.roll(image, (5, 7), (0, 1))
    one, other = decode_heatmaps(np.stack([image, moved])[:, None], method)[0][:, 0]
    np.testing.assert_allclose(other - one, (7, 5), rtol=0, atol=1e-4)


@settings(max_examples=40, deadline=None)
@given(MAPS)
def test_merging_a_map_with_its_own_mirror_image_changes_nothing(image):
    maps = image[None, None]
    np.testing.assert_array_equal(merge_flipped(maps, maps[..., ::-1], [0]), maps)
