"""Least squares of Gaussians on windows of maps, many peaks in step.

One peak is a chain of a few hundred dependent operations. Here each of `GROUP` peaks has a lane, a
place of its own in rows that loops go along, so that processors do several at a time; a lane does
the same whatever the others hold. Rows lie at constant places of one flat array: compilers see
that they do not overlap.
"""

import numpy as np

from refine._exp import exp
from refine._kernel import kernel

GROUP = 32
"""Peaks in step."""
SIGMA_MIN = 0.5
"""Cells; a narrower peak is a single cell."""
ITERATIONS = 12
TOLERANCE = 1e-3
"""Cells; Gauss-Newton doubles the digits here, so the next step would be about 1e-6."""

# Rows of the lanes' state.
X, Y, T, GOOD_X, GOOD_Y, GOOD_T, STEP_X, STEP_Y, STEP_T = (GROUP * i for i in range(9))
BEST, AMPLITUDE, ACTIVE, MID_X, MID_Y, BOUND = (GROUP * i for i in range(9, 15))
LEFT, TOP, COLUMNS, ROWS, SCALE = (GROUP * i for i in range(15, 20))
V0, VX, VY, VT, S0, S1, S2 = (GROUP * i for i in range(20, 27))
# Sums of products of a Gaussian and its derivatives, along x and along y.
ALONG_X, ALONG_Y, STATE = GROUP * 27, GROUP * 33, GROUP * 39


@kernel(py_func=lambda rows: (np.arange(rows * GROUP),), forceinline=True)
def _lanes(rows):
    """Return what loops over the lanes of so many rows go through; in Python all at once."""
    return range(rows * GROUP)


@kernel(py_func=np.where, forceinline=True)
def _either(condition, value, other):
    return value if condition else other


@kernel
def fit_gaussians(maps, which, middle, start, sigma, reach, out):
    """Fit each peak in the window of `reach` sigmas around its middle.

    Args:
        maps: (M, H, W).
        which: (P,) map of each peak.
        middle: (P, 2) column and row of the middle of its window.
        start: (P, 2) column and row to start from.
        sigma: (P,) to start from; sets the window.
        reach: half side of the window in sigmas.
        out: (P, 5) result: column, row, sigma, amplitude and noise over amplitude.
    """
    height, width = maps.shape[1:]
    radius = np.empty(len(which), np.int64)
    for p in range(len(which)):
        radius[p] = max(2, int(np.ceil(reach * sigma[p])))
    # Windows of a group are filled up to the largest, which is at most twice as wide.
    order = _by_radius(radius)
    state = np.empty(STATE)
    window = np.empty(0)
    x_basis, y_basis = np.empty(3 * GROUP * width), np.empty(3 * GROUP * height)
    line = np.empty((width + 2) * GROUP)
    stop = 0
    while stop < len(order):
        first = stop
        while stop < min(first + GROUP, len(order)):
            if radius[order[stop]] > 2 * radius[order[first]]:
                break
            stop += 1
        lanes = order[first:stop]
        side = 2 * radius[lanes[-1]] + 1
        columns, rows = min(side, width), min(side, height)
        if window.size < columns * rows * GROUP:
            window = np.empty(columns * rows * GROUP)
        _gather(maps, which, middle, start, sigma, radius, lanes, columns, rows, window, state)
        for _ in range(ITERATIONS):
            _evaluate(window, columns, rows, x_basis, y_basis, state)
            if not _advance(width, height, state):
                break
        for lane in _lanes(1):
            state[X + lane], state[Y + lane] = state[GOOD_X + lane], state[GOOD_Y + lane]
            state[T + lane] = state[GOOD_T + lane]
        _bases(columns, rows, x_basis, y_basis, state)
        _noise(window, columns, rows, x_basis, y_basis, line, state)
        for lane in range(len(lanes)):
            p = lanes[lane]
            out[p, 0], out[p, 1] = state[X + lane], state[Y + lane]
            out[p, 2], out[p, 3] = np.exp(state[T + lane]), state[AMPLITUDE + lane]
            out[p, 4] = state[V0 + lane]


@kernel
def _by_radius(radius):
    """Return the order of the radii, which are small numbers: sorting takes seconds to compile."""
    places = np.zeros(radius.max() + 2 if radius.size else 1, np.int64)
    for r in radius:
        places[r + 1] += 1
    for r in range(1, places.size):
        places[r] += places[r - 1]
    order = np.empty(radius.size, np.int64)
    for p in range(radius.size):
        order[places[radius[p]]] = p
        places[radius[p]] += 1
    return order


@kernel
def _gather(maps, which, middle, start, sigma, radius, lanes, columns, rows, window, state):
    """Copy windows to their lanes, zeros beyond them, and set out."""
    height, width = maps.shape[1:]
    window[: columns * rows * GROUP] = 0.0
    state[:] = 0.0
    for lane in range(len(lanes)):
        p = lanes[lane]
        x, y, r = int(middle[p, 0] + 0.5), int(middle[p, 1] + 0.5), radius[p]
        left, right = max(0, x - r), min(width, x + r + 1)
        top, bottom = max(0, y - r), min(height, y + r + 1)
        m = which[p]
        for i in range(bottom - top):
            for j in range(right - left):
                window[(i * columns + j) * GROUP + lane] = maps[m, top + i, left + j]
        state[LEFT + lane], state[COLUMNS + lane] = left, right - left
        state[TOP + lane], state[ROWS + lane] = top, bottom - top
        state[MID_X + lane], state[MID_Y + lane] = middle[p, 0], middle[p, 1]
        state[X + lane], state[Y + lane] = start[p, 0], start[p, 1]
        state[GOOD_X + lane], state[GOOD_Y + lane] = start[p, 0], start[p, 1]
        state[T + lane] = state[GOOD_T + lane] = np.log(sigma[p])
        state[BOUND + lane] = max(1.0, sigma[p])
        state[BEST + lane], state[ACTIVE + lane] = -np.inf, 1.0


@kernel(fastmath={"contract"})
def _basis(count, low, centre, sums, size, basis, state):
    """Fill g, dg/dcentre and dg/dlog(sigma) of 1-D Gaussians, and the sums of their products.

    The rows of the state are those of the first cells, the centres, the sums and the numbers of
    cells; beyond these a Gaussian is 0.
    """
    for k in range(6):
        for lane in _lanes(1):
            state[sums + k * GROUP + lane] = 0.0
    for i in range(count):
        at = 3 * i * GROUP
        for lane in _lanes(1):
            per_sigma = state[SCALE + lane]
            u = (state[low + lane] + i - state[centre + lane]) * per_sigma
            inside = exp(-0.5 * u * u)
            g = _either(i < state[size + lane], inside, 0.0)
            d = g * u * per_sigma
            q = g * u * u
            basis[at + lane] = g
            basis[at + GROUP + lane] = d
            basis[at + 2 * GROUP + lane] = q
            state[sums + lane] += g * g
            state[sums + GROUP + lane] += g * d
            state[sums + 2 * GROUP + lane] += d * d
            state[sums + 3 * GROUP + lane] += g * q
            state[sums + 4 * GROUP + lane] += d * q
            state[sums + 5 * GROUP + lane] += q * q


@kernel
def _bases(columns, rows, x_basis, y_basis, state):
    for lane in _lanes(1):
        state[SCALE + lane] = 1 / exp(state[T + lane])
    _basis(columns, LEFT, X, ALONG_X, COLUMNS, x_basis, state)
    _basis(rows, TOP, Y, ALONG_Y, ROWS, y_basis, state)


@kernel(fastmath={"contract"})
def _evaluate(window, columns, rows, x_basis, y_basis, state):
    """Find the products of the windows with the Gaussians and with their three derivatives."""
    _bases(columns, rows, x_basis, y_basis, state)
    for lane in _lanes(4):
        state[V0 + lane] = 0.0
    for j in range(columns):
        for lane in _lanes(3):
            state[S0 + lane] = 0.0
        for i in range(rows):
            cell, at = (i * columns + j) * GROUP, 3 * i * GROUP
            for lane in _lanes(1):
                w = window[cell + lane]
                state[S0 + lane] += w * y_basis[at + lane]
                state[S1 + lane] += w * y_basis[at + GROUP + lane]
                state[S2 + lane] += w * y_basis[at + 2 * GROUP + lane]
        at = 3 * j * GROUP
        for lane in _lanes(1):
            g, d, q = (
                x_basis[at + lane],
                x_basis[at + GROUP + lane],
                x_basis[at + 2 * GROUP + lane],
            )
            s0, s1, s2 = state[S0 + lane], state[S1 + lane], state[S2 + lane]
            state[V0 + lane] += s0 * g
            state[VX + lane] += s0 * d
            state[VY + lane] += s1 * g
            state[VT + lane] += s0 * q + s2 * g


@kernel(fastmath={"contract"})
def _advance(width, height, state):
    """Take a Gauss-Newton step in every active lane; return whether any is left."""
    least_t, most_t = np.log(SIGMA_MIN), np.log(0.25 * max(height, width))
    last_x, last_y = width - 1.0, height - 1.0
    for lane in _lanes(1):
        active = state[ACTIVE + lane] > 0
        x, y, t = state[X + lane], state[Y + lane], state[T + lane]
        good_x, good_y, good_t = state[GOOD_X + lane], state[GOOD_Y + lane], state[GOOD_T + lane]
        a0, a1, a2 = (
            state[ALONG_X + lane],
            state[ALONG_X + GROUP + lane],
            state[ALONG_X + 2 * GROUP + lane],
        )
        a3, a4, a5 = (
            state[ALONG_X + 3 * GROUP + lane],
            state[ALONG_X + 4 * GROUP + lane],
            state[ALONG_X + 5 * GROUP + lane],
        )
        b0, b1, b2 = (
            state[ALONG_Y + lane],
            state[ALONG_Y + GROUP + lane],
            state[ALONG_Y + 2 * GROUP + lane],
        )
        b3, b4, b5 = (
            state[ALONG_Y + 3 * GROUP + lane],
            state[ALONG_Y + 4 * GROUP + lane],
            state[ALONG_Y + 5 * GROUP + lane],
        )
        v0, vx, vy, vt = (
            state[V0 + lane],
            state[VX + lane],
            state[VY + lane],
            state[VT + lane],
        )
        energy = a0 * b0
        explained = _either(v0 > 0, v0 * v0 / energy, -1.0)
        better = explained > state[BEST + lane]
        per_energy, per_amplitude = 1 / energy, energy / v0
        # Normal equations of (x, y, log sigma) after projecting the amplitude out.
        cx, cy = a1 * b0, a0 * b1
        ct = a3 * b0 + a0 * b3
        px, py, pt = cx * per_energy, cy * per_energy, ct * per_energy
        xx, yy = a2 * b0 - cx * px, a0 * b2 - cy * py
        tt = a5 * b0 + 2 * a3 * b3 + a0 * b5 - ct * pt
        xo = a1 * b1 - cx * py
        xt = a4 * b0 + a1 * b3 - cx * pt
        yt = a3 * b1 + a0 * b4 - cy * pt
        rx, ry, rt = vx * per_amplitude - cx, vy * per_amplitude - cy, vt * per_amplitude - ct
        m0, m1, m2 = yy * tt - yt * yt, xt * yt - xo * tt, xo * yt - xt * yy
        det = xx * m0 + xo * m1 + xt * m2
        told = det > 1e-9 * xx * yy * tt
        m4, m5, m8 = xx * tt - xt * xt, xo * xt - xx * yt, xx * yy - xo * xo
        per_det = 1 / det
        step_x = (m0 * rx + m1 * ry + m2 * rt) * per_det
        step_y = (m1 * rx + m4 * ry + m5 * rt) * per_det
        step_t = (m2 * rx + m5 * ry + m8 * rt) * per_det
        step_t = _either(step_t < -0.3, -0.3, step_t)
        step_t = _either(step_t > 0.3, 0.3, step_t)
        length = np.sqrt(step_x * step_x + step_y * step_y)
        most = 0.5 / state[SCALE + lane]
        shorter = _either(length > most, most / length, 1.0)
        # Inside the map the peak is within `bound` of the highest cell; outside, within twice that.
        mid_x, mid_y, bound = state[MID_X + lane], state[MID_Y + lane], state[BOUND + lane]
        low_x = mid_x - _either(mid_x - bound < 0, 2 * bound, bound)
        high_x = mid_x + _either(mid_x + bound > last_x, 2 * bound, bound)
        low_y = mid_y - _either(mid_y - bound < 0, 2 * bound, bound)
        high_y = mid_y + _either(mid_y + bound > last_y, 2 * bound, bound)
        to_x, to_y, to_t = x + step_x * shorter, y + step_y * shorter, t + step_t
        to_x = _either(to_x < low_x, low_x, to_x)
        to_x = _either(to_x > high_x, high_x, to_x)
        to_y = _either(to_y < low_y, low_y, to_y)
        to_y = _either(to_y > high_y, high_y, to_y)
        to_t = _either(to_t < least_t, least_t, to_t)
        to_t = _either(to_t > most_t, most_t, to_t)
        # Worse than before: half the step, until it is too short to matter.
        half_x, half_y = 0.5 * state[STEP_X + lane], 0.5 * state[STEP_Y + lane]
        half_t = 0.5 * state[STEP_T + lane]
        far = abs(half_x) + abs(half_y) > TOLERANCE
        goes_on = _either(better, told & (length >= TOLERANCE), far)
        stays = active & better & told & (length < TOLERANCE)
        moves, keeps = active & goes_on, active & better
        state[BEST + lane] = _either(keeps, explained, state[BEST + lane])
        state[AMPLITUDE + lane] = _either(keeps, v0 * per_energy, state[AMPLITUDE + lane])
        good_x, good_y = _either(keeps, x, good_x), _either(keeps, y, good_y)
        good_t = _either(keeps, t, good_t)
        state[STEP_X + lane] = _either(better, to_x - good_x, half_x)
        state[STEP_Y + lane] = _either(better, to_y - good_y, half_y)
        state[STEP_T + lane] = _either(better, to_t - good_t, half_t)
        state[X + lane] = _either(better, to_x, good_x + half_x)
        state[Y + lane] = _either(better, to_y, good_y + half_y)
        state[T + lane] = _either(better, to_t, good_t + half_t)
        state[GOOD_X + lane] = _either(stays, to_x, good_x)
        state[GOOD_Y + lane] = _either(stays, to_y, good_y)
        state[GOOD_T + lane] = _either(stays, to_t, good_t)
        state[ACTIVE + lane] = _either(moves, 1.0, 0.0)
    return state[ACTIVE : ACTIVE + GROUP].max() > 0


@kernel(fastmath={"contract"})
def _noise(window, columns, rows, x_basis, y_basis, line, state):
    """Estimate white noise over amplitude from the residual, blind to its smooth part, into V0.

    The mask [1 -2 1; -2 4 -2; 1 -2 1] has a variance of 36 (Immerkaer, CVIU 1996): a second
    difference down the columns and another along the rows.
    """
    row, step = columns * GROUP, 3 * GROUP
    for lane in _lanes(1):
        state[V0 + lane] = 0.0
    for i in range(rows - 2):
        for at in _lanes(columns):
            cell = i * row + at
            line[at] = window[cell] - 2 * window[cell + row] + window[cell + 2 * row]
        for j in range(columns - 2):
            at, y, x = j * GROUP, i * step, j * step
            for lane in _lanes(1):
                down = y_basis[y + lane] - 2 * y_basis[y + step + lane]
                down += y_basis[y + 2 * step + lane]
                across = x_basis[x + lane] - 2 * x_basis[x + step + lane]
                across += x_basis[x + 2 * step + lane]
                masked = line[at + lane] - 2 * line[at + GROUP + lane] + line[at + 2 * GROUP + lane]
                masked -= state[AMPLITUDE + lane] * down * across
                inside = (i + 2 < state[ROWS + lane]) & (j + 2 < state[COLUMNS + lane])
                state[V0 + lane] += _either(inside, masked * masked, 0.0)
    for lane in _lanes(1):
        cells = (state[ROWS + lane] - 2) * (state[COLUMNS + lane] - 2)
        amplitude = state[AMPLITUDE + lane]
        told = (state[ROWS + lane] > 2) & (state[COLUMNS + lane] > 2) & (amplitude > 0)
        noise = np.sqrt(state[V0 + lane] / cells) / 6 / amplitude
        state[V0 + lane] = _either(told, noise, 0.0)
