"""Decoders of heatmaps and of SimCC beside the published ones.

NumPy's and OpenCV's forms are written here after DarkPose, UDP-Pose and mmpose; mmpose's own codecs
are called where `pip install --no-deps mmpose mmengine mmcv-lite` put them.
"""

from types import SimpleNamespace

import cv2
import numpy as np
import torch

from refine._exp import exp_single
from refine._kernel import kernel
from refine.decoding import decode_heatmaps, decode_simcc
from tests.benchmarks.tasks.job import Job, installed

BETA = 25.0


def heatmaps(n, seed=0):
    """Maps [n, 17, 64, 48]: one in ten has a second peak, one in a hundred is empty."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:64, :48]

    def blobs():
        at = rng.uniform((0, 0), (47, 63), (n, 17, 2))[..., None, None]
        return np.exp(-((x - at[:, :, 0]) ** 2 + (y - at[:, :, 1]) ** 2) / 8)

    kind = rng.random((n, 17, 1, 1))
    maps = blobs() + np.where(kind < 0.1, 0.7, 0) * blobs()
    maps = np.where(kind > 0.99, 0, maps + 0.01 * rng.standard_normal(maps.shape))
    return maps.astype(np.float32)


def histograms(n, seed=0):
    """SimCC maps [n, 17, 384] and [n, 17, 512]."""
    rng = np.random.default_rng(seed)
    found = []
    for bins in (384, 512):
        at = rng.uniform(0, bins, (n, 17, 1))
        found.append(np.exp(-((np.arange(bins) - at) ** 2) / 72) + 0.01 * rng.random((n, 17, bins)))
    return [f.astype(np.float32) for f in found]


def numpy_argmax(maps):
    n, k, _, w = maps.shape
    flat = maps.reshape(n * k, -1)
    cell = flat.argmax(1)
    value = flat[np.arange(n * k), cell]
    xy = np.empty((n * k, 2))
    xy[:, 1], xy[:, 0] = np.divmod(cell, w)
    return xy.reshape(n, k, 2), value.reshape(n, k)


def loop_quarter(maps):
    xy, score = numpy_argmax(maps)
    h, w = maps.shape[2:]
    for n, k in np.ndindex(maps.shape[:2]):
        x, y = xy[n, k].astype(int)
        if 1 < x < w - 1 and 1 < y < h - 1:
            m = maps[n, k]
            xy[n, k] += 0.25 * np.sign([m[y, x + 1] - m[y, x - 1], m[y + 1, x] - m[y - 1, x]])
    return xy, score


def loop_dark(maps, kernel=11):
    xy, score = numpy_argmax(maps)
    h, w = maps.shape[2:]
    pad = (kernel - 1) // 2
    padded = np.zeros((h + 2 * pad, w + 2 * pad), np.float32)
    for n, k in np.ndindex(maps.shape[:2]):
        padded[pad:-pad, pad:-pad] = maps[n, k]
        g = cv2.GaussianBlur(padded, (kernel, kernel), 0)[pad:-pad, pad:-pad]
        g = np.log(np.maximum(g * (score[n, k] / g.max()), 1e-10))
        x, y = xy[n, k].astype(int)
        if 1 < x < w - 2 and 1 < y < h - 2:
            dx, dy = 0.5 * (g[y, x + 1] - g[y, x - 1]), 0.5 * (g[y + 1, x] - g[y - 1, x])
            dxx = 0.25 * (g[y, x + 2] - 2 * g[y, x] + g[y, x - 2])
            dyy = 0.25 * (g[y + 2, x] - 2 * g[y, x] + g[y - 2, x])
            dxy = 0.25 * (g[y + 1, x + 1] - g[y - 1, x + 1] - g[y + 1, x - 1] + g[y - 1, x - 1])
            det = dxx * dyy - dxy**2
            if det != 0:
                xy[n, k] -= [(dyy * dx - dxy * dy) / det, (dxx * dy - dxy * dx) / det]
    return xy, score


def mmpose(codec, maps):
    """Decode by a codec of mmpose, in cells."""
    xy = np.concatenate([codec.decode(m.copy())[0] for m in maps])
    # UDPHeatmap.decode puts the last cell at the width of the input.
    whole = np.array(maps.shape[:1:-1]) - 1
    cell = np.divide((192, 256), whole) if "UDP" in type(codec).__name__ else codec.scale_factor
    return (xy / cell,)


def vitpose(function, maps):
    """Decode by transformers; its blur has a sigma of .8, whatever the kernel."""
    n, k, _, w = maps.shape
    flat = maps.reshape(n, k, -1)
    cell = flat.argmax(2)
    xy = np.stack([cell % w, cell // w], 2).astype(np.float32)
    return (function(xy, maps.copy(), kernel=11), flat.max(2))


def numpy_soft_argmax(maps, beta=BETA):
    p = np.exp(beta * (maps - maps.max((2, 3), keepdims=True)))
    p /= p.sum((2, 3), keepdims=True)
    h, w = maps.shape[2:]
    return np.stack([p.sum(2) @ np.arange(w), p.sum(3) @ np.arange(h)], 2), maps.max((2, 3))


def numpy_simcc(x, y):
    at = np.stack([x.argmax(2), y.argmax(2)], 2)
    return at / 2.0, np.minimum(x.max(2), y.max(2))


def loop_simcc_dark(x, y):
    """mmpose refine_simcc_dark, kernels of SimCCLabel for sigma 6, with its OpenCV blur."""
    xy, score = numpy_simcc(x, y)
    xy *= 2
    for axis, maps in enumerate((x, y)):
        for n, k in np.ndindex(maps.shape[:2]):
            line, at = maps[n, k], int(xy[n, k, axis])
            g = cv2.GaussianBlur(np.pad(line, 18)[None], (37, 1), 0)[0, 18:-18]
            g = np.log(np.clip(g * (line.max() / g.max()), 1e-3, 50))
            low, high = (g[np.clip(at + d, 0, len(g) - 1)] for d in (-1, 1))
            least, most = (g[np.clip(at + d, 0, len(g) - 1)] for d in (-2, 2))
            slope, curve = 0.5 * (high - low), 1e-9 + 0.25 * (most - 2 * g[at] + least)
            xy[n, k, axis] -= slope / curve
    return xy / 2, score


@kernel
def read(bits):
    """Read an array once: the least that any decoder of it does."""
    most = bits[0]
    for i in range(bits.size):
        most = max(most, bits[i])
    return most


@kernel
def exponentials(flat, out):
    for i in range(flat.size):
        out[i] = exp_single(flat[i])


def codecs():
    """Return mmpose's codecs for these maps: DARK, UDP."""
    dark, udp = (installed("mmpose.codecs", n) for n in ("MSRAHeatmap", "UDPHeatmap"))
    sizes = {"input_size": (192, 256), "heatmap_size": (48, 64)}
    return SimpleNamespace(
        quarter=dark and dark(sigma=2, **sizes),
        dark=dark and dark(sigma=2, unbiased=True, blur_kernel_size=11, **sizes),
        udp=udp and udp(sigma=2, blur_kernel_size=11, **sizes),
    )


def map_peers(maps):
    """Return peers by (method, kernel)."""
    of = codecs()
    vit = installed(
        "transformers.models.vitpose.image_processing_pil_vitpose",
        "post_dark_unbiased_data_processing",
    )
    soft = installed("kornia.geometry", "spatial_soft_argmax2d")
    peers = {
        ("argmax", None): {"NumPy": lambda: numpy_argmax(maps)},
        ("quarter", None): {"NumPy loop": lambda: loop_quarter(maps)},
        ("dark", 11): {"OpenCV loop": lambda: loop_dark(maps)},
        ("dark-udp", 11): {},
        ("fit", None): {},
        ("soft-argmax", None): {"NumPy": lambda: numpy_soft_argmax(maps)},
    }
    for method, codec in (("quarter", of.quarter), ("dark", of.dark), ("dark-udp", of.udp)):
        if codec:
            kernel = None if method == "quarter" else 11
            peers[method, kernel]["mmpose"] = lambda c=codec: mmpose(c, maps)
    if vit:
        peers["dark-udp", 11]["transformers"] = lambda: vitpose(vit, maps)
    if soft:
        beta, tensor = torch.tensor(1 / BETA), torch.from_numpy(maps)  # It divides.
        peers["soft-argmax", None]["kornia"] = lambda: (
            soft(tensor, beta, normalized_coordinates=False).numpy(),
        )
    return peers


def jobs():
    """Yield decoders of heatmaps."""
    for n in (32, 1):
        maps = heatmaps(n)
        low, out = -np.abs(maps).ravel(), np.empty(maps.size, np.float32)
        limits = {
            "argmax": {"reading": lambda m=maps: read(m.view(np.int32).ravel())},
            "soft-argmax": {"exponentials": lambda a=low, o=out: exponentials(a, o)},
        }
        for (method, size), peers in map_peers(maps).items():
            yield Job(
                f"{method}{f' {size}' if size else ''}, [{n}, 17, 64, 48]",
                n * 17,
                lambda threads, m=maps, a=method, k=size: decode_heatmaps(m, a, k, threads=threads),
                peers,
                limits.get(method, {}),
                threaded=n > 1,
            )
    scaled = heatmaps(32).clip(0) * 255
    for name, maps in (
        ("float16", scaled.astype(np.float16)),
        ("uint8", scaled.astype(np.uint8)),
        ("float64", scaled.astype(np.float64)),
        ("channels last", np.moveaxis(np.ascontiguousarray(np.moveaxis(scaled, 1, 3)), 3, 1)),
    ):
        yield Job(
            f"argmax, {name} [32, 17, 64, 48]",
            32 * 17,
            lambda threads, m=maps: decode_heatmaps(m, "argmax", threads=threads),
            {"NumPy, converted": lambda m=maps: numpy_argmax(np.ascontiguousarray(m, np.float32))},
        )


def simcc_jobs():
    """Yield decoders of SimCC."""
    get = installed("rtmlib.tools.pose_estimation.post_processings", "get_simcc_maximum")
    label = installed("mmpose.codecs", "SimCCLabel")
    for n in (32, 1):
        x, y = histograms(n)
        peers = {"NumPy": lambda x=x, y=y: numpy_simcc(x, y)}
        if get:
            peers["rtmlib"] = lambda x=x, y=y: (get(x, y)[0] / 2,)
        yield Job(
            f"SimCC, [{n}, 17, 384 + 512]", n * 17, lambda _, x=x, y=y: decode_simcc(x, y), peers
        )
        peers = {"OpenCV loop": lambda x=x, y=y: loop_simcc_dark(x, y)}
        if label:
            codec = label(input_size=(192, 256), sigma=6.0, use_dark=True)
            peers["mmpose"] = lambda x=x, y=y, c=codec: (c.decode(x.copy(), y.copy())[0],)
        yield Job(
            f"SimCC DARK, [{n}, 17, 384 + 512]",
            n * 17,
            lambda _, x=x, y=y: decode_simcc(x, y, method="dark"),
            peers,
        )
