import subprocess
import sys
import warnings
from itertools import product

import numpy as np
import pytest
import torch

from refine.decoding import TorchHeatmapDecoder, decode_heatmaps, read_raw
from refine.exceptions import ArrayError

CELL = 1e-4
VARIANTS = [("argmax", None), ("quarter", None), ("dark", 3), ("dark", 11), ("dark", 17)]


@pytest.fixture(scope="module")
def maps():
    """Peaks up to a cell outside, noise, and every kind of map that has a rule of its own."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:64, :48]
    centres = rng.uniform(-1, [49, 65], (10, 17, 2))
    near = (x - centres[..., 0, None, None]) ** 2 + (y - centres[..., 1, None, None]) ** 2
    maps = np.exp(-near / 8) + 0.03 * rng.standard_normal(near.shape)
    maps[0, 0], maps[0, 1], maps[0, 2] = 0.0, -1.0, 1.0
    maps[0, 3, 20:30, 20:30] = 5.0
    maps[0, 4, 3, 4], maps[0, 5, 3, 4], maps[0, 6, 0, 0] = np.nan, np.inf, -np.inf
    maps[0, 7, 30, 20], maps[0, 7, 30, 22] = np.inf, np.nan
    # DARK's floor acts on these, and quarter meets neighbours of equal height.
    maps[1] = np.maximum(maps[1] - 0.2, 0)
    maps[2] = np.round(maps[2] * 8) / 8
    maps[3:6] *= np.array([1e-12, 1e6, 1.0])[:, None, None, None]
    maps[5] = np.minimum(maps[5], 0.5)
    # Peaks in the outermost three rows and columns.
    maps[6:] *= 0.1
    corners = [(i, j) for i, j in product((0, 1, 2, -3, -2, -1), repeat=2)]
    for m, (i, j) in zip(maps[6:].reshape(-1, 64, 48), corners, strict=False):
        m[i, j] = 3.0
    return maps.astype(np.float32)


def assert_same(got, maps, *args, **options):
    xy, score = decode_heatmaps(maps, *args, **options)
    got = np.asarray(got)
    np.testing.assert_allclose(got[..., :2], xy, rtol=0, atol=CELL)
    np.testing.assert_array_equal(got[..., 2], score.astype(got.dtype))


@pytest.mark.parametrize("compat", [None, "hrnet", "mmpose"])
@pytest.mark.parametrize(("method", "kernel"), VARIANTS)
def test_it_is_the_other_decoder(maps, method, kernel, compat):
    decoder = TorchHeatmapDecoder(method, kernel, compat=compat)
    before = maps.copy()
    assert_same(decoder(torch.from_numpy(maps)), maps, method, kernel, compat=compat)
    np.testing.assert_array_equal(maps, before)


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (3, 5), (5, 5), (6, 9)])
@pytest.mark.parametrize("method", ["argmax", "quarter", "dark"])
def test_small_maps(method, shape):
    maps = np.random.default_rng(1).standard_normal((9, 4, *shape)).astype(np.float32)
    assert_same(TorchHeatmapDecoder(method)(torch.from_numpy(maps)), maps, method)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_types_of_maps(maps, dtype):
    tensor = torch.from_numpy(maps[6:]).to(dtype)
    got = TorchHeatmapDecoder()(tensor)
    assert got.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert_same(got, tensor.to(got.dtype).numpy(), "dark")


@pytest.mark.parametrize(("method", "kernel"), VARIANTS)
@pytest.mark.parametrize("model", ["pp-tinypose-256x192", "pp-tinypose-128x96"])
def test_real_maps(data, model, method, kernel):
    paths = sorted((data / "raw" / model).glob("*.npz"))[::4]
    real = np.concatenate([np.asarray(read_raw(p).heatmaps, np.float32) for p in paths])
    decoder = TorchHeatmapDecoder(method, kernel)
    assert_same(decoder(torch.from_numpy(real)), real, method, kernel)


def test_single_precision_is_close(maps):
    xy = decode_heatmaps(maps, "dark")[0]
    got = TorchHeatmapDecoder(precision=torch.float32)(torch.from_numpy(maps)).numpy()
    np.testing.assert_allclose(got[..., :2], xy, rtol=0, atol=1e-3)


def test_an_affine_places_cells_in_the_image(maps):
    tensor = torch.from_numpy(maps[6:])
    affine = torch.tensor([[[4.0, 0.5, -7], [-0.5, 3.0, 9]]]).repeat(len(tensor), 1, 1)
    cells, placed = (TorchHeatmapDecoder()(tensor, *a) for a in ((), (affine,)))
    expected = torch.einsum("nij,nkj->nki", affine[..., :2], cells[..., :2])
    torch.testing.assert_close(placed[..., :2], expected + affine[:, None, :, 2])
    assert (placed[..., 2] == cells[..., 2]).all()


def test_traced_and_exported_it_takes_other_batches(maps):
    tensor, decoder = torch.from_numpy(maps), TorchHeatmapDecoder(kernel=3)
    with warnings.catch_warnings():
        # torch announces the end of its tracer; warnings of ours would still be errors.
        warnings.filterwarnings("ignore", "`torch.jit", DeprecationWarning)
        traced = torch.jit.trace(decoder, (tensor[:2],))
    batch = {0: torch.export.Dim("n")}
    exported = torch.export.export(decoder, (tensor[:2],), dynamic_shapes=(batch,)).module()
    for run in (traced, exported):
        torch.testing.assert_close(run(tensor), decoder(tensor), equal_nan=True, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("method", "kernel", "dynamo"),
    [("argmax", 3, False), ("quarter", 3, False), ("dark", 11, False), ("dark", 3, True)],
)
def test_onnx_gives_the_same(maps, method, kernel, dynamo, tmp_path):
    pytest.importorskip("onnxscript" if dynamo else "onnx")
    runtime = pytest.importorskip("onnxruntime")
    path = tmp_path / "decoder.onnx"
    names = {"input_names": ["heatmaps"], "output_names": ["keypoints"]}
    if dynamo:
        options = {"dynamic_shapes": ({0: torch.export.Dim("n")},), "verbose": False}
    else:
        options = {"dynamic_axes": {"heatmaps": {0: "n"}, "keypoints": {0: "n"}}}
    with warnings.catch_warnings():
        # Torch's own, about its old exporter and its new one's parts.
        warnings.filterwarnings("ignore", "Constant folding")
        for kind in (DeprecationWarning, FutureWarning):
            warnings.simplefilter("ignore", kind)
        decoder = TorchHeatmapDecoder(method, kernel).eval()
        example = (torch.from_numpy(maps[6:8]),)
        torch.onnx.export(decoder, example, path, dynamo=dynamo, **names, **options)
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for part in (maps, maps[3:4]):
        assert_same(session.run(None, {"heatmaps": part})[0], part, method, kernel)


def test_it_has_no_state_and_is_shown():
    assert not list(TorchHeatmapDecoder().state_dict())
    assert repr(TorchHeatmapDecoder("dark", 5)) == (
        "TorchHeatmapDecoder('dark', kernel=5, compat=None)"
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "fit"}, "decode_heatmaps"),
        ({"kernel": 4}, "odd positive kernel"),
        ({"compat": "udp"}, "hrnet or mmpose"),
    ],
)
def test_bad_options_are_told(options, words):
    with pytest.raises(ArrayError, match=words):
        TorchHeatmapDecoder(**options)


@pytest.mark.parametrize("shape", [(17, 64, 48), (1, 17, 0, 48)])
def test_bad_maps_are_told(shape):
    with pytest.raises(ArrayError, match=r"heatmaps \(N, K, H, W\)"):
        TorchHeatmapDecoder()(torch.zeros(shape))


def test_the_room_does_not_load_torch():
    code = "import sys, refine.decoding; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
