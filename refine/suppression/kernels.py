"""Kernels of `refine.suppress`: poses grouped by image, walked best first."""

import numpy as np

from refine._exp import exp
from refine._kernel import kernel
from refine.oks import EPS

MANY = 96
"""Poses of an image from which on a grid finds those that are near; below, all are looked at."""
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
def hard_kernel(p, area, weight, better, worse, starts, threshold, most):
    """Return which of the poses, best first within an image, stay."""
    n = len(p)
    keep = np.zeros(n, np.bool_)
    kept = np.empty(n, np.intp)
    largest = 0
    for image in range(len(starts) - 1):
        largest = max(largest, starts[image + 1] - starts[image])
    whole = better.all() and worse.all()
    grid = _grid(largest if largest >= MANY else 0, len(weight))
    for image in range(len(starts) - 1):
        low, high = starts[image], starts[image + 1]
        if high - low >= MANY and np.isfinite(area[low:high]).all():
            _hard_by_grid(
                p, area, weight, better, worse, whole, low, high, threshold, most, grid, keep
            )
            continue
        count = 0
        for j in range(low, high):
            if count == most:
                break
            alike = False
            for c in range(count):
                i = kept[c]
                if _oks(p, area, weight, better, worse, whole, i, j, threshold) > threshold:
                    alike = True
                    break
            if not alike:
                keep[j] = True
                kept[count] = j
                count += 1
    return keep


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
def _hard_by_grid(p, area, weight, better, worse, whole, low, high, threshold, most, grid, keep):
    """Suppress within one image, where only poses with a joint nearby are looked at.

    The mean of similarities exceeds the threshold only where that of some joint does. Where all
    joints count, the K of them lack less than K (1 - threshold) together, so of any m some joint
    lacks less than the m-th part of that. Where its similarity is s, its distance is
    sqrt(-2 ln(s) area / weight), of the largest area at most.
    """
    head, following, compared = grid
    joints, chosen, least = len(weight), len(weight), threshold
    if whole:
        chosen = min(max(int(np.ceil(2 * joints * (1 - threshold))), 1), joints)
        least = 1 - joints * (1 - threshold) / chosen
    sharpest = np.argsort(-weight)[:chosen]
    mask = _buckets(high - low, chosen) - 1
    for slot in range(mask + 1):
        head[slot] = -1
    for slot in range(high - low):
        compared[slot] = -1
    area_most = 0.0
    for j in range(low, high):
        area_most = max(area_most, area[j])
    reach = np.sqrt(2 * (ROUNDING - np.log(least)) * (area_most + EPS) / weight) + SHORTEST
    count = 0
    for j in range(low, high):
        if count == most:
            break
        alike = False
        for q in sharpest:
            if not worse[j, q]:
                continue
            r, x, y = reach[q], p[j, q, 0], p[j, q, 1]
            cell = 2 * r
            for v in range(_cell(y - r, cell), _cell(y + r, cell) + 1):
                for u in range(_cell(x - r, cell), _cell(x + r, cell) + 1):
                    entry = head[_hash(u, v, q) & mask]
                    while entry >= 0:
                        at = entry // chosen
                        i = low + at
                        if compared[at] != j - low:
                            compared[at] = j - low
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
        keep[j] = True
        count += 1
        for c in range(chosen):
            q = sharpest[c]
            if better[j, q]:
                cell = 2 * reach[q]
                slot = _hash(_cell(p[j, q, 0], cell), _cell(p[j, q, 1], cell), q) & mask
                entry = (j - low) * chosen + c
                following[entry] = head[slot]
                head[slot] = entry


@kernel
def _cell(at, size):
    return np.int64(np.floor(min(max(at / size, -1e15), 1e15)))


@kernel
def _hash(u, v, q):
    return (u * HASH_X) ^ (v * HASH_Y) ^ (q * HASH_JOINT)


@kernel
def soft_kernel(p, area, weight, better, worse, starts, score, threshold, linear, most, floor):
    """Decay `score` in place and return each pose's place on its image, or -1."""
    rank = np.full(len(p), -1)
    largest = 0
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
            i = low + j
            now[j], who[j], size[j] = score[i], i, area[i]
            flat = flat or area[i] == 0
            for q in range(joints):
                at[q, 0, j], at[q, 1, j] = p[i, q, 0], p[i, q, 1]
                counts[q, j] = worse[i, q]
                whole = whole and worse[i, q]
        for place in range(min(most, left)):
            best = 0
            for j in range(1, left):
                # Of equal ones the first in the input.
                if now[j] > now[best] or (now[j] == now[best] and who[j] < who[best]):
                    best = j
            if now[best] < floor:
                break
            i = who[best]
            rank[i], score[i] = place, now[best]
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
    return rank


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
        row_x, row_y, row = at[q, 0, :n], at[q, 1, :n], counts[q, :n]
        if whole:
            for j in range(n):
                dx, dy = row_x[j] - x, row_y[j] - y
                total[j] += exp((dx * dx + dy * dy) * w * scale[j])
        else:
            for j in range(n):
                dx, dy = row_x[j] - x, row_y[j] - y
                similarity = exp((dx * dx + dy * dy) * w * scale[j])
                total[j] += similarity if row[j] else 0.0
                used[j] += 1.0 if row[j] else 0.0
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
