"""Loops over the frames of joints, see `refine.motion.arrays`; NaN where one is missing."""

import numpy as np

from refine._kernel import kernel


@kernel
def chain(xy, time, variance, speed, refusal, reach, kept):
    n = 0
    place = np.empty(len(xy), np.int64)
    for t in range(len(xy)):
        kept[t] = False
        if xy[t, 0] == xy[t, 0]:
            place[n] = t
            n += 1
    cost = np.empty(n)
    before = np.empty(n, np.int64)
    for i in range(n):
        t = place[i]
        cost[i] = refusal * i
        before[i] = -1
        for j in range(i - 1, -1, -1):
            s = place[j]
            apart = time[t] - time[s]
            if apart > reach and j < i - 1:
                break
            spread = variance[s] + variance[t] + (speed[t] * apart) ** 2
            x, y = xy[t, 0] - xy[s, 0], xy[t, 1] - xy[s, 1]
            d2 = x * x + y * y
            if before[j] >= 0:
                r = place[before[j]]
                ahead = apart / (time[s] - time[r])
                if ahead <= 2:
                    x -= ahead * (xy[s, 0] - xy[r, 0])
                    y -= ahead * (xy[s, 1] - xy[r, 1])
                    d2 = min(d2, x * x + y * y)
            least = variance[s] + variance[t]
            c = cost[j] + refusal * (i - j - 1) + d2 / (2 * spread) + np.log(spread / least)
            if c < cost[i]:
                cost[i] = c
                before[i] = j
    last, least = -1, np.inf
    for i in range(n):
        c = cost[i] + refusal * (n - 1 - i)
        if c <= least:
            last, least = i, c
    while last >= 0:
        kept[place[last]] = True
        last = before[last]


@kernel
def smooth_path(xy, variance, time, agility, memory, out, out_variance):
    frames = len(xy)
    first = 0
    while first < frames and xy[first, 0] != xy[first, 0]:
        first += 1
    if first == frames:
        out[:] = np.nan
        out_variance[:] = np.inf
        return
    # Place, velocity and their variances, as predicted and as filtered.
    mean = np.empty((2, frames, 4))
    spread = np.empty((2, frames, 3))
    x, y, u, v = xy[first, 0], xy[first, 1], 0.0, 0.0
    still = agility[0] * memory / 2
    a, b, c = 1e8 * variance[first] + 1e8 * still, 0.0, still
    for t in range(frames):
        if t:
            step = time[t] - time[t - 1]
            fade = np.exp(-step / memory)
            run = memory * (1 - fade)
            q = agility[t] * memory / 2
            x, y, u, v = x + run * u, y + run * v, fade * u, fade * v
            a += run * (2 * b + run * c) + q * memory * (2 * step - run * (3 - fade))
            b = fade * (b + run * c) + q * run * (1 - fade)
            c = fade * fade * c + q * (1 - fade * fade)
        mean[0, t] = (x, y, u, v)
        spread[0, t] = (a, b, c)
        if xy[t, 0] == xy[t, 0]:
            gain, turn = a / (a + variance[t]), b / (a + variance[t])
            dx, dy = xy[t, 0] - x, xy[t, 1] - y
            x, y, u, v = x + gain * dx, y + gain * dy, u + turn * dx, v + turn * dy
            a, b, c = (1 - gain) * a, (1 - gain) * b, c - turn * b
        mean[1, t] = (x, y, u, v)
        spread[1, t] = (a, b, c)
    out[frames - 1] = (x, y)
    out_variance[frames - 1] = a
    for t in range(frames - 2, -1, -1):
        step = time[t + 1] - time[t]
        fade = np.exp(-step / memory)
        run = memory * (1 - fade)
        fa, fb, fc = spread[1, t]
        pa, pb, pc = spread[0, t + 1]
        # Gain: filtered covariance times transition^T times the inverse of the predicted one.
        scale = 1 / (pa * pc - pb * pb)
        ka, kb = fa + run * fb, fade * fb
        kc, kd = fb + run * fc, fade * fc
        g00, g01 = (ka * pc - kb * pb) * scale, (kb * pa - ka * pb) * scale
        g10, g11 = (kc * pc - kd * pb) * scale, (kd * pa - kc * pb) * scale
        dx, dy = x - mean[0, t + 1, 0], y - mean[0, t + 1, 1]
        du, dv = u - mean[0, t + 1, 2], v - mean[0, t + 1, 3]
        x, y = mean[1, t, 0] + g00 * dx + g01 * du, mean[1, t, 1] + g00 * dy + g01 * dv
        u, v = mean[1, t, 2] + g10 * dx + g11 * du, mean[1, t, 3] + g10 * dy + g11 * dv
        da, db, dc = a - pa, b - pb, c - pc
        a = fa + g00 * (g00 * da + g01 * db) + g01 * (g00 * db + g01 * dc)
        b = fb + g10 * (g00 * da + g01 * db) + g11 * (g00 * db + g01 * dc)
        c = fc + g10 * (g10 * da + g11 * db) + g11 * (g10 * db + g11 * dc)
        out[t] = (x, y)
        out_variance[t] = a


@kernel
def flips(left, right, known, time, variance, speed, switch, stay, ends, chance):
    frames, pairs = known.shape
    if frames < 2:
        chance[:] = 0.0
        return
    # Log likelihood of readings of three frames in a row: the one before, the last, the new.
    gain = np.zeros((frames, 2, 2, 2))
    seen = np.full(pairs, -np.inf)
    for t in range(1, frames):
        for p in range(pairs):
            if known[t - 1, p]:
                seen[p] = time[t - 1]
        ahead = 0.0
        if t > 1:
            ahead = (time[t] - time[t - 1]) / (time[t - 1] - time[t - 2])
            ahead = ahead if ahead <= 2 else 0.0
        for old in range(2):
            for last in range(2):
                for new in range(2):
                    g = -(switch if new != last else 0.0) - (stay if new else 0.0)
                    for p in range(pairs):
                        if not known[t, p] or seen[p] == -np.inf:
                            continue
                        apart = speed[t] * (time[t] - seen[p])
                        spread = 2 * variance[t, p] + apart * apart
                        for side in range(2):
                            here = left if new == side else right
                            from_ = left if last == side else right
                            x = here[t, p, 0] - from_[t - 1, p, 0]
                            y = here[t, p, 1] - from_[t - 1, p, 1]
                            d2 = x * x + y * y
                            if ahead > 0:
                                first = left if old == side else right
                                x -= ahead * (from_[t - 1, p, 0] - first[t - 2, p, 0])
                                y -= ahead * (from_[t - 1, p, 1] - first[t - 2, p, 1])
                                d2 = min(d2, x * x + y * y)
                            g -= 2 * np.log(1 + d2 / (2 * spread))
                    gain[t, old, last, new] = g
    # Forward and backward sums over the readings of two frames in a row.
    ahead_of = np.full((frames, 2, 2), -np.inf)
    behind = np.zeros((frames, 2, 2))
    ahead_of[0, 0, 0], ahead_of[0, 0, 1] = 0.0, -ends
    behind[-1, :, 1] = stay - ends
    for t in range(1, frames):
        for last in range(2):
            for new in range(2):
                a = ahead_of[t - 1, 0, last] + gain[t, 0, last, new]
                b = ahead_of[t - 1, 1, last] + gain[t, 1, last, new]
                top = max(a, b)
                ahead_of[t, last, new] = top + np.log(np.exp(a - top) + np.exp(b - top))
    for t in range(frames - 2, -1, -1):
        for old in range(2):
            for last in range(2):
                a = behind[t + 1, last, 0] + gain[t + 1, old, last, 0]
                b = behind[t + 1, last, 1] + gain[t + 1, old, last, 1]
                top = max(a, b)
                behind[t, old, last] = top + np.log(np.exp(a - top) + np.exp(b - top))
    for t in range(frames):
        total, turned = 0.0, 0.0
        top = -np.inf
        for last in range(2):
            for new in range(2):
                top = max(top, ahead_of[t, last, new] + behind[t, last, new])
        for last in range(2):
            for new in range(2):
                weight = np.exp(ahead_of[t, last, new] + behind[t, last, new] - top)
                total += weight
                turned += weight if new else 0.0
        chance[t] = turned / total
