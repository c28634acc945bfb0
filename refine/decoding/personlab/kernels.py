"""Numba kernels of `refine.decoding.personlab.arrays`: Hough votes, offset walks, scores."""

import math

import numpy as np

from refine._kernel import kernel

NEAREST, LINEAR = 0, 1


@kernel
def _clamp(v, top):
    return min(max(v, 0.0), top)


@kernel
def _cell(v, n):
    """Return the nearest of n cells, halves up (JavaScript's Math.round)."""
    return int(_clamp(math.floor(v + 0.5), n - 1.0))


@kernel
def _read(maps, channel, x, y, reading):
    """Return the value of a map at a point in cells; outside, that of the border."""
    _, height, width = maps.shape
    if reading == NEAREST:
        return np.float64(maps[channel, _cell(y, height), _cell(x, width)])
    x, y = _clamp(x, width - 1.0), _clamp(y, height - 1.0)
    i, j = int(x), int(y)
    right, below = min(i + 1, width - 1), min(j + 1, height - 1)
    fx, fy = x - i, y - j
    top = (1 - fx) * maps[channel, j, i] + fx * maps[channel, j, right]
    bottom = (1 - fx) * maps[channel, below, i] + fx * maps[channel, below, right]
    return (1 - fy) * top + fy * bottom


@kernel
def _probability(v, logits):
    return 1.0 / (1.0 + math.exp(-v)) if logits else v


@kernel
def queue_order(value):
    """Return the order in which the max-heap of PoseNet gives back values put in one by one.

    Quantised networks give many equal scores, and then the heap decides.
    """
    n = len(value)
    heap = np.empty(n, np.int64)
    for i in range(n):
        heap[i] = i
        k = i
        while k > 0 and value[heap[k // 2]] < value[heap[k]]:
            heap[k], heap[k // 2] = heap[k // 2], heap[k]
            k //= 2
    order = np.empty(n, np.int64)
    last = n - 1
    for i in range(n):
        order[i] = heap[0]
        heap[0], heap[last] = heap[last], heap[0]
        last -= 1
        k = 0
        while 2 * k <= last:
            j = 2 * k
            if j < last and value[heap[j]] < value[heap[j + 1]]:
                j += 1
            if not value[heap[k]] < value[heap[j]]:
                break
            heap[k], heap[j] = heap[j], heap[k]
            k = j
    return order


@kernel
def _follow(short, mid, edge, target, shift, x, y, reading, steps, stride):
    """Follow a mid-range offset, then short-range offsets towards the target joint; cells."""
    _, height, width = short.shape
    k = len(short) // 2
    dy = _read(mid, edge, x, y, reading)
    dx = _read(mid, edge + shift, x, y, reading)
    x, y = x + dx / stride, y + dy / stride
    if reading == LINEAR:
        x, y = _clamp(x, width - 1.0), _clamp(y, height - 1.0)
    for _ in range(steps):
        dy = _read(short, target, x, y, reading)
        dx = _read(short, target + k, x, y, reading)
        if reading == NEAREST:
            x = _cell(x, width) + dx / stride
            y = _cell(y, height) + dy / stride
        else:
            x = _clamp(x + dx / stride, width - 1.0)
            y = _clamp(y + dy / stride, height - 1.0)
    return x, y


@kernel
def _walk_tree(maps, short, mid, edges, reading, steps, stride, logits, xy, score, done):
    """Fill in a person from its root: towards the nose along backward offsets, then outwards."""
    n = len(edges)
    for i in range(2 * n):
        back = i < n
        e = n - 1 - i if back else i - n
        source, target = (edges[e, 1], edges[e, 0]) if back else (edges[e, 0], edges[e, 1])
        if not done[source] or done[target]:
            continue
        first = e + 2 * n if back else e
        x, y = _follow(
            short, mid, first, target, n, xy[source, 0], xy[source, 1], reading, steps, stride
        )
        xy[target, 0], xy[target, 1] = x, y
        score[target] = _probability(_read(maps, target, x, y, reading), logits)
        done[target] = True


@kernel
def _walk_best(maps, short, mid, edges, reading, steps, stride, slip, xy, score, done, root):
    """Fill in a person from its root, most confident joint first; `score` are map values."""
    n = len(edges)
    point = np.empty((2 * n, 2))
    value = np.full(2 * n, -np.inf)
    joint = root
    while joint >= 0:
        done[joint] = True
        for e in range(2 * n):
            back = e >= n
            source, target = (
                (edges[e - n, 1], edges[e - n, 0]) if back else (edges[e, 0], edges[e, 1])
            )
            if source != joint or done[target]:
                continue
            # Forward dy, forward dx, backward dy, backward dx: n channels each.
            first = e + n if e > n or (back and not slip) else e
            x, y = _follow(
                short, mid, first, target, n, xy[joint, 0], xy[joint, 1], reading, steps, stride
            )
            point[e, 0], point[e, 1] = x, y
            value[e] = _read(maps, target, x, y, reading)
        joint, best = -1, -1
        for e in range(2 * n):
            target = edges[e - n, 0] if e >= n else edges[e, 1]
            if value[e] == -np.inf or done[target]:
                continue
            if best < 0 or value[e] > value[best]:
                joint, best = target, e
        if joint >= 0:
            xy[joint] = point[best]
            score[joint] = value[best]


@kernel
def people(
    maps,
    short,
    mid,
    edges,
    root,
    at,
    value,
    tree,
    reading,
    steps,
    stride,
    logits,
    slip,
    apart,
    most,
    least,
):
    """Grow people from roots in order: xy (N, K, 2) cells and score (N, K) probabilities.

    `maps` to `edges` and `logits` are as `decode_personlab` takes them, `steps` and `reading` as
    its rules. Roots are a joint (R,) `at` (R, 2) cells with the `value` (R,) of its peak. `tree`
    tells which walk, `slip` the wrong channels of "edgetpu". A root within `apart` cells of that
    joint of a person belongs to it; at `most` so many people, none with a mean below `least`.
    """
    k = len(maps)
    most = min(most, len(root))
    xy = np.full((most, k, 2), np.nan)
    score = np.zeros((most, k))
    done = np.empty(k, np.bool_)
    n = 0
    for r in range(len(root)):
        if n == most:
            break
        joint, x, y = root[r], at[r, 0], at[r, 1]
        free = True
        for p in range(n):
            if (xy[p, joint, 0] - x) ** 2 + (xy[p, joint, 1] - y) ** 2 <= apart * apart:
                free = False
                break
        if not free:
            continue
        xy[n] = np.nan
        score[n] = 0.0
        done[:] = False
        xy[n, joint, 0], xy[n, joint, 1] = x, y
        done[joint] = True
        if tree:
            score[n, joint] = _probability(value[r], logits)
            _walk_tree(
                maps, short, mid, edges, reading, steps, stride, logits, xy[n], score[n], done
            )
        else:
            score[n, joint] = _read(maps, joint, x, y, reading)
            _walk_best(
                maps, short, mid, edges, reading, steps, stride, slip, xy[n], score[n], done, joint
            )
            for j in range(k):
                score[n, j] = _probability(score[n, j], logits)
        if score[n].mean() >= least:
            n += 1
    return xy[:n].copy(), score[:n].copy()


@kernel
def soft_nms(xy, score, order, apart):
    """Return the mean score of every person over the joints that no earlier one claims, (N,)."""
    n, k = score.shape
    out = np.empty(n)
    for i in range(n):
        a = order[i]
        total = 0.0
        for j in range(k):
            claimed = False
            for h in range(i):
                b = order[h]
                dx, dy = xy[a, j, 0] - xy[b, j, 0], xy[a, j, 1] - xy[b, j, 1]
                if dx * dx + dy * dy <= apart * apart:
                    claimed = True
                    break
            if not claimed:
                total += score[a, j]
        out[a] = total / k
    return out


@kernel
def hough(maps, short, stride, step, radius, floor, logits):
    """Let every point vote for the joint that its short-range offset points to.

    Probability and offset are read between cells every `step` px, as if upsampled; votes are
    shared between the four nearest cells of the result.

    Returns:
        (K, rows, columns), a cell every `step` px; votes per px^2 over the area of a disc.
    """
    k, height, width = maps.shape
    rows = int((height - 1) * stride / step) + 1
    columns = int((width - 1) * stride / step) + 1
    votes = np.zeros((k, rows, columns), np.float32)
    unit = 1 / (math.pi * radius * radius)
    least = math.log(floor / (1 - floor)) if logits else floor
    live = np.empty((height, width), np.bool_)
    for m in range(k):
        # Between four cells none of which votes, nothing does.
        for j in range(height):
            below = min(j + 1, height - 1)
            for i in range(width):
                right = min(i + 1, width - 1)
                top = max(maps[m, j, i], maps[m, j, right])
                live[j, i] = max(top, maps[m, below, i], maps[m, below, right]) >= least
        for j in range(rows):
            y = j * step / stride
            row = live[int(y)]
            for i in range(columns):
                x = i * step / stride
                if not row[int(x)]:
                    continue
                p = _probability(_read(maps, m, x, y, LINEAR), logits)
                if p < floor:
                    continue
                u = i + _read(short, m + k, x, y, LINEAR) / step
                v = j + _read(short, m, x, y, LINEAR) / step
                a, b = math.floor(u), math.floor(v)
                if a < 0 or b < 0 or a + 1 >= columns or b + 1 >= rows:
                    continue
                fx, fy, w = u - a, v - b, p * unit
                votes[m, b, a] += w * (1 - fx) * (1 - fy)
                votes[m, b, a + 1] += w * fx * (1 - fy)
                votes[m, b + 1, a] += w * (1 - fx) * fy
                votes[m, b + 1, a + 1] += w * fx * fy
    return votes


@kernel
def _window(votes, x, y, variance, reach):
    """Return the votes around a point, what OKS leaves of them, and the centroid of that."""
    rows, columns = votes.shape
    total = good = sx = sy = 0.0
    for j in range(max(0, math.ceil(y - reach)), min(rows, math.floor(y + reach) + 1)):
        for i in range(max(0, math.ceil(x - reach)), min(columns, math.floor(x + reach) + 1)):
            d2 = (i - x) ** 2 + (j - y) ** 2
            w = np.float64(votes[j, i])
            if d2 > reach * reach or w == 0:
                continue
            total += w
            w *= math.exp(-d2 / (2 * variance))
            good += w
            sx += w * i
            sy += w * j
    if good > 0:
        x, y = sx / good, sy / good
    return total, good, x, y


@kernel
def expected_oks(votes, at, score, variance, reach, moves):
    """Move joints towards the highest expected OKS and score them by it.

    Args:
        votes: (K, rows, columns).
        at: (N, K, 2) cells of the votes.
        score: (N, K) probability that the joint is there.
        variance: (N, K) of the OKS kernel, cells^2.
        reach: cells within which votes count.
        moves: steps of mean shift, which climbs the votes smoothed by the OKS kernel.

    Returns:
        (N, K, 2) cells and (N, K): score times the OKS that the votes around a joint promise.
    """
    n, k = score.shape
    xy, value = at.copy(), np.zeros((n, k))
    for a in range(n):
        for m in range(k):
            x, y = at[a, m]
            for _ in range(moves):
                _, _, x, y = _window(votes[m], x, y, variance[a, m], reach)
            xy[a, m, 0], xy[a, m, 1] = x, y
            total, good, _, _ = _window(votes[m], x, y, variance[a, m], reach)
            if total > 0:
                value[a, m] = score[a, m] * good / total
    return xy, value
