"""Kernels of `refine.suppress`: poses grouped by image, walked best first."""

import numpy as np

from refine._exp import exp
from refine._kernel import kernel
from refine.oks import EPS

BLOCK = 32
"""Kept poses that are looked at together."""
ROUNDING = 1e-9
"""Of exponents; what is nearer to the threshold is looked at."""
SHORTEST = 1e-6
"""px; of cells, where areas are 0."""
NEGLIGIBLE = -40.0
"""exp(-40) is below the rounding of a sum of similarities."""
UNFELT = 1e-17
"""exp(-1e-17) is 1."""
HASH_X, HASH_Y, HASH_JOINT = 73856093, 19349663, 83492791
"""Of cells: Teschner et al., Optimized spatial hashing for collision detection, VMV 2003."""


@kernel
def _oks(p, area, weight, better, worse, whole, i, j, floor):
    """OKS of poses i and j, or `floor` once it cannot exceed that; `whole`: all joints count."""
    used = len(weight)
    if not whole:
        used = 0
        for q in range(len(weight)):
            used += better[i, q] & worse[j, q]
    if used == 0:
        return 0.0
    if area[i] == 0 or area[j] == 0:
        for q in range(len(weight)):
            if better[i, q] != worse[j, q]:
                return 0.0
            if better[i, q] and (p[i, q, 0] != p[j, q, 0] or p[i, q, 1] != p[j, q, 1]):
                return 0.0
        return 1.0
    scale = -0.5 / ((area[i] + area[j]) / 2 + EPS)
    total, left = 0.0, used
    for q in range(len(weight)):
        if whole or better[i, q] & worse[j, q]:
            dx, dy = p[i, q, 0] - p[j, q, 0], p[i, q, 1] - p[j, q, 1]
            exponent = (dx * dx + dy * dy) * weight[q] * scale
            # NaN goes on to be found below.
            if not exponent < NEGLIGIBLE:
                total += np.exp(exponent)
            left -= 1
            if total + left < floor * used:
                return floor
    # Coordinates so large that distance and area overflow say nothing.
    return 0.0 if np.isnan(total) else total / used


@kernel
def _telling(weight, threshold, whole, more):
    """Return joints of which poses that are alike have one in common, and how similar it then is.

    The mean of similarities exceeds the threshold only where that of some joint does. Where all
    joints count, the K of them lack less than K (1 - threshold) together, so of any m some joint
    lacks less than the m-th part of that: m is `more` times as many as that takes, the sharpest.
    """
    joints = len(weight)
    if not whole:
        return np.arange(joints), threshold
    lacking = joints * (1 - threshold)
    count = min(max(int(np.ceil(more * lacking)), int(lacking) + 1), joints)
    sharpest, left = np.empty(count, np.int64), weight.copy()
    for c in range(count):
        sharpest[c] = np.argmax(left)
        left[sharpest[c]] = -1.0
    return sharpest, 1 - lacking / count


@kernel
def _reach(area, weight, order, low, high, similarity):
    """Return the distance in px (K,) beyond which no joint on an image is so similar."""
    largest = 0.0
    for slot in range(low, high):
        largest = max(largest, area[order[slot]])
    return np.sqrt(2 * (ROUNDING - np.log(similarity)) * (largest + EPS) / weight) + SHORTEST


@kernel
def hard_kernel(p, area, sigmas, better, worse, whole, order, starts, threshold, most, many):
    """Return the poses that stay, in the order of these, which is best first within an image.

    In an image of `many` poses a grid finds those that are near; in others all that are kept are
    looked at, several at a time.
    """
    weight, largest = 1 / (2 * sigmas) ** 2, 0
    for image in range(len(starts) - 1):
        largest = max(largest, starts[image + 1] - starts[image])
    grid = _grid(largest if largest >= many else 0, len(weight))
    telling, similarity = _telling(weight, threshold, whole, 1.0)
    columns = np.empty((len(telling), 2, (largest + BLOCK) // BLOCK * BLOCK))
    closest, point, per_reach = np.empty(BLOCK), np.empty((len(telling), 2)), np.empty(len(telling))
    kept, count = np.empty(starts[-1] - starts[0], np.int64), 0
    for image in range(len(starts) - 1):
        low, high = starts[image], starts[image + 1]
        if high - low == 1:
            kept[count] = order[low]
            count += 1
            continue
        reach = _reach(area, weight, order, low, high, similarity)
        if high - low >= many and np.isfinite(reach).all():
            count = _hard_by_grid(
                p, area, weight, better, worse, whole, order, low, high, threshold, most, grid,
                kept, count,
            )  # fmt: skip
            continue
        for c in range(len(telling)):
            per_reach[c] = 1 / reach[telling[c]] ** 2
        first = count
        for slot in range(low, high):
            if count - first == most:
                break
            j = order[slot]
            for c in range(len(telling)):
                q = telling[c]
                for axis in range(2):
                    point[c, axis] = p[j, q, axis] if worse[j, q] else np.nan
            alike = False
            for start in range(0, count - first, BLOCK):
                if not _near(columns, start, point, per_reach, closest):
                    continue
                for t in range(BLOCK):
                    if closest[t] <= 1:
                        i = kept[first + start + t]
                        if _oks(p, area, weight, better, worse, whole, i, j, threshold) > threshold:
                            alike = True
                            break
                if alike:
                    break
            if not alike:
                at = count - first
                if at % BLOCK == 0:
                    columns[:, :, at : at + BLOCK] = np.nan
                for c in range(len(telling)):
                    q = telling[c]
                    if better[j, q]:
                        columns[c, 0, at], columns[c, 1, at] = p[j, q, 0], p[j, q, 1]
                kept[count] = j
                count += 1
    return kept[:count]


def _near_of(columns, start, point, per_reach, closest):
    apart = columns[:, :, start : start + BLOCK] - point[:, :, None]
    distance = (apart[:, 0] ** 2 + apart[:, 1] ** 2) * per_reach[:, None]
    closest[:] = np.fmin.reduce(distance, initial=np.inf)
    return np.count_nonzero(closest <= 1)


@kernel(py_func=_near_of)
def _near(columns, start, point, per_reach, closest):
    """Fill how near a block of poses are, joint by joint in reaches, squared; count those within.

    NaN is never nearer.
    """
    closest[:] = np.inf
    for c in range(len(point)):
        xs, ys = columns[c, 0, start : start + BLOCK], columns[c, 1, start : start + BLOCK]
        x, y, scale = point[c, 0], point[c, 1], per_reach[c]
        for t in range(BLOCK):
            dx, dy = xs[t] - x, ys[t] - y
            distance = (dx * dx + dy * dy) * scale
            closest[t] = distance if distance < closest[t] else closest[t]
    count = 0
    for t in range(BLOCK):
        count += 1 if closest[t] <= 1 else 0
    return count


@kernel
def _grid(poses, joints):
    """Return the table of an image's kept joints: heads of lists by hash, next ones, their poses.

    And for each pose the one that it was last compared with.
    """
    head, following = (
        np.empty(_buckets(poses, joints), np.int64),
        np.empty(poses * joints, np.int64),
    )
    return head, following, np.empty(poses, np.int64)


@kernel
def _buckets(poses, joints):
    size = 1
    while size < 2 * poses * joints:
        size *= 2
    return size


@kernel
def _hard_by_grid(
    p, area, weight, better, worse, whole, order, low, high, threshold, most, grid, kept, count
):
    """Suppress within one image, where only poses with a joint nearby are looked at."""
    head, following, compared = grid
    telling, similarity = _telling(weight, threshold, whole, 2.0)
    chosen = len(telling)
    mask = _buckets(high - low, chosen) - 1
    for slot in range(mask + 1):
        head[slot] = -1
    for slot in range(high - low):
        compared[slot] = -1
    reach = _reach(area, weight, order, low, high, similarity)
    before = count
    for slot in range(low, high):
        if count - before == most:
            break
        j = order[slot]
        alike = False
        for q in telling:
            if not worse[j, q]:
                continue
            r, x, y = reach[q], p[j, q, 0], p[j, q, 1]
            cell = 2 * r
            for v in range(_cell(y - r, cell), _cell(y + r, cell) + 1):
                for u in range(_cell(x - r, cell), _cell(x + r, cell) + 1):
                    entry = head[_hash(u, v, q) & mask]
                    while entry >= 0:
                        at = entry // chosen
                        i = order[low + at]
                        if compared[at] != slot - low:
                            compared[at] = slot - low
                            if (
                                _oks(p, area, weight, better, worse, whole, i, j, threshold)
                                > threshold
                            ):
                                alike = True
                                break
                        entry = following[entry]
                    if alike:
                        break
                if alike:
                    break
            if alike:
                break
        if alike:
            continue
        kept[count] = j
        count += 1
        for c in range(chosen):
            q = telling[c]
            if better[j, q]:
                cell = 2 * reach[q]
                bucket = _hash(_cell(p[j, q, 0], cell), _cell(p[j, q, 1], cell), q) & mask
                entry = (slot - low) * chosen + c
                following[entry] = head[bucket]
                head[bucket] = entry
    return count


@kernel
def _cell(at, size):
    return np.int64(np.floor(min(max(at / size, -1e15), 1e15)))


@kernel
def _hash(u, v, q):
    return (u * HASH_X) ^ (v * HASH_Y) ^ (q * HASH_JOINT)


@kernel
def soft_kernel(
    p, area, sigmas, better, worse, order, starts, score, threshold, linear, most, floor
):
    """Decay `score` in place and return the poses picked, image by image."""
    picked, count = np.empty(starts[-1] - starts[0], np.int64), 0
    weight, largest = 1 / (2 * sigmas) ** 2, 0
    for image in range(len(starts) - 1):
        largest = max(largest, starts[image + 1] - starts[image])
    # Joints first, so that those of all poses stand next to one another.
    joints = len(weight)
    columns = np.empty((joints, 2, largest)), np.empty((joints, largest), np.bool_)
    at, counts = columns
    size, now, who = np.empty(largest), np.empty(largest), np.empty(largest, np.intp)
    room = np.empty((3, largest))
    for image in range(len(starts) - 1):
        low, left = starts[image], starts[image + 1] - starts[image]
        whole, flat = True, False
        for j in range(left):
            i = order[low + j]
            now[j], who[j], size[j] = score[i], i, area[i]
            flat = flat or area[i] == 0
            for q in range(joints):
                at[q, 0, j], at[q, 1, j] = p[i, q, 0], p[i, q, 1]
                counts[q, j] = worse[i, q]
                whole = whole and worse[i, q]
        for _ in range(min(most, left)):
            best = 0
            for j in range(1, left):
                # Of equal ones the first in the input.
                if now[j] > now[best] or (now[j] == now[best] and who[j] < who[best]):
                    best = j
            if now[best] < floor:
                break
            i = who[best]
            picked[count], score[i] = i, now[best]
            count += 1
            # The last one takes its place.
            left -= 1
            now[best], who[best], size[best] = now[left], who[left], size[left]
            for q in range(joints):
                at[q, 0, best], at[q, 1, best] = at[q, 0, left], at[q, 1, left]
                counts[q, best] = counts[q, left]
            oks = _row(p[i], area[i], weight, better[i], at, counts, size, whole, left, room)
            if flat:
                for j in range(left):
                    if area[i] == 0 or size[j] == 0:
                        oks[j] = _oks(p, area, weight, better, worse, whole, i, who[j], -1.0)
            _decay(now, oks, left, threshold, linear)
        for j in range(left):
            score[who[j]] = now[j]
    return picked[:count]


@kernel(fastmath={"contract"})
def _row(one, area, weight, better, at, counts, size, whole, n, room):
    """Return the OKS of one pose with the first n of the columns."""
    total, used, scale = room[0, :n], room[1, :n], room[2, :n]
    areas = size[:n]
    for j in range(n):
        scale[j] = -0.5 / ((area + areas[j]) / 2 + EPS)
    total[:] = 0.0
    used[:] = 0.0
    joints = 0
    for q in range(len(weight)):
        if not better[q]:
            continue
        joints += 1
        x, y, w = one[q, 0], one[q, 1], weight[q]
        if whole:
            for j in range(n):
                dx, dy = at[q, 0, j] - x, at[q, 1, j] - y
                total[j] += exp((dx * dx + dy * dy) * w * scale[j])
        else:
            for j in range(n):
                dx, dy = at[q, 0, j] - x, at[q, 1, j] - y
                similarity = exp((dx * dx + dy * dy) * w * scale[j])
                total[j] += similarity if counts[q, j] else 0.0
                used[j] += 1.0 if counts[q, j] else 0.0
    for j in range(n):
        count = float(joints) if whole else used[j]
        mean = total[j] / count if count > 0 else 0.0
        # Coordinates so large that distance and area overflow say nothing.
        total[j] = 0.0 if np.isnan(mean) else mean
    return total


@kernel
def _decay(score, oks, n, threshold, linear):
    now = score[:n]
    if linear:
        for j in range(n):
            now[j] *= 1 - oks[j] if oks[j] >= threshold else 1.0
    else:
        for j in range(n):
            exponent = oks[j] * oks[j] / threshold
            if exponent > UNFELT:
                now[j] *= np.exp(-exponent)
