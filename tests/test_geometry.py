"""Every half pixel: round trips, published formulas, and the mirror's shift."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from refine.exceptions import GeometryError
from refine.geometry import Crop, Grid, keypoint_box, xywh_to_xyxy, xyxy_to_xywh

ALIGNMENTS = ["stride", "corners", "centers"]
SIZE, CELLS = (192, 256), (48, 64)


def hrnet_affine(center, scale, rotation, size):
    """``get_affine_transform`` of HRNet: three point pairs, solved for the 2 x 3 matrix."""

    def turn(point, angle):
        sin, cos = np.sin(angle), np.cos(angle)
        return np.array([point[0] * cos - point[1] * sin, point[0] * sin + point[1] * cos])

    def third(a, b):
        return b + np.array([-(a - b)[1], (a - b)[0]])

    source_width, (width, height) = scale[0] * 200.0, size
    down = turn([0, source_width * -0.5], np.pi * rotation / 180)
    source, target = np.zeros((3, 2)), np.zeros((3, 2))
    source[0], source[1] = center, center + down
    target[0] = [width * 0.5, height * 0.5]
    target[1] = target[0] + [0, width * -0.5]
    source[2], target[2] = third(source[0], source[1]), third(target[0], target[1])
    solved = np.linalg.solve(np.c_[source, np.ones(3)], target)
    return solved.T


def udp_warp(theta, size_input, size_dst, size_target):
    """``get_warpmatrix`` of UDP, theta in degrees."""
    theta = np.deg2rad(theta)
    sx, sy = size_dst[0] / size_target[0], size_dst[1] / size_target[1]
    cos, sin = np.cos(theta), np.sin(theta)
    return np.array(
        [
            [
                cos * sx,
                -sin * sx,
                sx * (-0.5 * size_input[0] * cos + 0.5 * size_input[1] * sin)
                + 0.5 * size_target[0] * sx,
            ],
            [
                sin * sy,
                cos * sy,
                sy * (-0.5 * size_input[0] * sin - 0.5 * size_input[1] * cos)
                + 0.5 * size_target[1] * sy,
            ],
        ]
    )


@pytest.mark.parametrize("alignment", ALIGNMENTS)
@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_from_image_to_cell_and_back(alignment, seed):
    rng = np.random.default_rng(seed)
    corner, extent = rng.uniform(-500, 3000, (4, 2)), rng.uniform(8, 2000, (4, 2))
    box = np.concatenate([corner, corner + extent], 1)
    crop = Crop.from_box(box, SIZE, alignment="corners" if alignment == "corners" else "stride")
    grid = Grid(CELLS, SIZE, alignment, offset=float(rng.choice([0, 2])))
    xy = corner[:, None] + rng.uniform(0, 1, (4, 17, 2)) * extent[:, None]
    xy[0, 0] = np.nan
    back = crop.inverse()(grid.to_input(grid.to_cells(crop(xy))))
    np.testing.assert_allclose(back, xy, rtol=0, atol=1e-9)


@pytest.mark.parametrize("rotation", [0.0, 30.0, -45.0, 180.0])
def test_crop_is_hrnets(rotation):
    center, scale = np.array([320.5, 241.25]), np.array([1.2, 1.6])
    ours = Crop.from_center_scale(center, [scale], SIZE, rotation=rotation).matrix[0]
    np.testing.assert_allclose(ours, hrnet_affine(center, scale, rotation, SIZE), atol=1e-9)


def test_crop_is_hrnets_inverse_formula():
    """x_img = (x_hm - W / 2) * (scale * 200 / W) + cx, with heatmap cells at stride 4."""
    center, scale = np.array([[320.5, 241.25]]), np.array([[1.2, 1.6]])
    crop, grid = Crop.from_center_scale(center, scale, SIZE), Grid(CELLS, SIZE)
    cells = np.array([[[3.25, 60.5], [0, 0]]])
    image = crop.inverse()(grid.to_input(cells))
    wanted = (cells - np.array(CELLS) / 2) * (scale * 200 / CELLS) + center
    np.testing.assert_allclose(image, wanted, atol=1e-9)


def test_crop_is_udps():
    """x_img = x_hm * w / (W - 1) + cx - w / 2, and `get_warpmatrix` with rotation."""
    center, scale = np.array([[320.5, 241.25]]), np.array([[1.2, 1.6]])
    crop = Crop.from_center_scale(center, scale, SIZE, alignment="corners")
    grid = Grid(CELLS, SIZE, "corners")
    cells = np.array([[[3.25, 60.5], [47, 63]]])
    image = crop.inverse()(grid.to_input(cells))
    wanted = cells * (scale * 200 / (np.array(CELLS) - 1)) + center - scale * 100
    np.testing.assert_allclose(image, wanted, atol=1e-9)
    span = np.array(SIZE) - 1
    warp = udp_warp(0, center[0] * 2, span, scale[0] * 200)
    np.testing.assert_allclose(crop.matrix[0], warp, atol=1e-9)


@pytest.mark.parametrize("rotation", [30.0, 200.0])
def test_rotation_turns_about_the_centre(rotation):
    crop = Crop.from_center_scale([[50, 60]], [100.0], (64, 64), unit=1, rotation=rotation)
    points = np.array([[[50.0, 60.0], [70.0, 60.0]]])
    centre, right = crop(points)[0]
    np.testing.assert_allclose(centre, [32, 32], atol=1e-12)
    turn = -np.deg2rad(rotation)
    np.testing.assert_allclose(right - centre, 12.8 * np.array([np.cos(turn), np.sin(turn)]))


def test_box_grows_to_the_aspect_and_by_the_padding():
    crop = Crop.from_box([[10, 20, 110, 60]], (192, 256), padding=1.25)
    corners = crop.inverse()(np.array([[[0.0, 0.0], [192.0, 256.0]]]))[0]
    width, height = 125.0, 125.0 / 0.75
    np.testing.assert_allclose(corners[0], [60 - width / 2, 40 - height / 2])
    np.testing.assert_allclose(corners[1], [60 + width / 2, 40 + height / 2])


def test_composition_and_inverse():
    a = Crop.from_center_scale([[5, 7]], [20.0], (32, 32), unit=1, rotation=20)
    b = Crop.from_matrix([[2.0, 0.5, 3.0], [0.0, 1.5, -1.0]], (64, 64))
    xy = np.random.default_rng(0).uniform(0, 50, (1, 6, 2))
    np.testing.assert_allclose((a @ b)(xy), a(b(xy)))
    np.testing.assert_allclose((a.inverse() @ a).matrix[0], np.eye(3)[:2], atol=1e-12)
    assert len(b) == 1


@pytest.mark.parametrize(
    ("grid", "shift"),
    [
        (Grid((48, 64), (192, 256)), 0.75),
        (Grid((24, 32), (192, 256)), 0.875),
        (Grid((48, 64), (192, 256), "corners"), 0.0),
        (Grid((48, 64), (192, 256), "centers"), 0.0),
        (Grid((48, 64), (192, 256), offset=2.0), -0.25),
        (Grid((48, 64), (48, 64)), 0.0),
    ],
)
def test_flip_shift(grid, shift):
    assert grid.flip_shift == shift
    # A point, and the same point seen through the mirrored input and mirrored back.
    x, width, cells = 77.25, grid.input_size[0], grid.size[0]
    direct = grid.to_cells(np.array([x, 0.0]))[0]
    mirrored = grid.to_cells(np.array([width - 1 - x, 0.0]))[0]
    assert cells - 1 - mirrored + shift == pytest.approx(direct, abs=1e-12)


def test_grid_ends():
    for alignment, first, last in (
        ("stride", [0, 0], [188, 252]),
        ("corners", [0, 0], [191, 255]),
        ("centers", [1.5, 1.5], [189.5, 253.5]),
    ):
        ends = Grid(CELLS, SIZE, alignment).to_input(np.array([[0.0, 0.0], [47.0, 63.0]]))
        assert ends.tolist() == [first, last]
    single = Grid((1, 1), SIZE, "corners")
    assert single.to_input(np.zeros(2)).tolist() == [0, 0]
    assert np.isfinite(single.to_cells(np.zeros(2))).all()


def test_boxes():
    box = np.array([[1.0, 2.0, 3.0, 4.0]])
    assert xywh_to_xyxy(box).tolist() == [[1, 2, 4, 6]]
    np.testing.assert_array_equal(xyxy_to_xywh(xywh_to_xyxy(box)), box)
    xy = np.array([[[np.nan, np.nan]] * 2, [[1.0, 5.0], [np.nan, np.nan]]])
    found = keypoint_box(xy)
    assert np.isnan(found[0]).all()
    assert found[1].tolist() == [1, 5, 1, 5]
    assert keypoint_box(np.zeros((0, 3, 2))).shape == (0, 4)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Crop.from_box([[0, 0, 0, 9]], SIZE), "box 0: expected a box with area"),
        (lambda: Crop.from_box([[0, 0, 9, np.nan]], SIZE), "box 0: expected a box with area"),
        (lambda: Crop.from_box([[0, 0, 9]], SIZE), "expected boxes"),
        (lambda: Crop.from_center_scale([[1, 1]], [0.0], SIZE), "crop 0: .*positive size"),
        (lambda: Crop.from_center_scale([[np.inf, 1]], [1.0], SIZE), "finite centre"),
        (lambda: Crop.from_center_scale([[1, 1]], [1.0, 2.0], SIZE), "scales .*got"),
        (lambda: Crop.from_center_scale([[1, 1]], 1, SIZE, rotation=[1, 2]), "one rotation or 1"),
        (lambda: Crop.from_matrix(np.zeros((2, 2, 3)), SIZE), "crop 0: .*with an inverse"),
        (lambda: Crop.from_matrix(np.full((2, 3), 1e300), SIZE), "crop 0: .*with an inverse"),
        (lambda: Crop.from_matrix([[1e200, 0, 0], [0, 1e200, 0]], SIZE), "with an inverse"),
        (lambda: Crop.from_matrix([[1e-155, 0, 1e300], [0, 1e-155, 0]], SIZE), "with an inverse"),
        (lambda: Crop.from_matrix([[1e30, 1e30, 0], [1e-300, 0, 0]], SIZE), "with an inverse"),
        (
            lambda: Crop.from_matrix([np.eye(2, 3), [[1e30, 1, 0], [1e-300, 0, 0]]], SIZE),
            "crop 1: .*with an inverse",
        ),
        (lambda: Crop.from_matrix([[0.1, 0.3, 0], [0.2, 0.6, 0]], SIZE), "with an inverse"),
        (lambda: Crop.from_box([[0, 0, 1e-320, 1e-320]], SIZE), "crop 0: .*with an inverse"),
        (lambda: Crop.from_matrix(np.eye(3), SIZE), "affine matrices"),
    ],
)
def test_what_is_refused(make, message):
    with pytest.raises(GeometryError, match=message):
        make()


def test_no_crops_map_no_points():
    none = Crop.from_box(np.zeros((0, 4)), (192, 256))
    assert none(np.zeros((0, 17, 2))).shape == (0, 17, 2)
