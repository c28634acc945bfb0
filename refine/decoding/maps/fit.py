"""A border-safe sub-pixel decoder: least squares of a Gaussian on the cells that exist.

DARK needs two cells on every side of the peak and a blur that reads zeros beyond the map, so it
is off by a third of a cell near the border. Here an isotropic Gaussian of free amplitude, place
and width is fitted by Gauss-Newton to the in-map part of a window around the peak: nothing is
assumed about what lies outside, the peak itself may lie there, and the amplitude drops out
(variable projection), so maps of any scale decode alike. Under white noise this is the maximum
likelihood estimate. Trained networks do not answer with Gaussians: their cores do look like one,
their tails do not. Hence a small window, and a wide one only where the map is visibly noisy.

A peak beyond a border is found from its flank, up to a cell outside; beyond a corner, both ways
outside, only from a sigma of 1.3 cells on: too little is seen of a narrower one, whose place and
width trade off, and it is left within a cell of the corner.
"""

import numpy as np

from refine._kernel import kernel
from refine.decoding.maps.peak import peak_of

HALF_MAXIMUM = float(np.exp(-0.5))
"""A Gaussian one sigma from its centre, relative to its maximum."""
CORE, WIDE = 1.5, 2.5
"""Half sides of the two windows in sigmas, chosen between 1.25 and 3 by AP on two networks and by
the error on synthetic maps (tests/benchmarks/decode_ap.py and decode_error.py)."""
NOISY = 0.01
"""Noise over amplitude above which the wide window is used; of the confident maps of a real
network (PP-TinyPose 256 x 192) one in a hundred lies above."""
SIGMA_MIN = 0.5
"""Cells; a narrower peak is a single cell."""
ITERATIONS = 12
TOLERANCE = 1e-3
"""Cells; Gauss-Newton doubles the digits here, so the next step would be about 1e-6."""


@kernel
def decode_fit(maps, bits, unsigned, nan_above, xy, score):
    """Decode maps (M, H, W) into xy (M, 2) and score (M,)."""
    height, width = maps.shape[1:]
    longest = max(height, width)
    x_basis, y_basis = np.empty((3, longest)), np.empty((3, longest))
    for m in range(len(maps)):
        values = maps[m]
        cell, score[m] = peak_of(values.ravel(), bits[m], unsigned[m], nan_above)
        if cell < 0:
            continue
        y, x = cell // width, cell % width
        right, below = x, y
        while right + 1 < width and values[y, right + 1] == values[y, x]:
            right += 1
        while below + 1 < height and values[below + 1, x] == values[y, x]:
            below += 1
        # The middle of a plateau; the peak itself where there is none.
        start_x, start_y = 0.5 * (x + right), 0.5 * (y + below)
        xy[m, 0], xy[m, 1] = start_x, start_y
        sigma = width_of(values, x, y, right, below)
        if sigma <= 0:
            continue
        sigma = min(max(sigma, SIGMA_MIN), longest / 4)
        px, py, sigma, noise = gauss_newton(
            values, start_x, start_y, start_x, start_y, sigma, CORE, x_basis, y_basis
        )
        if noise > NOISY:
            px, py, sigma, noise = gauss_newton(
                values, start_x, start_y, px, py, sigma, WIDE, x_basis, y_basis
            )
        xy[m, 0], xy[m, 1] = px, py


@kernel
def width_of(values, x, y, right, below):
    """Measure sigma: mean distance to exp(-1/2) of the peak, over the sides that reach it."""
    height, width = values.shape
    top = np.float64(values[y, x])
    level = HALF_MAXIMUM * top
    total, sides = 0.0, 0
    for side in range(4):
        dx, dy = (1, -1, 0, 0)[side], (0, 0, 1, -1)[side]
        at_x, at_y = (right if side == 0 else x), (below if side == 2 else y)
        extra = 0.5 * (right - x) if dx else 0.5 * (below - y)
        before, steps = top, 0
        while True:
            at_x += dx
            at_y += dy
            if at_x < 0 or at_y < 0 or at_x >= width or at_y >= height:
                break
            now = np.float64(values[at_y, at_x])
            if now < level:
                total += extra + steps + (before - level) / (before - max(now, 0.0))
                sides += 1
                break
            steps += 1
            before = now
    return total / sides if sides else -1.0


@kernel
def _fill(basis, low, count, centre, sigma, sums):
    """Fill g, dg/dcentre and dg/dlog(sigma) of a 1-D Gaussian and the sums of their products."""
    sums[:] = 0.0
    for i in range(count):
        u = (low + i - centre) / sigma
        g = np.exp(-0.5 * u * u)
        d = g * u / sigma
        q = g * u * u
        basis[0, i], basis[1, i], basis[2, i] = g, d, q
        sums[0] += g * g
        sums[1] += g * d
        sums[2] += d * d
        sums[3] += g * q
        sums[4] += d * q
        sums[5] += q * q


@kernel
def gauss_newton(values, mid_x, mid_y, x, y, sigma, reach, x_basis, y_basis):
    """Fit from (x, y, sigma) in the window of `reach` sigmas around (mid_x, mid_y).

    Returns:
        x, y, sigma, and the noise relative to the amplitude.
    """
    height, width = values.shape
    radius = max(2, int(np.ceil(reach * sigma)))
    left, right = max(0, int(mid_x + 0.5) - radius), min(width, int(mid_x + 0.5) + radius + 1)
    top, bottom = max(0, int(mid_y + 0.5) - radius), min(height, int(mid_y + 0.5) + radius + 1)
    columns, rows = right - left, bottom - top
    a, b = np.empty(6), np.empty(6)
    room = max(1.0, sigma)
    most = 0.25 * max(height, width)
    good_x, good_y, good_t = x, y, np.log(sigma)
    t, best, amplitude = good_t, -np.inf, 0.0
    step_x = step_y = step_t = 0.0
    for _ in range(ITERATIONS):
        s = np.exp(t)
        _fill(x_basis, left, columns, x, s, a)
        _fill(y_basis, top, rows, y, s, b)
        v0 = vx = vy = vt = 0.0
        for i in range(rows):
            line = values[top + i, left:right]
            r0 = r1 = r2 = 0.0
            for j in range(columns):
                v = np.float64(line[j])
                r0 += v * x_basis[0, j]
                r1 += v * x_basis[1, j]
                r2 += v * x_basis[2, j]
            v0 += y_basis[0, i] * r0
            vx += y_basis[0, i] * r1
            vy += y_basis[1, i] * r0
            vt += y_basis[0, i] * r2 + y_basis[2, i] * r0
        energy = a[0] * b[0]
        explained = v0 * v0 / energy if v0 > 0 else -1.0
        if not explained > best:
            # Worse than before: half the step, until it is too short to matter.
            step_x, step_y, step_t = 0.5 * step_x, 0.5 * step_y, 0.5 * step_t
            if not abs(step_x) + abs(step_y) > TOLERANCE:
                break
            x, y, t = good_x + step_x, good_y + step_y, good_t + step_t
            continue
        best, good_x, good_y, good_t, amplitude = explained, x, y, t, v0 / energy
        # Normal equations of (x, y, log sigma) after projecting the amplitude out.
        cx, cy = a[1] * b[0], a[0] * b[1]
        ct = a[3] * b[0] + a[0] * b[3]
        xx, yy = a[2] * b[0] - cx * cx / energy, a[0] * b[2] - cy * cy / energy
        tt = a[5] * b[0] + 2 * a[3] * b[3] + a[0] * b[5] - ct * ct / energy
        xo = a[1] * b[1] - cx * cy / energy
        xt = a[4] * b[0] + a[1] * b[3] - cx * ct / energy
        yt = a[3] * b[1] + a[0] * b[4] - cy * ct / energy
        rx, ry, rt = vx / amplitude - cx, vy / amplitude - cy, vt / amplitude - ct
        m0, m1, m2 = yy * tt - yt * yt, xt * yt - xo * tt, xo * yt - xt * yy
        det = xx * m0 + xo * m1 + xt * m2
        if not det > 1e-9 * xx * yy * tt:
            break
        m4, m5, m8 = xx * tt - xt * xt, xo * xt - xx * yt, xx * yy - xo * xo
        step_x = (m0 * rx + m1 * ry + m2 * rt) / det
        step_y = (m1 * rx + m4 * ry + m5 * rt) / det
        step_t = min(max((m2 * rx + m5 * ry + m8 * rt) / det, -0.3), 0.3)
        length = np.hypot(step_x, step_y)
        if length > 0.5 * s:
            step_x, step_y = step_x * 0.5 * s / length, step_y * 0.5 * s / length
        # Inside the map the peak is within `room` of the highest cell; outside, within twice that.
        x = _bounded(x + step_x, mid_x, room, width)
        y = _bounded(y + step_y, mid_y, room, height)
        t = min(max(t + step_t, np.log(SIGMA_MIN)), np.log(most))
        step_x, step_y, step_t = x - good_x, y - good_y, t - good_t
        if length < TOLERANCE:
            good_x, good_y, good_t = x, y, t
            break
    s = np.exp(good_t)
    _fill(x_basis, left, columns, good_x, s, a)
    _fill(y_basis, top, rows, good_y, s, b)
    noise = _noise(values[top:bottom, left:right], x_basis, y_basis, amplitude)
    return good_x, good_y, s, noise


@kernel
def _noise(window, x_basis, y_basis, amplitude):
    """Estimate white noise over amplitude from the residual, blind to its smooth part.

    The mask [1 -2 1; -2 4 -2; 1 -2 1] has a variance of 36 (Immerkaer, CVIU 1996).
    """
    total, count = 0.0, 0
    for i in range(len(window) - 2):
        for j in range(window.shape[1] - 2):
            masked = 0.0
            for p in range(3):
                second = 0.0
                for q in range(3):
                    model = amplitude * y_basis[0, i + p] * x_basis[0, j + q]
                    residual = np.float64(window[i + p, j + q]) - model
                    second += residual if q != 1 else -2 * residual
                masked += second if p != 1 else -2 * second
            total += masked * masked
            count += 1
    return np.sqrt(total / count) / 6 / amplitude if count and amplitude > 0 else 0.0


@kernel
def _bounded(at, middle, room, size):
    low = middle - (2 * room if middle - room < 0 else room)
    high = middle + (2 * room if middle + room > size - 1 else room)
    return min(max(at, low), high)
