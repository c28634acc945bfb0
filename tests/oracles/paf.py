"""Made people, their ideal maps and fields, and a plain decoder of all rule sets."""

import numpy as np

from refine.decoding.maps.resample import blur, cubic, repeat, smoother_taps
from refine.decoding.paf.arrays import paf_limbs
from refine.skeletons import skeleton

LIMBS = paf_limbs("openpose18")


def people(n, rng, width=54, height=46, joints=18):
    """Joints (N, K, 2) in cells, upright and of random size, anywhere and overlapping."""
    names = skeleton("openpose18" if joints == 18 else "openpose25").joints
    place = {
        "nose": (0, 0), "neck": (0, 2), "shoulder": (2, 2), "elbow": (3, 5), "wrist": (3.5, 8),
        "hip": (1.5, 9), "knee": (1.7, 13), "ankle": (1.8, 17), "eye": (1.2, -1),
        "ear": (2.4, -0.6), "mid_hip": (0, 9), "big_toe": (2.2, 18), "small_toe": (2.8, 17.8),
        "heel": (1.5, 18),
    }  # fmt: skip
    xy = np.empty((n, joints, 2))
    for k, name in enumerate(names):
        part = name.removeprefix("left_").removeprefix("right_")
        xy[:, k] = place[part]
        xy[:, k, 0] *= -1 if name.startswith("right_") else 1
    scale = rng.uniform(0.9, 1.8, (n, 1, 1))
    origin = rng.uniform((6, 4), (width - 6, height / 3), (n, 1, 2))
    return xy * scale + origin + rng.normal(0, 0.3, xy.shape)


def encoded(xy, limbs, width=54, height=46, sigma=0.9, noise=0.0, rng=None):
    """Ideal heatmaps (K + 1, H, W) and fields of people (N, K, 2) in cells."""
    y, x = np.mgrid[:height, :width]
    k = xy.shape[1]
    maps = np.zeros((k + 1, height, width))
    for j in range(k):
        d2 = (x - xy[:, j, 0, None, None]) ** 2 + (y - xy[:, j, 1, None, None]) ** 2
        maps[j] = np.exp(-d2 / 2 / sigma**2).max(0, initial=0)
    maps[k] = 1 - maps[:k].max(0)
    fields = np.zeros((limbs.channels.max() + 1, height, width))
    for (a, b), channels in zip(limbs.pairs, limbs.channels, strict=True):
        for p, q in zip(xy[:, a], xy[:, b], strict=True):
            length = np.linalg.norm(q - p)
            u = (q - p) / length
            along = (x - p[0]) * u[0] + (y - p[1]) * u[1]
            across = abs((x - p[0]) * u[1] - (y - p[1]) * u[0])
            on = (along > -1) & (along < length + 1) & (across < 1.5)
            fields[channels[0]][on], fields[channels[1]][on] = u
    if noise:
        maps += rng.normal(0, noise, maps.shape)
        fields += rng.normal(0, noise, fields.shape)
    return maps.astype(np.float32), fields.astype(np.float32)


# The oracle: plain loops over dense maps.


def peaks_plain(values, threshold, rule):
    height, width = values.shape
    found = []
    for y in range(height):
        for x in range(width):
            v = values[y, x]
            if not v > threshold:
                continue
            reach = 2 if rule == "5x5" else 1
            others = [
                values[j, i]
                for j in range(max(0, y - reach), min(height, y + reach + 1))
                for i in range(max(0, x - reach), min(width, x + reach + 1))
                if (j, i) != (y, x) and (rule[0] != "4" or j == y or i == x)
            ]
            strict = rule in ("4", "8")
            if rule == "openpose-cpp":
                strict = 1 < x < width - 2 and 1 < y < height - 2
                if not strict and x not in (1, width - 2) and y not in (1, height - 2):
                    continue
            if rule == "first":
                later = values[y, x + 1 : x + 2].tolist()
                later += values[y + 1 : y + 2, max(0, x - 1) : x + 2].ravel().tolist()
                earlier = values[y, max(0, x - 1) : x].tolist()
                earlier += values[max(0, y - 1) : y, max(0, x - 1) : x + 2].ravel().tolist()
                if all(v >= o for o in later) and all(v > o for o in earlier):
                    found.append((x, y))
            elif all(v > o if strict else v >= o for o in others):
                found.append((x, y))
    return found


def up_plain(maps, rules, blurred):
    height, width = maps.shape[1:]
    enlarge = cubic if rules.resize == "cubic" else lambda n, size: repeat(n, size // n)
    axes = []
    for n in (height, width):
        matrix = enlarge(n, n * rules.upsample)
        if blurred and rules.blur == "smoother":
            matrix = blur(len(matrix), smoother_taps(), "zero") @ matrix
        elif blurred and rules.blur:
            taps = np.exp(-0.5 * (np.arange(-12, 13) / 3) ** 2)
            matrix = blur(len(matrix), taps / taps.sum(), "mirror") @ matrix
        axes.append(matrix)
    return np.einsum("yi,kij,xj->kyx", axes[0], maps.astype(float), axes[1]).astype(np.float32)


def affinity_plain(a, b, fx, fy, rules):
    height, width = fx.shape
    d = b - a
    norm = np.hypot(*d)
    if norm < 1e-6:
        return 0.0
    n = rules.samples or min(max(int(np.sqrt(5 * abs(d).max()) + 0.5), 5), 25)
    values = []
    for t in range(n):
        p = a + d * (t * (1 / (n - 1 if rules.ends else n)))
        x, y = np.rint(p) if rules.rounding == "even" else np.floor(p + 0.5)
        x, y = int(np.clip(x, 0, width - 1)), int(np.clip(y, 0, height - 1))
        values.append((d[0] * fx[y, x] + d[1] * fy[y, x]) / norm)
    values = np.array(values, float)
    good = values > rules.field_threshold
    if not good.sum() > rules.min_share * n:
        return rules.short if norm < np.sqrt(width * height) / 150 else 0.0
    mean = values[good].mean() if rules.above_only else values.mean()
    return mean + min(rules.max_length * height / norm - 1, 0) if rules.max_length else mean


def rows_plain(connections, peaks, limbs, rules):
    """People as dicts joint -> peak, with total and count, by the published row rules."""
    rows = []
    scores = [p[2] for p in peaks]
    of = [[i for i, p in enumerate(peaks) if p[3] == k] for k in range(len(limbs.uncounted))]
    for limb, (ja, jb) in enumerate(limbs.pairs.tolist()):
        if rules.singles and bool(of[ja]) != bool(of[jb]):
            j = ja if of[ja] else jb
            rows += [
                {"part": {j: p}, "total": scores[p], "count": 1}
                for p in of[j]
                if all(r["part"].get(j) != p for r in rows)
            ]
        for a, b, s in connections[limb]:
            new = {"part": {ja: a, jb: b}, "total": scores[a] + scores[b] + s, "count": 2}
            if rules.assembly == "first-joint":
                if limbs.fill[limb]:
                    for r in rows:
                        if r["part"].get(ja) == a and jb not in r["part"]:
                            r["part"][jb] = b
                        elif r["part"].get(jb) == b and ja not in r["part"]:
                            r["part"][ja] = a
                    continue
                hit = [r for r in rows if r["part"].get(ja) == a]
                for r in hit:
                    r["part"][jb] = b
                    r["count"] += 1
                    r["total"] += scores[b] + s
                rows += [] if hit else [new]
                continue
            hit = [r for r in rows if r["part"].get(ja) == a or r["part"].get(jb) == b]
            both = set(hit[0]["part"]) & set(hit[1]["part"]) if len(hit) > 1 else set()
            if not hit:
                rows += [] if limbs.fill[limb] else [new]
            elif len(hit) > 1 and not both:
                hit[0]["part"].update(hit[1]["part"])
                hit[0]["total"] += hit[1]["total"] + s
                hit[0]["count"] += hit[1]["count"]
                rows = [r for r in rows if r is not hit[1]]
            elif len(hit) > 1 or hit[0]["part"].get(jb) != b:
                hit[0]["part"][jb] = b
                hit[0]["count"] += 1
                hit[0]["total"] += scores[b] + s
    return rows


def cases_plain(pairs, peaks, limbs):
    rows, owner, scores = [], {}, [p[2] for p in peaks]
    for limb, a, b, s in pairs:
        ja, jb = limbs.pairs[limb].tolist()
        ra, rb = owner.get(a), owner.get(b)
        if ra is None and rb is None:
            new = {"part": {ja: a, jb: b}, "total": scores[a] + scores[b] + s, "count": 2}
            rows.append(new)
            owner[a] = owner[b] = new
        elif ra is None or rb is None:
            row, joint, peak = (ra, jb, b) if rb is None else (rb, ja, a)
            if joint not in row["part"]:
                row["part"][joint] = peak
                row["total"] += scores[peak] + s
                row["count"] += 1
                owner[peak] = row
        elif ra is rb:
            ra["total"] += s
        elif not set(ra["part"]) & set(rb["part"]):
            ra["part"].update(rb["part"])
            ra["total"] += rb["total"] + s
            ra["count"] += rb["count"]
            owner.update(dict.fromkeys(rb["part"].values(), ra))
            rows = [r for r in rows if r is not rb]
    return rows


def plain(maps, fields, limbs, rules):
    """xy (N, K, 2) in cells, score (N, K) and instance_score (N,)."""
    k = len(limbs.uncounted)
    values, found = up_plain(maps[:k], rules, False), up_plain(maps[:k], rules, True)
    big = up_plain(fields, rules, False)
    peaks = []
    for j in range(k):
        cells = peaks_plain(found[j], rules.threshold, rules.peaks)
        if rules.apart:
            kept = []
            for c in sorted(cells, key=lambda c: c[0]):
                gaps = [np.hypot(c[0] - o[0], c[1] - o[1]) for o in kept]
                if all(
                    g > rules.apart if rules.apart_inclusive else g >= rules.apart for g in gaps
                ):
                    kept.append(c)
            cells = kept
        for x, y in cells:
            p = np.array([x, y], float)
            if rules.position == "centroid":
                j0, i0 = max(0, y - 3), max(0, x - 3)
                window = np.maximum(found[j, j0 : y + 4, i0 : x + 4].astype(float), 0)
                v, u = np.mgrid[j0 : j0 + window.shape[0], i0 : i0 + window.shape[1]]
                p = np.array([(u * window).sum(), (v * window).sum()]) / window.sum()
            peaks.append((p[0], p[1], float(values[j, y, x]), j))
    candidates = []
    for limb, ((ja, jb), (cx, cy)) in enumerate(zip(limbs.pairs, limbs.channels, strict=True)):
        for a in (i for i, p in enumerate(peaks) if p[3] == ja):
            for b in (i for i, p in enumerate(peaks) if p[3] == jb):
                pa, pb = np.array(peaks[a][:2]), np.array(peaks[b][:2])
                s = affinity_plain(pa, pb, big[cx], big[cy], rules)
                if s > 1e-6:
                    candidates.append((limb, a, b, s))
    if rules.assembly == "five-cases":
        weight = rules.peak_weight
        candidates.sort(key=lambda c: -(c[3] + weight * (peaks[c[1]][2] + peaks[c[2]][2])))
        rows = cases_plain(candidates, peaks, limbs)
    else:
        connections = [[] for _ in limbs.pairs]
        for limb, a, b, s in sorted(candidates, key=lambda c: (c[0], -c[3])):
            if all(a != c[0] and b != c[1] for c in connections[limb]):
                connections[limb].append((a, b, s))
        rows = rows_plain(connections, peaks, limbs, rules)
    xy, score, instance = [], [], []
    for r in rows:
        counted = r["count"]
        if rules.assembly == "five-cases":
            counted -= sum(bool(limbs.uncounted[j]) for j in r["part"])
        if counted < rules.min_joints or r["total"] / max(counted, 1) < rules.min_score:
            continue
        points = np.full((k, 3), np.nan)
        for j, p in r["part"].items():
            points[j] = peaks[p][:3]
        half = 0.5 if rules.centred else 0.0
        xy.append((points[:, :2] + half) / rules.upsample - half)
        score.append(points[:, 2])
        t, c = r["total"], r["count"]
        instance.append(
            {"mean": t / c, "total*count": t * c, "total*(count-1)": t * (c - 1)}.get(
                rules.score, t / (k + len(limbs.pairs))
            )
        )
    return np.reshape(xy, (-1, k, 2)), np.reshape(score, (-1, k)), np.array(instance)
