"""Heatmaps to keypoints on plain arrays."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from refine._threads import in_threads, thread_count
from refine._types import Floats
from refine.decoding.heatmap import fixed_step, taylor
from refine.decoding.maps import fit
from refine.decoding.maps.blur import gaussian_taps
from refine.decoding.maps.check import checked_numbers, precision_of
from refine.decoding.maps.kernels import widen_halves
from refine.exceptions import ArrayError

Method = Literal["fit", "argmax", "quarter", "second", "dark", "dark-udp", "taylor", "soft-argmax"]
Compat = Literal["hrnet", "mmpose", "udp", "rtmlib", "pytorch-pose"]

METHODS: tuple[str, ...] = get_args(Method)
COMPATS: tuple[str, ...] = get_args(Compat)

SENTINELS = {"hrnet": 0.0, "udp": 0.0, "mmpose": -1.0, "rtmlib": -1.0, "pytorch-pose": -1.0}
"""Both coordinates of a map without a peak, in the code of each."""

DEFAULT_KERNEL = {"dark": 11, "dark-udp": 11, "second": 1, "taylor": 11}
"""DarkPose for sigma 2, mmpose 1.x UDPHeatmap, and no blur (the survey's second maximum). CCM does
not publish its size."""

AS_THEY_ARE = (np.dtype(np.float32), np.dtype(np.float64))
"""What kernels read without a conversion."""

BUFFER = 1 << 17
"""Cells of maps that are converted at a time: 512 KiB in single precision, which caches hold."""

PER_THREAD = 1 << 23
"""Cells of maps, some milliseconds: with less, a thread that waits for a busy core costs more than
it saves."""

UDP_KERNEL = 7
"""UDP-Pose lib/core/inference.py `post`."""

SOFT_BETA = 25.0
"""For maps in [0, 1]: 10 pulls a peak of sigma 2 on 64 x 48 to the middle by 7 cells."""


def decode_heatmaps(
    maps: npt.ArrayLike,
    method: Method = "fit",
    kernel: int | None = None,
    *,
    beta: float = SOFT_BETA,
    compat: Compat | None = None,
    threads: int | None = None,
) -> tuple[Floats, Floats]:
    """Find one keypoint in every heatmap.

    Args:
        maps: (N, K, H, W), any amplitude; float16 and integers are read as float32. Not modified.
        method: "fit": border-safe least-squares Gaussian, see `refine.decoding.maps.fit`;
            "argmax": the highest cell, the first of equals;
            "quarter": a quarter cell toward the higher neighbour (SimpleBaseline, HRNet);
            "second": a quarter cell toward the second maximum (survey; CPN with kernel 21, MSPN
            with 5, where the peak is that of the blurred map and the score the raw value at the
            rounded result);
            "dark": DarkPose; "dark-udp": UDP; "soft-argmax": expectation of softmax;
            "taylor": the second-order step from the peak of the blurred map, without a logarithm
            (CCM); the score is the raw value there.
        kernel: blur size of "dark", "dark-udp", "taylor" (11 for all) and "second" (1: none).
        beta: inverse temperature of "soft-argmax".
        compat: whose borders and sentinels to reproduce, bugs included. None: NaN where there is
            no peak, HRNet's rule for "quarter", mmpose's blur for "dark-udp".
            "hrnet": (0, 0) without a peak. "mmpose": (-1, -1), and "quarter" tests each axis
            alone. "udp": (0, 0), and "dark-udp" blurs 7 x 7 over the mirrored border and
            stretches the range. "rtmlib": (-1, -1), and "dark-udp" blurs over the mirrored
            border and does not rescale. "pytorch-pose": (-1, -1), its (0, 0) counted from 1, and
            "quarter" leaves out the outermost cells alone.
        threads: batches are split over so many threads, by default those of
            `refine.set_threads`; small ones do not gain.

    Returns:
        xy (N, K, 2) in cells and score (N, K), the value of the map at its peak. A map whose
        maximum is not positive has xy NaN and its maximum as score (except "soft-argmax"); one
        that holds NaN or +inf has both NaN or inf; one without cells has both NaN. A plateau
        gives its first cell, and its middle with "fit". The peak of "fit" may lie outside the
        map.

    Raises:
        ArrayError: not (N, K, H, W) numbers, or an option out of range.

    >>> y, x = np.mgrid[:64, :48]
    >>> maps = np.exp(-((x - 1.3) ** 2 + (y - 30.4) ** 2) / 8)[None, None]
    >>> decode_heatmaps(maps)[0].round(3).tolist()
    [[[1.3, 30.4]]]
    """
    xy, score = find_keypoints(maps, method, kernel, beta=beta, compat=compat, threads=threads)
    if compat is not None:
        xy[np.isnan(xy).any(-1)] = SENTINELS[compat]
    return xy, score


def find_keypoints(
    maps: npt.ArrayLike,
    method: Method,
    kernel: int | None,
    *,
    beta: float,
    compat: Compat | None,
    threads: int | None,
) -> tuple[Floats, Floats]:
    """Do `decode_heatmaps` without its sentinels: no peak is NaN whatever `compat` is."""
    stack = checked_numbers(maps, "heatmaps", "N, K, H, W")
    n, k = stack.shape[:2]
    if method not in METHODS:
        raise ArrayError(f"expected a decoder, got {method!r}", hint=f"one of {', '.join(METHODS)}")
    if compat is not None and compat not in COMPATS:
        raise ArrayError(
            f"expected compat None or a code base, got {compat!r}",
            hint=f"one of {', '.join(COMPATS)}",
        )
    if not 0 < beta < np.inf:
        raise ArrayError(f"expected a positive beta, got {beta}")
    if threads is not None and threads < 1:
        raise ArrayError(f"expected at least one thread, got {threads}")
    xy, score = np.empty((n, k, 2)), np.empty((n, k))
    decoder, options = _kernel(method, kernel, beta, compat)
    if not stack.size:
        xy[:], score[:] = np.nan, np.nan
        return xy, score
    wanted = thread_count() if threads is None else threads
    count = min(wanted, n, max(1, stack.size // PER_THREAD))
    if count == 1:
        _decode(stack, decoder, options, xy, score)
    else:
        bounds = np.linspace(0, n, count + 1).astype(int).tolist()
        parts = [slice(*pair) for pair in pairwise(bounds)]
        in_threads(lambda p: _decode(stack[p], decoder, options, xy[p], score[p]), parts, count)
    return xy, score


def _kernel(
    method: str, kernel: int | None, beta: float, compat: str | None
) -> tuple[Callable[..., None], tuple[Any, ...]]:
    """Return the compiled decoder and its own arguments."""
    if method == "fit":
        return fit.decode_fit, ()
    if method == "soft-argmax":
        return fixed_step.decode_soft_argmax, (beta,)
    if method in ("argmax", "quarter"):
        rules = {"mmpose": 2, "pytorch-pose": 3}
        return fixed_step.decode_quarter, (0 if method == "argmax" else rules.get(str(compat), 1),)
    size = DEFAULT_KERNEL[method] if kernel is None else kernel
    if method == "second":
        return fixed_step.decode_second, (gaussian_taps(size),)
    if method == "taylor":
        return taylor.decode_taylor, (gaussian_taps(size),)
    if method == "dark":
        return taylor.decode_dark, (gaussian_taps(size),)
    if compat == "udp" and kernel is None:
        size = UDP_KERNEL
    rescale = {"udp": 2, "rtmlib": 0}.get(str(compat), 1)
    return taylor.decode_dark_udp, (gaussian_taps(size), compat in ("udp", "rtmlib"), rescale)


def _decode(
    stack: npt.NDArray[Any],
    decoder: Callable[..., None],
    options: tuple[Any, ...],
    xy: Floats,
    score: Floats,
) -> None:
    """Decode (N, K, H, W) of any type and layout; what kernels cannot read goes by a buffer."""
    n, k, height, width = stack.shape
    if stack.dtype in AS_THEY_ARE and stack.flags.c_contiguous:
        maps = stack.reshape(n * k, height, width)
        decoder(maps, *options, xy.reshape(n * k, 2), score.reshape(n * k))
        return
    kind = precision_of(stack)
    most = max(1, BUFFER // (height * width))
    joints, images = min(most, k), max(1, most // k)
    buffer = np.empty((min(images, n) * joints, height, width), kind)
    halves = np.empty(buffer.shape if stack.dtype == np.float16 else 0, np.uint16)
    for i in range(0, n, images):
        for q in range(0, k, joints):
            part = np.s_[i : i + images, q : q + joints]
            source = stack[part]
            maps = buffer[: source.shape[0] * source.shape[1]]
            if stack.dtype == np.float16:
                np.copyto(halves[: len(maps)].reshape(source.shape), source.view(np.uint16))
                widen_halves(halves[: len(maps)].reshape(-1), maps.reshape(-1))
            else:
                np.copyto(maps.reshape(source.shape), source, casting="unsafe")
            # Views where whole images are decoded, copies else.
            places, values = xy[part].reshape(-1, 2), score[part].reshape(-1)
            decoder(maps, *options, places, values)
            xy[part] = places.reshape(xy[part].shape)
            score[part] = values.reshape(score[part].shape)
