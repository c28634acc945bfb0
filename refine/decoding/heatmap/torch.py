"""Heatmaps to keypoints as a torch module: on the tensor's device, traceable, exportable."""

from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from refine.decoding.heatmap.arrays import DEFAULT_KERNEL, SENTINELS
from refine.decoding.heatmap.fixed_step import QUARTER
from refine.decoding.heatmap.taylor import DARK_FLOOR
from refine.decoding.maps.blur import gaussian_taps
from refine.exceptions import ArrayError

Method = Literal["argmax", "quarter", "dark"]
Compat = Literal["hrnet", "mmpose"]
METHODS: tuple[str, ...] = get_args(Method)
COMPATS: tuple[str, ...] = get_args(Compat)

REACH = 2
"""Cells on either side of the peak that DARK's second differences read."""


class TorchHeatmapDecoder(nn.Module):
    """Find one keypoint in every heatmap: `decode_heatmaps` for argmax, quarter and DARK.

    Nothing in it depends on the values of the maps, so it traces and exports to ONNX with
    any batch size, alone or at the end of a network. It has no parameters.

    Args:
        method: "argmax", "quarter" or "dark", see `refine.decoding.decode_heatmaps`.
        kernel: blur size of "dark"; by default 11.
        compat: None: NaN where there is no peak. "hrnet": (0, 0) there. "mmpose": (-1, -1) there,
            and "quarter" tests each axis alone.
        precision: of DARK's step; torch.float32 serves devices and runtimes without doubles.

    Raises:
        ArrayError: an option out of range.

    >>> y, x = torch.meshgrid(torch.arange(64.0), torch.arange(48.0), indexing="ij")
    >>> maps = torch.exp(-((x - 20.3) ** 2 + (y - 30.4) ** 2) / 8)[None, None]
    >>> TorchHeatmapDecoder("dark")(maps)
    tensor([[[20.2998, 30.3998,  0.9692]]])
    """

    def __init__(
        self,
        method: Method = "dark",
        kernel: int | None = None,
        *,
        compat: Compat | None = None,
        precision: torch.dtype = torch.float64,
    ) -> None:
        super().__init__()
        if method not in METHODS:
            raise ArrayError(
                f"expected a method out of {', '.join(METHODS)}, got {method!r}",
                hint="refine.decoding.decode_heatmaps, which has more",
            )
        if compat is not None and compat not in COMPATS:
            raise ArrayError(f"expected compat None, {' or '.join(COMPATS)}, got {compat!r}")
        self.method = method
        self.compat = compat
        self.precision = precision
        self.taps: list[float] = gaussian_taps(
            DEFAULT_KERNEL["dark"] if kernel is None else kernel
        ).tolist()

    def extra_repr(self) -> str:
        """Show the options where the module is printed."""
        return f"{self.method!r}, kernel={len(self.taps)}, compat={self.compat!r}"

    def forward(self, heatmaps: Tensor, affine: Tensor | None = None) -> Tensor:
        """Decode.

        Args:
            heatmaps: (N, K, H, W) on any device; float16 and bfloat16 are read as float32.
            affine: (N, 2, 3) cells -> image px; without it the result is in cells.

        Returns:
            (N, K, 3) x, y and the value of the map at its peak, on the device of the maps.

        Raises:
            ArrayError: not (N, K, H, W), or maps without cells.
        """
        # A tracer would record the test of sizes as one of values, and warn.
        tracing = torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
        empty = not tracing and 0 in heatmaps.shape[2:]
        if heatmaps.dim() != 4 or empty:
            raise ArrayError(f"expected heatmaps (N, K, H, W), got {tuple(heatmaps.shape)}")
        maps = heatmaps if heatmaps.dtype == torch.float64 else heatmaps.float()
        flat, width = maps.flatten(2), maps.shape[3]
        cell = flat.argmax(-1)
        score = flat.gather(-1, cell[..., None])[..., 0]
        score = torch.where(flat.isnan().any(-1), torch.nan, score)
        x, y = cell % width, cell // width
        place = torch.stack([x, y], -1).to(self.precision)
        if self.method == "quarter":
            place = place + QUARTER * self._uphill(maps, x, y)
        elif self.method == "dark":
            place = place - self._newton(maps, score, x, y)
        found = ((score > 0) & score.isfinite())[..., None]
        missing = torch.nan if self.compat is None else SENTINELS[self.compat]
        place = torch.where(found, place.to(maps.dtype), missing)
        if affine is not None:
            linear = affine.to(maps.dtype)
            place = place @ linear[:, :, :2].mT + linear[:, None, :, 2]
        return torch.cat([place, score[..., None]], -1)

    def _uphill(self, maps: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """Return the signs of the gradient (N, K, 2), 0 where the border forbids a step."""
        height, width = maps.shape[2:]
        move_x, move_y = (x > 1) & (x < width - 1), (y > 1) & (y < height - 1)
        if self.compat == "mmpose":
            move = torch.stack([move_x & (y > 0), move_y & (x > 0)], -1)
        else:
            move = (move_x & move_y)[..., None]
        cross = _patch(maps, x, y, 1)
        before = torch.stack([cross[..., 1, 0], cross[..., 0, 1]], -1)
        after = torch.stack([cross[..., 1, 2], cross[..., 2, 1]], -1)
        return move * ((after > before).to(self.precision) - (after < before).to(self.precision))

    def _newton(self, maps: Tensor, score: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """Return DARK's step (N, K, 2) off the peak, 0 where the border forbids it."""
        height, width = maps.shape[2:]
        radius = len(self.taps) // 2
        g = _blur(_patch(maps, x, y, radius + REACH).to(self.precision), self.taps)
        whole = _blur(functional.pad(maps, [radius] * 4), self.taps)
        scale = (score / whole.amax((-2, -1))).to(self.precision)
        g = (g * scale[..., None, None]).clamp_min(DARK_FLOOR)
        row, column = g[..., 2, :], g[..., :, 2]
        middle = g[..., 2, 2] * g[..., 2, 2]
        dx = 0.5 * (row[..., 3] / row[..., 1]).log()
        dy = 0.5 * (column[..., 3] / column[..., 1]).log()
        dxx = 0.25 * (row[..., 4] * row[..., 0] / middle).log()
        dyy = 0.25 * (column[..., 4] * column[..., 0] / middle).log()
        dxy = 0.25 * (g[..., 3, 3] * g[..., 1, 1] / (g[..., 1, 3] * g[..., 3, 1])).log()
        det = dxx * dyy - dxy * dxy
        step = torch.stack([dyy * dx - dxy * dy, dxx * dy - dxy * dx], -1) / det[..., None]
        inside = (x > 1) & (x < width - 2) & (y > 1) & (y < height - 2)
        return torch.where((inside & (det != 0) & det.isfinite())[..., None], step, 0.0)


def _patch(maps: Tensor, x: Tensor, y: Tensor, reach: int) -> Tensor:
    """Return the squares (N, K, 2 reach + 1, 2 reach + 1) around cells; zeros beyond the map."""
    height, width = maps.shape[2:]
    around = torch.arange(-reach, reach + 1, device=maps.device)
    rows, columns = (y[..., None] + around)[..., None], (x[..., None] + around)[..., None, :]
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    index = rows.clamp(0, height - 1) * width + columns.clamp(0, width - 1)
    values = maps.flatten(2).gather(-1, index.flatten(2)).reshape(index.shape)
    return torch.where(inside, values, 0.0)


def _blur(values: Tensor, taps: list[float]) -> Tensor:
    """Blur the last two axes, each shorter by len(taps) - 1 afterwards."""
    # Shifted sums and no convolution: those round to TF32 on some devices.
    for axis in (-2, -1):
        size = values.shape[axis] - len(taps) + 1
        blurred = taps[0] * values.narrow(axis, 0, size)
        for i, tap in enumerate(taps[1:], 1):
            blurred = blurred + tap * values.narrow(axis, i, size)
        values = blurred
    return values
