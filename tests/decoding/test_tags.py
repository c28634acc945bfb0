"""Tag decoders against a plain transcription of the published procedure, and on ideal outputs.

No real outputs of these networks are at hand: the encoders here make them from known people, with
noise, crowding and truncation.
"""

import json

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from refine.decoding import decode, decode_tags, load_presets, raw_image
from refine.decoding.tags.arrays import RULES
from refine.decoding.tags.outputs import (
    average_resolutions,
    average_scales,
    resize_bilinear,
    stack_tags,
)
from refine.exceptions import ArrayError, FormatError, SkeletonError
from tests.oracles.tags import AE, COCO, HIGHER, encode, equal, oks, people, published


@pytest.mark.parametrize("compat", [True, False])
@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("rules", RULES)
def test_equals_the_published_procedure(rules, depth, compat):
    rng = np.random.default_rng(depth)
    for n in (1, 3, 7):
        xy = people(n, rng, 320)
        maps, tags = encode(xy, rng, 320, drop=0.2, tag_noise=0.3)
        tags = np.stack([tags + rng.normal(0, 0.2, tags.shape) for _ in range(depth)], -1)
        # Wide maps and low ones: rows and columns must not be taken for each other.
        maps, tags = maps[:, 10:70], tags[:, 10:70]
        for fill in (True, False):
            found = decode_tags(maps, tags, rules, fill=fill, compat=compat)
            equal(found, published(maps, tags, rules, fill, compat))


# On one-dimensional tags two assignments can cost exactly the same; the examples are fixed because
# solvers may then differ.
@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1), st.sampled_from(sorted(RULES)), st.booleans())
def test_equals_the_published_procedure_on_noise(seed, rules, compat):
    rng = np.random.default_rng(seed)
    k, h, w, depth = rng.integers(1, (7, 13, 13, 3))
    maps = rng.choice([-0.5, 0.0, 0.05, 0.2, 0.3, 0.7], (k, h, w)) + rng.normal(0, 1e-3, (k, h, w))
    tags = rng.normal(0, rng.choice([0.3, 2]), (k, h, w, depth))
    most = int(rng.integers(1, 6))
    found = decode_tags(maps, tags, rules, max_poses=most, compat=compat)
    equal(found, published(maps, tags, rules, compat=compat, most=most))


def spots(*values, shape=(2, 12, 12), tags=()):
    """Make maps with single cells (joint, y, x, value, tag)."""
    maps, tag = np.zeros(shape), np.zeros((*shape, len(np.atleast_1d(values[0][4]))))
    for j, y, x, value, t in values:
        maps[j, y, x], tag[j, y, x] = value, t
    return maps, tag


def test_ties_go_to_the_nearer_group():
    maps, tags = spots(
        (0, 2, 2, 0.9, 0.0), (0, 2, 9, 0.8, 0.4), (1, 6, 2, 0.9, 0.35), (1, 6, 9, 0.8, 0.05)
    )
    # Every distance rounds to 0, so the published costs do not tell the two assignments apart.
    xy, _, _ = decode_tags(maps, tags)
    np.testing.assert_array_equal(xy[:, 0, 0] > 6, xy[:, 1, 0] < 6)
    assert len(xy) == 2


def test_distance_is_a_mean_in_one_code_and_a_sum_in_the_other():
    maps, tags = spots((0, 2, 2, 0.9, (0, 0)), (1, 8, 8, 0.9, (0.8, 0.8)))
    assert len(decode_tags(maps, tags, AE, fill=False)[0]) == 1
    assert len(decode_tags(maps, tags, HIGHER, fill=False)[0]) == 2


@pytest.mark.parametrize(("tag", "groups"), [(0.6, 1), (0.99, 1), (1.01, 2)])
@pytest.mark.parametrize("rules", RULES)
def test_threshold_is_compared_with_the_unrounded_distance(rules, tag, groups):
    maps, tags = spots((0, 2, 2, 0.9, 0.0), (1, 8, 8, 0.9, tag))
    assert len(decode_tags(maps, tags, rules, fill=False)[0]) == groups


def test_groups_are_known_by_the_mean_of_their_tags():
    maps, tags = spots(
        (0, 2, 2, 0.9, 0.0), (1, 8, 8, 0.9, 0.8), (2, 5, 5, 0.9, 1.3), shape=(3, 12, 12)
    )
    # 1.3 is 0.9 from the mean 0.4, though 1.3 from the first tag.
    assert len(decode_tags(maps, tags, fill=False)[0]) == 1


def test_windows_differ():
    maps, tags = spots((0, 5, 4, 0.9, 0.0), (0, 5, 6, 0.8, 5.0))
    assert len(decode_tags(maps, tags, AE, fill=False)[0]) == 2
    assert len(decode_tags(maps, tags, HIGHER, fill=False)[0]) == 1


@pytest.mark.parametrize("at", [(0, 0), (11, 11), (5, 5)])
def test_between_equal_neighbours_a_peak_moves_left_and_up(at):
    maps, tags = spots((0, *at, 0.9, 0.0))
    # At a border one neighbour is the peak itself: 0 counts as lower than the other side.
    expected = np.array(at[::-1]) + 0.5 + np.where(np.array(at[::-1]) == 11, 0.25, -0.25)
    np.testing.assert_array_equal(decode_tags(maps, tags, fill=False)[0][0, 0], expected)


def test_between_two_cells_no_peak_stays():
    maps, tags = spots((0, 5, 5, 0.9, 0.0), (0, 5, 6, 0.5, 0.0), (0, 6, 5, 0.4, 0.0))
    assert decode_tags(maps, tags, fill=False)[0][0, 0].tolist() == [5.75, 5.75]


def test_filled_joints_do_not_count_in_the_instance_score():
    maps, tags = spots((0, 2, 2, 0.8, 0.0), (1, 8, 8, 0.05, 0.0))
    for rules, filled in ((AE, 1.0), (HIGHER, 0.05)):
        xy, score, instance = decode_tags(maps, tags, rules)
        np.testing.assert_allclose(score, [[0.8, filled]], rtol=1e-6)
        np.testing.assert_allclose(instance, [0.4])
        assert np.isfinite(xy).all()
        assert np.isnan(decode_tags(maps, tags, rules, fill=False)[0][0, 1]).all()


def test_nothing_is_filled_in_where_the_map_is_not_positive():
    maps, tags = spots((0, 2, 2, 0.8, 0.0))
    xy, score, _ = decode_tags(maps, tags)
    assert np.isnan(xy[0, 1]).all()
    assert score[0, 1] == 0


def test_too_many_people():
    maps = np.zeros((2, 12, 12))
    maps[0, ::4, ::4], maps[1, 1::4, 1::4] = 0.9, 0.8
    tags = np.arange(288.0).reshape(2, 12, 12)
    assert len(decode_tags(maps, tags, AE, max_poses=4, fill=False)[0]) == 4
    assert len(decode_tags(maps, tags, HIGHER, max_poses=4, fill=False)[0]) == 8


def test_equal_tags_fall_together_in_the_published_code():
    maps, tags = spots((0, 2, 2, 0.9, 0.0), (0, 2, 9, 0.8, 0.0))
    assert len(decode_tags(maps, tags, compat=True, fill=False)[0]) == 1
    assert len(decode_tags(maps, tags, fill=False)[0]) == 2


def test_centre_comes_first():
    maps, tags = spots((17, 2, 2, 0.5, 0.0), (0, 8, 8, 0.9, 0.9), shape=(18, 12, 12))
    maps[5, 5, 5], tags[5, 5, 5] = 0.9, -0.3
    # From the centre 0 and 0.9 on, the shoulder lies 0.75 away; from the nose it would be 1.2.
    assert len(decode_tags(maps, tags, fill=False)[0]) == 1
    assert len(decode_tags(maps[:17], tags[:17], fill=False)[0]) == 2


def test_resizing_equals_torch():
    torch = pytest.importorskip("torch")
    maps = np.random.default_rng(0).normal(size=(3, 9, 13)).astype(np.float32)
    for size in ((26, 18), (52, 36), (13, 9), (40, 10), (6, 4), (1, 1)):
        expected = torch.nn.functional.interpolate(
            torch.from_numpy(maps)[None], size=size[::-1], mode="bilinear", align_corners=False
        )[0]
        np.testing.assert_allclose(resize_bilinear(maps, size), expected, atol=1e-5)


def test_merging_resolutions_scales_and_flips():
    quarter, half = np.ones((2, 3, 4)), np.full((2, 6, 8), 3.0)
    np.testing.assert_allclose(average_resolutions(quarter, half), np.full((2, 6, 8), 2))
    merged = average_scales([half, quarter])
    np.testing.assert_allclose(merged, np.full((2, 6, 8), 2))
    assert average_scales([half, quarter], clip=True).max() == 1
    both = stack_tags(half, quarter.repeat(2, 1).repeat(2, 2), [1, 0], size=(4, 3))
    assert both.shape == (2, 3, 4, 2)
    np.testing.assert_allclose(both[0, 0, 0], [3, 1])
    for bad in (
        lambda: average_scales([]),
        lambda: average_scales([half, quarter[:1]]),
        lambda: average_resolutions(quarter[:1], half),
        lambda: stack_tags(half, quarter),
        lambda: resize_bilinear(half, (0, 3)),
    ):
        with pytest.raises(ArrayError):
            bad()


def outputs(preset, xy, rng, size=512, scales=(1,), flip=True, **options):
    """Make the arrays of a file of raw outputs (synthetic)."""
    arrays = {}
    mirrored = np.stack([size - 1 - xy[..., 0], xy[..., 1]], -1)[:, COCO.mirror]
    n = len(xy)
    for side, points in (("", xy), ("_flipped_input", mirrored))[: 1 + flip]:
        tags = np.arange(n) * 2.0 if not side else rng.permutation(n) * 2.0
        for s in scales:
            scale = "" if s == 1 else f"_x{s}"
            maps, tag = encode(points * s, rng, int(size * s), tags=tags, **options)
            if preset == AE:
                arrays[f"heatmaps{scale}{side}"] = maps
            else:
                fine, _ = encode(points * s, rng, int(size * s), 2, tags=tags, **options)
                arrays[f"heatmaps_quarter{scale}{side}"] = maps
                arrays[f"heatmaps_half{scale}{side}"] = fine
            if s == 1:
                arrays[f"tags{side}"] = tag
    return {**arrays, "affine": [[2.0, 0, -30], [0, 2.0, 10]], "input_size": [size, size]}


def to_image(xy):
    return (xy - (-30, 10)) / 2


@pytest.mark.parametrize("preset", [AE, HIGHER])
@pytest.mark.parametrize(
    ("case", "least"), [("clean", 0.9), ("noise", 0.85), ("crowd", 0.7), ("truncated", 0.85)]
)
def test_ideal_outputs_come_back(preset, case, least):
    rng = np.random.default_rng(7)
    size = 256 if preset == HIGHER else 512
    xy = people({"crowd": 5}.get(case, 2), rng, size, (0.4 * size, 0.7 * size))
    if case == "truncated":
        xy[0, 13:] = np.nan
        xy[1] += (0.2 * size, 0)
        xy[1][xy[1, :, 0] >= size] = np.nan
    noise = {"noise": 0.03}.get(case, 0.01)
    drop = {"noise": 0.1}.get(case, 0.0)
    poses = decode(raw_image(outputs(preset, xy, rng, size, noise=noise, drop=drop)), preset)
    assert oks(poses.xy, to_image(xy)).min() > least
    assert len(poses) == len(xy)
    assert poses.history[-1].parameters["rules"] == preset


@pytest.mark.parametrize("preset", [AE, HIGHER])
def test_multi_scale(preset):
    rng = np.random.default_rng(3)
    xy = people(3, rng, 256, (120, 180))
    arrays = outputs(preset, xy, rng, 256, scales=(2, 1, 0.5), noise=0.005)
    multi = decode(raw_image(arrays), preset)
    single = decode(raw_image({k: v for k, v in arrays.items() if "_x" not in k}), preset)
    assert len(multi) == len(single) == 3
    assert oks(multi.xy, to_image(xy)).min() > 0.85
    if preset == AE:
        # The largest scale sets the resolution: on average half the quantisation error.
        error = [
            np.abs(np.sort(p.xy, 0) - np.sort(to_image(xy), 0)).mean() for p in (single, multi)
        ]
        assert error[1] < error[0]


@pytest.mark.parametrize("preset", [AE, HIGHER])
def test_flip_test_is_unbiased(preset):
    rng = np.random.default_rng(5)
    xy = people(2, rng, 256, (120, 180))
    arrays = outputs(preset, xy, rng, 256, noise=0.0)
    once, both = (decode(raw_image(arrays), preset, flip=f, fill=False) for f in (False, True))
    # Cell x // 4 of pixel x and that of its mirror image coincide: no peak moves.
    np.testing.assert_allclose(once.xy, both.xy, atol=1.01 if preset == AE else 0.51)


def test_centre_map_is_left_out_and_other_counts_are_refused():
    rng = np.random.default_rng(1)
    xy = people(1, rng, 128, (60, 90))
    arrays = outputs(AE, xy, rng, 128, flip=False)
    for name in ("heatmaps", "tags"):
        arrays[name] = np.concatenate([arrays[name], np.ones((1, 32, 32), np.float32)])
    assert decode(raw_image(arrays), AE).xy.shape == (1, 17, 2)
    with pytest.raises(SkeletonError, match="14 or 15 maps"):
        decode(raw_image(arrays), AE, skeleton="crowdpose14")


@pytest.mark.parametrize("preset", [AE, HIGHER])
def test_command_line(preset, cli, tmp_path):
    rng = np.random.default_rng(2)
    xy = people(2, rng, 256, (120, 180))
    np.savez(tmp_path / "000000000042.npz", **outputs(preset, xy, rng, 256))
    result = cli("decode", tmp_path / "000000000042.npz", "--preset", preset, "-o", "-")
    assert result.code == 0, result.err
    rows = json.loads(result.out)
    assert [r["image_id"] for r in rows] == [42, 42]
    found = np.array([r["keypoints"] for r in rows]).reshape(-1, 17, 3)[..., :2]
    assert oks(found, to_image(xy)).min() > 0.85


def test_bad_files_say_what_is_missing(cli, tmp_path):
    geometry = {"affine": [[1.0, 0, 0], [0, 1, 0]]}
    np.savez(tmp_path / "a.npz", heatmaps=np.zeros((17, 8, 8)), **geometry)
    result = cli("decode", tmp_path / "a.npz", "--preset", AE, "-o", tmp_path / "out.json")
    assert result.code == 3
    assert "expected an array `tags`" in result.err
    assert not (tmp_path / "out.json").exists()
    for arrays in (
        {"heatmaps": np.zeros((17, 8, 8)), "tags": np.zeros((17, 8))},
        {"heatmaps": np.zeros((17, 8)), "tags": np.zeros((17, 8, 8))},
        {"heatmaps": np.zeros((18, 8, 8)), "tags": np.zeros((17, 8, 8)), "tags_flipped_input": [1]},
    ):
        with pytest.raises(FormatError):
            decode(raw_image({**arrays, **geometry}), HIGHER)


def test_bad_arrays():
    maps, tags = np.zeros((2, 8, 8)), np.zeros((2, 8, 8))
    broken = maps.copy()
    broken[1, 3, 3] = -np.nan
    peak, lost = maps.copy(), tags.copy()
    peak[0, 2, 2], lost[0, 2, 2] = 1, np.nan
    for arguments, options, message in (
        ((maps, tags[:1]), {}, "expected heatmaps"),
        ((maps[0], tags[0]), {}, "expected heatmaps"),
        ((maps * 1j, tags), {}, "real numbers"),
        ((broken, tags), {}, "joint 1: expected finite heatmaps"),
        ((peak, lost), {}, "joint 0: expected finite tags"),
        ((maps, tags, "posenet"), {}, "expected rules"),
        ((maps, tags), {"order": [0, 0]}, "expected an order"),
        ((maps, tags), {"threshold": -1}, "threshold >= 0"),
        ((maps, tags), {"max_poses": 0}, "max_poses >= 1"),
        ((np.zeros((20, 4, 4)), np.zeros((20, 4, 4))), {}, "order=range"),
    ):
        with pytest.raises(ArrayError, match=message):
            decode_tags(*arguments, **options)


def test_arguments_stay_and_empty_maps_have_no_people():
    rng = np.random.default_rng(0)
    maps, tags = encode(people(2, rng, 128, (60, 90)), rng, 128)
    before = maps.copy(), tags.copy()
    decode_tags(maps, tags)
    np.testing.assert_array_equal(maps, before[0])
    np.testing.assert_array_equal(tags, before[1])
    xy, score, instance = decode_tags(np.zeros((17, 8, 8)), np.zeros((17, 8, 8)))
    assert xy.shape == (0, 17, 2)
    assert score.shape == (0, 17)
    assert instance.shape == (0,)


def test_presets_name_their_rules():
    presets = load_presets()
    assert {presets[p].options.rules for p in (AE, HIGHER)} == set(RULES)
