"""Taylor steps: DARK (Zhang et al., CVPR 2020), its UDP form (Huang et al., CVPR 2020), and CCM's.

DARK and UDP work on local patches. The references blur whole maps and rescale them to their old
maximum. The rescale is a constant under the logarithm and drops out of every derivative unless the
floor acts on a cell that the step reads, so only those cells are blurred; where the floor does act,
the whole map is. Where an infinite cell would be blurred no step is taken.
"""

import numpy as np

from refine._kernel import kernel
from refine.decoding.maps.blur import blur_map, blur_patch, patch_room
from refine.decoding.maps.lanes import LANES
from refine.decoding.maps.peak import peak_of

DARK_FLOOR = 1e-10
"""Before the logarithm: DarkPose lib/core/inference.py, mmpose refine_keypoints_dark."""
UDP_FLOOR, UDP_CEILING = 1e-3, 50.0
"""Before the logarithm: UDP-Pose lib/core/inference.py `post`."""
UDP_RIDGE = float(np.finfo(np.float32).eps)
"""Added to the Hessian's diagonal: mmpose refine_keypoints_dark_udp."""


@kernel
def decode_dark(maps, taps, xy, score):
    """Decode maps (M, H, W) into xy (M, 2) and score (M,) as DarkPose does."""
    height, width = maps.shape[1:]
    flat = maps.reshape(len(maps), height * width)
    bands, transposed, patch, half = patch_room(taps, 2)
    g, every = np.empty((5, LANES)), flat.ravel()
    for m in range(len(maps)):
        xy[m, 0] = xy[m, 1] = np.nan
        cell, score[m] = peak_of(flat[m])
        if cell < 0:
            continue
        y, x = cell // width, cell % width
        xy[m, 0], xy[m, 1] = x, y
        if not (1 < x < width - 2 and 1 < y < height - 2):
            continue
        blur_patch(
            every, m * height * width, height, width, x, y, 2, False,
            bands, transposed, patch, half, g,
        )  # fmt: skip
        if g[0, LANES - 1] != 0:
            continue
        low = min(g[2, 0], g[2, 1], g[2, 2], g[2, 3], g[2, 4], g[0, 2], g[1, 2], g[3, 2], g[4, 2])
        low = min(low, g[1, 1], g[1, 3], g[3, 1], g[3, 3])
        if not low > DARK_FLOOR:
            scale = score[m] / blur_map(maps[m], taps, False).max()
            for i in range(5):
                for j in range(5):
                    g[i, j] = max(g[i, j] * scale, DARK_FLOOR)
        dx = 0.5 * np.log(g[2, 3] / g[2, 1])
        dy = 0.5 * np.log(g[3, 2] / g[1, 2])
        dxx = 0.25 * np.log(g[2, 4] * g[2, 0] / (g[2, 2] * g[2, 2]))
        dyy = 0.25 * np.log(g[4, 2] * g[0, 2] / (g[2, 2] * g[2, 2]))
        dxy = 0.25 * np.log(g[3, 3] * g[1, 1] / (g[1, 3] * g[3, 1]))
        det = dxx * dyy - dxy * dxy
        if det != 0 and np.isfinite(det):
            xy[m, 0] = x - (dyy * dx - dxy * dy) / det
            xy[m, 1] = y - (dxx * dy - dxy * dx) / det


@kernel
def decode_dark_udp(maps, taps, reflect, rescale, xy, score):
    """Decode maps (M, H, W) into xy (M, 2) and score (M,) as UDP does.

    Args:
        maps: (M, H, W).
        taps: (k,).
        reflect: what the blur sees beyond the map: its mirror, or zeros.
        rescale: 0 none; 1 blurred maximum to raw maximum; 2 blurred range to 0..raw maximum.
        xy: (M, 2) result.
        score: (M,) result.
    """
    height, width = maps.shape[1:]
    flat = maps.reshape(len(maps), height * width)
    bands, transposed, patch, half = patch_room(taps, 1)
    blurred, every = np.empty((3, LANES)), flat.ravel()
    g = blurred[:, :3]
    ridge = 0.0 if rescale == 2 else UDP_RIDGE
    for m in range(len(maps)):
        xy[m, 0] = xy[m, 1] = np.nan
        cell, score[m] = peak_of(flat[m])
        if cell < 0:
            continue
        y, x = cell // width, cell % width
        xy[m, 0], xy[m, 1] = x, y
        blur_patch(
            every, m * height * width, height, width, x, y, 1, reflect,
            bands, transposed, patch, half, blurred,
        )  # fmt: skip
        if blurred[0, LANES - 1] != 0:
            continue
        # Edge padding of the blurred map.
        if x == 0:
            g[:, 0] = g[:, 1]
        if x == width - 1:
            g[:, 2] = g[:, 1]
        if y == 0:
            g[0] = g[1]
        if y == height - 1:
            g[2] = g[1]
        if rescale == 2 or (rescale == 1 and not (g.min() > UDP_FLOOR and score[m] <= UDP_CEILING)):
            whole = blur_map(maps[m], taps, reflect)
            low = whole.min() if rescale == 2 else 0.0
            g[:] = (g - low) / (whole.max() - low) * score[m]
        for i in range(3):
            for j in range(3):
                g[i, j] = min(max(g[i, j], UDP_FLOOR), UDP_CEILING)
        c = g[1, 1]
        dx = 0.5 * np.log(g[1, 2] / g[1, 0])
        dy = 0.5 * np.log(g[2, 1] / g[0, 1])
        dxx = np.log(g[1, 2] * g[1, 0] / (c * c)) + ridge
        dyy = np.log(g[2, 1] * g[0, 1] / (c * c)) + ridge
        around = g[1, 2] * g[2, 1] * g[1, 0] * g[0, 1]
        dxy = 0.5 * np.log(g[2, 2] * g[0, 0] * c * c / around)
        det = dxx * dyy - dxy * dxy
        if det != 0 and np.isfinite(det):
            xy[m, 0] = x - (dyy * dx - dxy * dy) / det
            xy[m, 1] = y - (dxx * dy - dxy * dx) / det


@kernel
def decode_taylor(maps, taps, xy, score):
    """Decode maps (M, H, W) into xy (M, 2) and score (M,) by CCM's second-order approximation.

    Newton's step from the highest cell of the blurred map, with the differences to the next cells
    and without a logarithm (Zhang, Chen and Tao, IJCV 2021; no code is published). In the
    outermost cells, and where the map is not concave or the step longer than a cell, none.
    """
    height, width = maps.shape[1:]
    flat = maps.reshape(len(maps), height * width)
    for m in range(len(maps)):
        xy[m, 0] = xy[m, 1] = np.nan
        cell, score[m] = peak_of(flat[m])
        if cell < 0:
            continue
        g = blur_map(np.where(maps[m] > -np.inf, maps[m], 0.0), taps, True)
        best = g.argmax()
        y, x = best // width, best % width
        xy[m, 0], xy[m, 1], score[m] = x, y, maps[m, y, x]
        if not (0 < x < width - 1 and 0 < y < height - 1):
            continue
        dx, dy = 0.5 * (g[y, x + 1] - g[y, x - 1]), 0.5 * (g[y + 1, x] - g[y - 1, x])
        dxx = g[y, x + 1] - 2 * g[y, x] + g[y, x - 1]
        dyy = g[y + 1, x] - 2 * g[y, x] + g[y - 1, x]
        dxy = 0.25 * (g[y + 1, x + 1] - g[y - 1, x + 1] - g[y + 1, x - 1] + g[y - 1, x - 1])
        det = dxx * dyy - dxy * dxy
        if dxx < 0 and det > 0:
            step_x, step_y = (dxy * dy - dyy * dx) / det, (dxy * dx - dxx * dy) / det
            if abs(step_x) <= 1 and abs(step_y) <= 1:
                xy[m, 0], xy[m, 1] = x + step_x, y + step_y
