from types import SimpleNamespace

import numpy as np
import pytest
import torch

from refine.adapters.hrnet import get_final_preds, get_max_preds
from refine.decoding import decode_heatmaps
from refine.exceptions import ArrayError, GeometryError


def config(post_process=True, **test):
    return SimpleNamespace(TEST=SimpleNamespace(POST_PROCESS=post_process, **test))


def published(maps, center, scale, post_process):
    """Return what lib/core/inference.py and lib/utils/transforms.py compute, map by map."""
    n, k, h, w = maps.shape
    xy, top = np.zeros((n, k, 2)), maps.max((2, 3))[..., None]
    for i, j in np.ndindex(n, k):
        if top[i, j] <= 0:
            continue
        y, x = np.unravel_index(maps[i, j].argmax(), (h, w))
        xy[i, j] = x, y
        if post_process and 1 < x < w - 1 and 1 < y < h - 1:
            m = maps[i, j]
            xy[i, j] += 0.25 * np.sign([m[y, x + 1] - m[y, x - 1], m[y + 1, x] - m[y - 1, x]])
    # Their affine map turns about the centre and scales both axes by the width.
    factor = np.asarray(scale)[:, :1] * 200 / w
    placed = (xy - np.array([w, h]) / 2) * factor[:, None] + np.asarray(center)[:, None]
    return xy, placed, top


@pytest.fixture
def crops(maps):
    rng = np.random.default_rng(0)
    return rng.uniform(50, 400, (len(maps), 2)), rng.uniform(0.5, 2, (len(maps), 2))


def test_max_preds_are_the_published_ones(maps):
    preds, top = get_max_preds(maps)
    expected, _, best = published(maps, np.zeros((6, 2)), np.ones((6, 2)), False)
    assert preds.dtype == np.float32
    assert top.dtype == maps.dtype
    np.testing.assert_array_equal(preds, expected)
    np.testing.assert_array_equal(top, best)


@pytest.mark.parametrize("post_process", [True, False])
def test_quarter_gives_the_published_results(maps, crops, post_process):
    preds, top = get_final_preds(config(post_process), maps, *crops, method="quarter")
    _, expected, best = published(maps, *crops, post_process)
    assert preds.shape == (6, 17, 2)
    assert preds.dtype == np.float32
    np.testing.assert_allclose(preds, expected, atol=1e-4)
    np.testing.assert_array_equal(top, best)


def test_the_default_is_closer_to_the_truth(maps, crops, centres):
    width = crops[1][:, :1] * 200
    truth = (centres - [24, 32]) * (width / 48)[:, None] + crops[0][:, None]
    fit, quarter = (
        np.linalg.norm(get_final_preds(config(), maps, *crops, method=m)[0] - truth, axis=-1)
        for m in ("fit", "quarter")
    )
    assert np.median(fit) < 0.2 * np.median(quarter)


def test_dark_takes_its_kernel_from_the_config(maps, crops):
    got = get_final_preds(config(BLUR_KERNEL=5), maps, *crops, method="dark")[0]
    assert (got == get_final_preds(config(), maps, *crops, method="dark", kernel=5)[0]).all()
    assert (got != get_final_preds(config(), maps, *crops, method="dark")[0]).any()


def test_corners_span_the_crop(maps):
    center, scale = np.array([[24.0, 32]] * 6), np.array([[0.235, 0.315]] * 6)
    got = get_final_preds(config(), maps, center, scale, method="argmax", alignment="corners")[0]
    cells = decode_heatmaps(maps, "argmax", compat="hrnet")[0]
    np.testing.assert_allclose(got, cells + 0.5, atol=1e-4)


def test_tensors_and_single_scales_are_taken_and_nothing_is_modified(maps, crops):
    before = maps.copy()
    tensor = torch.from_numpy(maps).requires_grad_()
    got = get_final_preds(config(), tensor, crops[0], crops[1][:, 0])[0]
    assert (got == get_final_preds(config(), maps, *crops)[0]).all()
    assert (maps == before).all()


def test_bad_input_is_told(maps, crops):
    with pytest.raises(ArrayError, match=r"\(N, K, H, W\)"):
        get_max_preds(maps[0])
    with pytest.raises(GeometryError, match="positive size"):
        get_final_preds(config(), maps, crops[0], -crops[1])
