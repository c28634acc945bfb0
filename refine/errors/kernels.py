"""Numba kernels of this room."""

import numpy as np

from refine._kernel import kernel
from refine.evaluation.kinds import GOOD, INVERSION, MISS, SWAP

DRAWS = 500
"""How often PoseFix draws per point before it gives an error up; good is drawn a quarter of it,
miss four times."""
AWAY = 0.25
"""Weight of a miss around the mirror partner or another person's joint against one around the
joint itself."""


@kernel
def corrupt(
    xy,
    visible,
    known,
    unit,
    near_xy,
    near_visible,
    near_start,
    mirror,
    rates,
    visible_band,
    overlap_band,
    distances,
    seeds,
    compat,
    out,
    kind,
):
    n, k, _ = xy.shape
    most = 0
    for i in range(n):
        most = max(most, near_start[i + 1] - near_start[i])
    # The places a joint may be mistaken for: itself, swaps, inversion, swaps of the partner.
    places = np.empty((2 * most + 2, 2))
    weight = np.empty(rates.shape[0])
    state = np.empty(1, np.uint64)
    for i in range(n):
        state[0] = seeds[i]
        for j in range(k):
            if not known[i, j]:
                continue
            partner = mirror[j]
            places[0] = xy[i, j]
            count = 1
            for m in range(near_start[i], near_start[i + 1]):
                if near_visible[m, j]:
                    places[count] = near_xy[m, j]
                    count += 1
            inversion, third = -1, count
            if partner != j and visible[i, partner]:
                inversion = count
                places[count] = xy[i, partner]
                if compat and partner < j:
                    # An invalid joint is (0, 0) in the published code.
                    for axis in range(2):
                        moved = out[i, partner, axis]
                        places[count, axis] = 0.0 if np.isnan(moved) else moved
                count += 1
            if partner != j:
                for m in range(near_start[i], near_start[i + 1]):
                    if near_visible[m, partner]:
                        places[count] = near_xy[m, partner]
                        count += 1
            # The place that is no swap: the inversion, or what the published code takes for it.
            own = third if compat and third < count else inversion
            weight[:] = rates[:, j, visible_band[i], overlap_band[i]]
            # Striking out a kind only once it was chosen and found no place gives the same
            # distribution as finding out beforehand which kinds do, and dividing by their sum.
            while weight.sum() > 0:
                chosen = _choose(weight, state)
                if _place(
                    chosen, places, count, inversion, own, unit[i, j], distances, state, out[i, j]
                ):
                    kind[i, j] = chosen
                    break
                weight[chosen] = 0.0


@kernel
def _place(kind, places, count, inversion, own, unit, distances, state, point):
    """Draw a point of one kind until it is admissible, at most as often as PoseFix.

    One of the survivors of many draws, as PoseFix chooses it, is distributed as the first is.
    """
    center, tries = 0, DRAWS
    candidates, others = 1, (count - 1) * AWAY
    if kind == GOOD:
        tries = DRAWS // 4
    elif kind == INVERSION:
        center = inversion
        tries = DRAWS if inversion >= 0 else 0
    elif kind == SWAP:
        candidates = count - 1 - (own >= 0)
        tries = DRAWS * candidates
    elif kind == MISS:
        tries = int(4 * DRAWS * (1 + others))
    for _ in range(tries):
        if kind == SWAP:
            center = 1 + int(_uniform(state) * candidates)
            center += 0 <= own <= center
        elif kind == MISS:
            ticket = _uniform(state) * (1 + others)
            center = 0 if ticket < 1 else min(1 + int((ticket - 1) / AWAY), count - 1)
        at = _uniform(state) * (distances.shape[1] - 1)
        q = int(at)
        radius = distances[kind, q] + (distances[kind, q + 1] - distances[kind, q]) * (at - q)
        radius *= unit
        angle = 2 * np.pi * _uniform(state)
        dx, dy = radius * np.cos(angle), radius * np.sin(angle)
        # A miss keeps its distance from all places, the others are nearest to their own.
        clear = distances[MISS, 0] * unit if kind == MISS else radius
        admissible = True
        for other in range(count):
            if other == center or (kind == SWAP and other != 0 and other != own):
                continue
            ox = places[other, 0] - places[center, 0]
            oy = places[other, 1] - places[center, 1]
            # |offset - d|^2 >= clear^2 without its cancelling terms, so that a place exactly at
            # the centre, as annotators' whole numbers make them, is a tie and no rival.
            if ox * ox + oy * oy - 2 * (ox * dx + oy * dy) < clear * clear - radius * radius:
                admissible = False
                break
        if admissible:
            point[0] = places[center, 0] + dx
            point[1] = places[center, 1] + dy
            return True
    return False


@kernel
def _choose(weight, state):
    rest = _uniform(state) * weight.sum()
    chosen = 0
    for i in range(len(weight)):
        if weight[i] > 0:
            chosen = i
            if rest < weight[i]:
                break
            rest -= weight[i]
    return chosen


@kernel
def _uniform(state):
    """Draw from [0, 1) with SplitMix64 (Steele, Lea, Flood, OOPSLA 2014)."""
    state[0] += np.uint64(0x9E3779B97F4A7C15)
    z = state[0]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(11)) * (1.0 / 9007199254740992.0)
