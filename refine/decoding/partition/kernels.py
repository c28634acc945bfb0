"""Kernels of `refine.decoding.partition.arrays` and `refine.decoding.partition.candidates`."""

import numpy as np

from refine._kernel import kernel

GAIN = 1e-9
"""A change must improve the objective by more than this; cost differences below are rounding."""


@kernel
def start(alpha, beta, greedy):
    """Label all candidates with their best class and contract edges, or suppress them all."""
    d = len(alpha)
    label, cluster = np.full(d, -1), np.full(d, -1)
    if not greedy:
        return label, cluster
    weight = np.zeros((d, d))
    for i in range(d):
        label[i] = alpha[i].argmin()
        cluster[i] = i
        for j in range(i):
            weight[i, j] = weight[j, i] = -beta[i, j, label[i], label[j]]
    alive = np.full(d, True)
    while True:
        most, one, two = GAIN, -1, -1
        for i in range(d):
            if alive[i]:
                for j in range(i):
                    if alive[j] and weight[i, j] > most:
                        most, one, two = weight[i, j], j, i
        if one < 0:
            return label, cluster
        alive[two] = False
        for i in range(d):
            weight[one, i] += weight[two, i]
            weight[i, one] = weight[one, i]
            if cluster[i] == two:
                cluster[i] = one


@kernel
def search(alpha, beta, label, cluster, rounds):
    """Improve `label` and `cluster` in place; a cluster's number is below D."""
    d = len(alpha)
    for _ in range(rounds):
        while _move_each(alpha, beta, label, cluster) > GAIN:
            pass
        gain = 0.0
        for one in range(d):
            for two in range(one, d):
                # A cluster with itself stands for the cluster and an empty one.
                gain += _update_two(alpha, beta, label, cluster, one, two)
        if gain <= GAIN:
            break


@kernel
def _move_each(alpha, beta, label, cluster):
    """Put every candidate where it costs least, one after the other; return the gain."""
    d, classes = alpha.shape
    total = 0.0
    join = np.empty((d, classes))
    size = np.zeros(d, np.intp)
    for v in range(d):
        if cluster[v] >= 0:
            size[cluster[v]] += 1
    for v in range(d):
        for g in range(d):
            join[g] = alpha[v]
        for w in range(d):
            if w != v and label[w] >= 0:
                for a in range(classes):
                    join[cluster[w], a] += beta[v, w, a, label[w]]
        now = 0.0
        if label[v] >= 0:
            now = join[cluster[v], label[v]]
            size[cluster[v]] -= 1
        least, to, new = 0.0, -1, -1
        empty = False
        for g in range(d):
            if size[g] == 0:
                # One empty cluster is as good as another.
                if empty:
                    continue
                empty = True
            for a in range(classes):
                if join[g, a] < least:
                    least, to, new = join[g, a], g, a
        if least < now - GAIN:
            total += now - least
            cluster[v], label[v] = to, new
        if cluster[v] >= 0:
            size[cluster[v]] += 1
    return total


@kernel
def _update_two(alpha, beta, label, cluster, one, two):
    """Merge two clusters, or exchange candidates Kernighan-Lin style; return the gain.

    Candidates go to the other cluster, to another class or out, each once, the best move first
    even if it costs; then the moves after the best total are taken back.
    """
    classes = alpha.shape[1]
    node = np.flatnonzero((cluster == one) | (cluster == two))
    n = len(node)
    if n == 0 or (one != two and not ((cluster == one).any() and (cluster == two).any())):
        return 0.0
    other = two
    if one == two:
        other = 0
        while (cluster == other).any():
            other += 1
            if other == len(cluster):
                return 0.0
    name = (one, other)
    side = np.empty(n, np.intp)
    join = np.empty((n, 2, classes))
    merging = 0.0
    for i in range(n):
        v = node[i]
        side[i] = 0 if cluster[v] == one else 1
        join[i, 0] = alpha[v]
        join[i, 1] = alpha[v]
        for j in range(n):
            w = node[j]
            if w == v:
                continue
            s = 0 if cluster[w] == one else 1
            for a in range(classes):
                join[i, s, a] += beta[v, w, a, label[w]]
            if j < i and s != side[i]:
                merging -= beta[v, w, label[v], label[w]]
    now_side, now_label = side.copy(), label[node]
    locked = np.zeros(n, np.bool_)
    step = np.empty((n, 3), np.intp)
    gain, best, keep = 0.0, 0.0, 0
    for count in range(n):
        most, at, to, new = -np.inf, -1, -1, -1
        for i in range(n):
            if locked[i]:
                continue
            now = join[i, now_side[i], now_label[i]]
            if now > most:
                most, at, to, new = now, i, -1, -1
            for s in range(2):
                for a in range(classes):
                    same = s == now_side[i] and a == now_label[i]
                    if not same and now - join[i, s, a] > most:
                        most, at, to, new = now - join[i, s, a], i, s, a
        gain += most
        v = node[at]
        for i in range(n):
            if not locked[i] and i != at:
                w = node[i]
                for a in range(classes):
                    join[i, now_side[at], a] -= beta[w, v, a, now_label[at]]
                    if to >= 0:
                        join[i, to, a] += beta[w, v, a, new]
        locked[at] = True
        now_side[at], now_label[at] = to, new
        step[count] = at, to, new
        if gain > best:
            best, keep = gain, count + 1
    if merging > best and merging > GAIN:
        for v in node:
            cluster[v] = one
        return merging
    if best <= GAIN:
        return 0.0
    for count in range(keep):
        at, to, new = step[count]
        label[node[at]] = new
        cluster[node[at]] = -1 if to < 0 else name[to]
    return best


@kernel
def suppress(ranked, h, w, disc):
    """Keep cells in order of rank that are not within the disc of one that was kept."""
    reach = len(disc) // 2
    free = np.ones((h, w), np.bool_)
    kept = np.empty(len(ranked), np.intp)
    n = 0
    for cell in ranked:
        x, y = cell % w, cell // w
        if not free[y, x]:
            continue
        kept[n] = cell
        n += 1
        for j in range(max(y - reach, 0), min(y + reach + 1, h)):
            for i in range(max(x - reach, 0), min(x + reach + 1, w)):
                if disc[j - y + reach, i - x + reach]:
                    free[j, i] = False
    return kept[:n]
