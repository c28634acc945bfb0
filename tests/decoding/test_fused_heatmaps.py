"""Maps averaged over stages, mirrored inputs and input scales, from ideal outputs."""

import json

import numpy as np
import pytest

from refine.decoding import decode, fuse_maps, get_preset, raw_crops
from refine.decoding.maps.fuse import MapsPart
from refine.exceptions import ArrayError, FormatError, GeometryError, RefineError, SkeletonError
from refine.geometry import Crop, Grid
from tests.oracles.crops import crops, gaussians, mirrored, places

SIZES = {
    "cfa": ((256, 256), (64, 64)),
    "prm": ((256, 256), (64, 64)),
    "cpm": ((368, 368), (46, 46)),
    "unipose": ((368, 368), (46, 46)),
}
BACKGROUND = {"cpm": "last", "unipose": "first"}
"""Of the networks whose maps have one of it."""
SCALES = (0.8, 1, 1.3)


class Sample:
    """Ideal outputs of a preset for known input px."""

    def __init__(self, name, margin=8.0):
        self.preset = get_preset(name)
        self.size, self.cells = SIZES[name]
        self.crop = crops(self.size)
        options = self.preset.options
        self.grid = Grid(self.cells, self.size, options.alignment, options.offset)
        self.about = {"affine": self.crop.matrix, "input_size": self.size}
        self.joints = options.skeleton
        self.xy = places(self.grid, len(self.joints), margin)

    def maps(self, xy):
        """Return maps (N, K, H, W), with one of the background where the network has one."""
        maps = gaussians(self.grid.to_cells(xy), self.cells, 1.5)
        rest = 1 - maps.max(1, keepdims=True)
        parts = {None: [maps], "first": [rest, maps], "last": [maps, rest]}
        return np.concatenate(parts[BACKGROUND.get(self.preset.name)], 1)

    def fields(self, scales=(1,), flip=False):
        """Return the arrays of crops `scales` times as wide."""
        fields = dict(self.about)
        middle = np.array(self.size) / 2
        for scale in scales:
            name = "heatmaps" if scale == 1 else f"heatmaps_x{scale}"
            xy = (self.xy - middle) / scale + middle
            fields[name] = self.maps(xy)
            if flip:
                back = mirrored(xy, self.joints.mirror, self.size[0])
                fields[name + "_flipped_input"] = self.maps(back)
        return fields

    def error(self, fields, **options):
        """Return the largest difference in input px."""
        poses = decode(raw_crops(fields), self.preset.name, **options)
        assert poses.skeleton.joints == self.joints.joints
        return np.abs(self.crop(poses.xy) - self.xy).max()


OWN = {"cfa": 0.25 * 4, "prm": 0.5 * 255 / 63, "cpm": 1.4, "unipose": 0.5 * 367 / 45}
"""Input px that the published last step may be off by on an axis.

A quarter cell; half a cell, for a linearly enlarged map is highest on a cell; of a cubic one the
highest place is off by less.
"""


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("scales", [(1,), SCALES])
@pytest.mark.parametrize("name", ["prm", "cpm", "unipose"])
def test_round_trip_of_enlarged_maps(name, scales, flip):
    sample = Sample(name)
    fields = sample.fields(scales, flip)
    assert sample.error(fields) <= OWN[name]
    # What the enlargement leaves of a Gaussian is still symmetric: no bias, of any scale.
    assert sample.error(fields, method="fit") < 0.06


@pytest.mark.parametrize("flip", [False, True])
def test_round_trip_of_cfa(flip):
    sample = Sample("cfa")
    fields = sample.fields(flip=flip)
    # Merged without a shift, as published, a mirrored map pulls by an eighth of a cell.
    pull = 0.5 if flip else 0.0
    assert sample.error(fields) <= OWN["cfa"] + pull + 1e-3
    shift = sample.grid.flip_shift
    assert sample.error(fields, method="fit", flip_shift=shift) < (0.03 if flip else 1e-3)


@pytest.mark.parametrize("name", ["prm", "unipose"])
def test_joints_on_cells_are_exact(name):
    """With the outermost cells on the outermost px, and a whole number of px per cell."""
    sample = Sample(name)
    sample.size, sample.cells = (257, 257), (65, 65)
    sample.grid = Grid(sample.cells, sample.size, "corners")
    sample.crop = crops(sample.size)
    sample.about = {"affine": sample.crop.matrix, "input_size": sample.size}
    cells = sample.grid.to_cells(places(sample.grid, len(sample.joints), 8.0)).round()
    sample.xy = sample.grid.to_input(cells)
    assert sample.error(sample.fields()) < 1e-3
    assert sample.error(sample.fields(flip=True)) < 1e-3


def test_stages_are_averaged_from_the_last():
    sample = Sample("cfa")
    good, bad = sample.maps(sample.xy), 9 * sample.maps(sample.xy + 30)
    fields = {**sample.about, "heatmaps": np.stack([bad, good, good], 1)}
    assert sample.error(fields, method="fit", stages=2) < 1e-3
    assert sample.error(fields, method="fit") > 20
    with pytest.raises(FormatError, match="number of stages"):
        decode(raw_crops(fields), "cfa", stages=0)


def test_the_geometry_of_a_scale_may_be_told():
    """`affine_x1.3` in place of a crop about the same centre."""
    sample = Sample("prm")
    fields = sample.fields((1, 1.3))
    middle = np.array(sample.size) / 2
    about = np.column_stack([np.eye(2) / 1.3, middle - middle / 1.3])
    told = Crop.from_matrix(np.repeat(about[None], 3, 0), sample.size) @ sample.crop
    named = decode(raw_crops({**fields, "affine_x1.3": told.matrix}), "prm")
    np.testing.assert_allclose(named.xy, decode(raw_crops(fields), "prm").xy, atol=1e-9)
    moved = told.matrix + np.array([[0, 0, 8.0], [0, 0, 0]])
    wrong = decode(raw_crops({**fields, "affine_x1.3": moved}), "prm", method="fit")
    assert np.abs(sample.crop(wrong.xy) - sample.xy).max() > 2


def test_scales_count_as_zero_beyond_their_crops():
    """A joint near the border lies outside the narrow crop and keeps half of its height."""
    sample = Sample("prm", margin=0.0)
    sample.xy[:] = 4.0
    fields = sample.fields((0.5, 1))
    poses = decode(raw_crops(fields), "prm")
    assert np.abs(sample.crop(poses.xy) - 4).max() < 2.1
    np.testing.assert_allclose(poses.score, 0.5, atol=0.05)


def test_fuse_is_a_plain_resize():
    """Linear corner on corner, and cubic with half-pixel centres and MATLAB's parameter."""
    rng = np.random.default_rng(0)
    maps = rng.random((1, 2, 5, 6)).astype(np.float32)
    low, high = np.array([-0.5, -0.5]), np.array([5.5, 4.5])
    at = np.linspace(0, 5, 21), np.linspace(0, 4, 17)
    scale = np.array([[[5 / 20, 0, 0], [0, 4 / 16, 0]]])
    found = fuse_maps([MapsPart(maps, scale, low, high)], (21, 17))
    wide = np.stack([[np.interp(at[0], np.arange(6), r) for r in m] for m in maps[0]])
    full = np.stack([[np.interp(at[1], np.arange(5), c) for c in w.T] for w in wide]).swapaxes(1, 2)
    np.testing.assert_allclose(found[0], full, atol=1e-6)

    half = np.array([[[0.5, 0, -0.25], [0, 0.5, -0.25]]])
    found = fuse_maps([MapsPart(maps, half, low, high)], (12, 10), "cubic")
    # Keys, a = -0.5, a quarter of a cell from the middle: -0.0703, 0.8672, 0.2266, -0.0234.
    taps = np.array([-0.0703125, 0.8671875, 0.2265625, -0.0234375])
    padded = np.pad(maps[0], ((0, 0), (2, 2), (2, 2)), "edge")
    for y, x in np.ndindex(10, 12):
        rows = taps if y % 2 else taps[::-1]
        columns = taps if x % 2 else taps[::-1]
        top, left = (y - 1) // 2 + 1, (x - 1) // 2 + 1
        window = padded[:, top : top + 4, left : left + 4]
        expected = np.einsum("kij,i,j->k", window, rows, columns)
        np.testing.assert_allclose(found[0, :, y, x], expected, atol=1e-6)


def test_two_parts_are_averaged():
    part = MapsPart(
        np.ones((1, 1, 4, 4), np.float32),
        np.eye(2, 3)[None],
        np.array([-0.5, -0.5]),
        np.array([3.5, 3.5]),
    )
    half = part._replace(low=np.array([1.5, -0.5]))
    np.testing.assert_array_equal(fuse_maps([part, half], (4, 4))[0, 0, 0], [0.5, 0.5, 1, 1])


@pytest.mark.parametrize("name", SIZES)
def test_from_the_shell(tmp_path, cli, name):
    sample = Sample(name)
    np.savez(tmp_path / "9.npz", **sample.fields((1,) if name == "cfa" else SCALES, flip=True))
    got = cli("decode", tmp_path / "9.npz", "--preset", name, "-o", "-")
    assert got.code == 0, got.err
    found = np.array([p["keypoints"] for p in json.loads(got.out)]).reshape(3, -1, 3)
    assert np.abs(sample.crop(found[..., :2]) - sample.xy).max() <= OWN[name] + 0.51


def test_bad_input():
    sample = Sample("prm")
    fields = sample.fields(SCALES)
    with pytest.raises(FormatError, match="3 scales"):
        decode(raw_crops(fields), "prm", resolution="map")
    with pytest.raises(RefineError, match=r"'interpolation'.*one of linear, cubic"):
        decode(raw_crops(fields), "prm", interpolation="area")
    with pytest.raises(SkeletonError, match="expected 16 joints"):
        decode(raw_crops({**fields, "heatmaps": fields["heatmaps"][:, :9]}), "prm")
    with pytest.raises(FormatError, match=r"affine_x1\.3"):
        decode(raw_crops({**fields, "affine_x1.3": np.zeros((3, 2, 2))}), "prm")
    with pytest.raises(GeometryError, match=r"heatmaps_x0"):
        decode(raw_crops({**sample.about, "heatmaps_x0": fields["heatmaps"]}), "prm")
    with pytest.raises(FormatError, match="heatmaps"):
        decode(raw_crops({**sample.about, "landmarks": np.zeros((3, 16, 2))}), "prm")
    with pytest.raises(ArrayError, match="none"):
        fuse_maps([], (4, 4))
