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

from refine._exp import exp
from refine._kernel import kernel
from refine.decoding.maps.lanes import LANES, sums_of_3
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
def decode_fit(maps, xy, score):
    """Decode maps (M, H, W) into xy (M, 2) and score (M,)."""
    height, width = maps.shape[1:]
    longest, room = max(height, width), fit_room(height, width)
    for m in range(len(maps)):
        values = maps[m]
        xy[m] = np.nan
        cell, score[m] = peak_of(values.ravel())
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
            values, start_x, start_y, start_x, start_y, sigma, CORE, room
        )
        if noise > NOISY:
            px, py, sigma, noise = gauss_newton(values, start_x, start_y, px, py, sigma, WIDE, room)
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
def fit_room(height, width):
    """Return what `gauss_newton` works in: columns, rows, window and its sums down the columns."""
    columns, rows = _padded(width) + LANES, _padded(height)
    window, sums = np.empty(height * columns), np.empty((3, columns))
    return np.empty((3, columns)), np.empty((3, rows)), window, sums


@kernel
def _padded(count):
    return (count + LANES - 1) // LANES * LANES


@kernel(fastmath={"contract", "reassoc", "nsz"})
def _fill(basis, size, low, count, centre, sigma):
    """Fill g, dg/dcentre and dg/dlog(sigma) of a 1-D Gaussian; return the sums of their products.

    From `count` to `size` they are 0.
    """
    g_row, d_row, q_row = basis[0, :size], basis[1, :size], basis[2, :size]
    gg = gd = dd = gq = dq = qq = 0.0
    per_sigma, first = 1 / sigma, low - centre
    for i in range(size):
        u = (first + i) * per_sigma
        g = exp(-0.5 * u * u) if i < count else 0.0
        d = g * u * per_sigma
        q = g * u * u
        g_row[i], d_row[i], q_row[i] = g, d, q
        gg += g * g
        gd += g * d
        dd += d * d
        gq += g * q
        dq += d * q
        qq += q * q
    return gg, gd, dd, gq, dq, qq


@kernel(fastmath={"contract", "reassoc", "nsz"})
def _products(sums, x_basis, size, count):
    """Return the products of the window with the Gaussian and with its three derivatives."""
    s0, s1, s2 = sums[0, :size], sums[1, :size], sums[2, :size]
    x0, x1, x2 = x_basis[0, :size], x_basis[1, :size], x_basis[2, :size]
    v0 = vx = vy = vt = 0.0
    for j in range(size):
        # What lies in further lanes may be infinite.
        w0 = s0[j] if j < count else 0.0
        w1 = s1[j] if j < count else 0.0
        w2 = s2[j] if j < count else 0.0
        v0 += w0 * x0[j]
        vx += w0 * x1[j]
        vy += w1 * x0[j]
        vt += w0 * x2[j] + w2 * x0[j]
    return v0, vx, vy, vt


@kernel
def gauss_newton(values, mid_x, mid_y, x, y, sigma, reach, room):
    """Fit from (x, y, sigma) in the window of `reach` sigmas around (mid_x, mid_y).

    Args:
        values: (H, W) one map.
        mid_x: column of the middle of the window.
        mid_y: its row.
        x: column to start from.
        y: row to start from.
        sigma: to start from.
        reach: half side of the window in sigmas.
        room: from `fit_room`.

    Returns:
        x, y, sigma, and the noise relative to the amplitude.
    """
    height, width = values.shape
    radius = max(2, int(np.ceil(reach * sigma)))
    left, right = max(0, int(mid_x + 0.5) - radius), min(width, int(mid_x + 0.5) + radius + 1)
    top, bottom = max(0, int(mid_y + 0.5) - radius), min(height, int(mid_y + 0.5) + radius + 1)
    columns, rows = right - left, bottom - top
    padded = _padded(columns)
    x_basis, y_basis, window, sums = room
    flat, at = values.ravel(), top * width + left
    # Whole lanes are read: the last rows of the last columns would end behind the map.
    within = at + (rows - 1) * width + padded + 2 <= values.size
    if not within:
        for i in range(rows):
            for j in range(padded):
                window[i * padded + j] = values[top + i, left + j] if j < columns else 0.0
    most = 0.25 * max(height, width)
    least_t, most_t = np.log(SIGMA_MIN), np.log(most)
    bound = max(1.0, sigma)
    good_x, good_y, good_t = x, y, np.log(sigma)
    t, best, amplitude = good_t, -np.inf, 0.0
    step_x = step_y = step_t = 0.0
    for _ in range(ITERATIONS):
        s = np.exp(t)
        a = _fill(x_basis, padded, left, columns, x, s)
        b = _fill(y_basis, _padded(rows), top, rows, y, s)
        for block in range(0, padded, LANES):
            if within:
                sums_of_3(flat, at + block, width, rows, y_basis, sums, block)
            else:
                sums_of_3(window, block, padded, rows, y_basis, sums, block)
        v0, vx, vy, vt = _products(sums, x_basis, padded, columns)
        energy = a[0] * b[0]
        explained = v0 * v0 / energy if v0 > 0 else -1.0
        if not explained > best:
            # Worse than before: half the step, until it is too short to matter.
            step_x, step_y, step_t = 0.5 * step_x, 0.5 * step_y, 0.5 * step_t
            if not abs(step_x) + abs(step_y) > TOLERANCE:
                break
            x, y, t = good_x + step_x, good_y + step_y, good_t + step_t
            continue
        per_energy, per_amplitude = 1 / energy, energy / v0
        best, good_x, good_y, good_t, amplitude = explained, x, y, t, v0 * per_energy
        # Normal equations of (x, y, log sigma) after projecting the amplitude out.
        cx, cy = a[1] * b[0], a[0] * b[1]
        ct = a[3] * b[0] + a[0] * b[3]
        px, py, pt = cx * per_energy, cy * per_energy, ct * per_energy
        xx, yy = a[2] * b[0] - cx * px, a[0] * b[2] - cy * py
        tt = a[5] * b[0] + 2 * a[3] * b[3] + a[0] * b[5] - ct * pt
        xo = a[1] * b[1] - cx * py
        xt = a[4] * b[0] + a[1] * b[3] - cx * pt
        yt = a[3] * b[1] + a[0] * b[4] - cy * pt
        rx, ry, rt = vx * per_amplitude - cx, vy * per_amplitude - cy, vt * per_amplitude - ct
        m0, m1, m2 = yy * tt - yt * yt, xt * yt - xo * tt, xo * yt - xt * yy
        det = xx * m0 + xo * m1 + xt * m2
        if not det > 1e-9 * xx * yy * tt:
            break
        m4, m5, m8 = xx * tt - xt * xt, xo * xt - xx * yt, xx * yy - xo * xo
        per_det = 1 / det
        step_x = (m0 * rx + m1 * ry + m2 * rt) * per_det
        step_y = (m1 * rx + m4 * ry + m5 * rt) * per_det
        step_t = min(max((m2 * rx + m5 * ry + m8 * rt) * per_det, -0.3), 0.3)
        length = np.sqrt(step_x * step_x + step_y * step_y)
        if length > 0.5 * s:
            step_x, step_y = step_x * 0.5 * s / length, step_y * 0.5 * s / length
        # Inside the map the peak is within `bound` of the highest cell; outside, within twice that.
        x = _bounded(x + step_x, mid_x, bound, width)
        y = _bounded(y + step_y, mid_y, bound, height)
        t = min(max(t + step_t, least_t), most_t)
        step_x, step_y, step_t = x - good_x, y - good_y, t - good_t
        if length < TOLERANCE:
            good_x, good_y, good_t = x, y, t
            break
    s = np.exp(good_t)
    _fill(x_basis, padded, left, columns, good_x, s)
    _fill(y_basis, _padded(rows), top, rows, good_y, s)
    lanes = padded if within else columns - 2
    noise = _noise(flat, at, width, rows, columns, lanes, x_basis[0], y_basis[0], amplitude)
    return good_x, good_y, s, noise


@kernel(fastmath={"contract", "reassoc", "nsz"})
def _noise(flat, at, width, rows, columns, lanes, x_basis, y_basis, amplitude):
    """Estimate white noise over amplitude from the residual, blind to its smooth part.

    The mask [1 -2 1; -2 4 -2; 1 -2 1] has a variance of 36 (Immerkaer, CVIU 1996): a second
    difference down the columns and another along the rows. Of `lanes` columns the first
    `columns` - 2 count.
    """
    count = columns - 2
    if rows < 3 or count < 1 or not amplitude > 0:
        return 0.0
    total = 0.0
    for i in range(rows - 2):
        first_cell = at + i * width
        high, middle = flat[first_cell:], flat[first_cell + width :]
        low = flat[first_cell + 2 * width :]
        down = amplitude * (y_basis[i] - 2 * y_basis[i + 1] + y_basis[i + 2])
        for j in range(lanes):
            first = np.float64(high[j]) - 2 * np.float64(middle[j]) + low[j]
            second = np.float64(high[j + 1]) - 2 * np.float64(middle[j + 1]) + low[j + 1]
            third = np.float64(high[j + 2]) - 2 * np.float64(middle[j + 2]) + low[j + 2]
            across = x_basis[j] - 2 * x_basis[j + 1] + x_basis[j + 2]
            masked = first - 2 * second + third - down * across
            masked = masked if j < count else 0.0
            total += masked * masked
    return np.sqrt(total / ((rows - 2) * count)) / 6 / amplitude


@kernel
def _bounded(at, middle, bound, size):
    low = middle - (2 * bound if middle - bound < 0 else bound)
    high = middle + (2 * bound if middle + bound > size - 1 else bound)
    return min(max(at, low), high)
