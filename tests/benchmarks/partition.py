"""The fast partition solver beside the exact one, by size, as a Markdown table.

    python tests/benchmarks/partition.py

Synthetic costs: people of 14 parts of which a fifth is missing and a fifth double, a tenth of
clutter; costs are normal about -1.5 and 1.5. Programs that HiGHS does not finish are not compared.
"""

import itertools
import time

import numpy as np

from refine.decoding.partition.arrays import solve_fast
from refine.decoding.partition.ilp import solve_ilp
from refine.exceptions import RefineError

ROUNDS = 10
TIME_LIMIT = 10.0


def problem(rng, people, parts, classes, noise):
    who, what = [], []
    for p, k in itertools.product(range(people), range(parts)):
        for _ in range(rng.choice([0, 1, 2], p=[0.2, 0.6, 0.2])):
            who.append(p)
            what.append(k)
    clutter = people * parts // 10
    who = np.array([*who, *range(-clutter, 0)])
    what = np.array([*what, *rng.integers(parts, size=clutter)])
    d = len(who)
    right = -np.where(who >= 0, 1.5, -1.5) + rng.normal(0, 1, d)
    same = -np.where(who[:, None] == who, 1.5, -1.5) + rng.normal(0, noise, (d, d))
    if classes == 1:
        unary, pair = right[:, None], same[..., None, None]
    else:
        i = np.arange(d)
        unary = rng.normal(2, 0.5, (d, classes))
        unary[i, what] = right
        pair = rng.normal(2, 0.5, (d, d, classes, classes))
        pair[i[:, None], i, what[:, None], what] = same
    pair = pair * np.triu(np.ones((d, d)), 1)[..., None, None]
    return unary, pair + pair.transpose(1, 0, 3, 2)


def timed(function, *arguments, **options):
    start = time.perf_counter()
    result = function(*arguments, **options)
    return result, time.perf_counter() - start


def main() -> None:
    solve_fast(*problem(np.random.default_rng(0), 1, 4, 1, 1))
    print(
        "| candidates | classes | noise | fast, ms | exact, ms | solved | equal "
        "| largest gap |\n|---|---|---|---|---|---|---|---|"
    )
    for people, parts, classes, noise in (
        (1, 14, 1, 1.5), (2, 14, 1, 1.5), (2, 14, 1, 2.5), (4, 14, 1, 1.5), (6, 14, 1, 1.5),
        (20, 14, 1, 1.5), (1, 5, 5, 1.5), (2, 4, 4, 1.5), (4, 14, 14, 1.5),
    ):  # fmt: skip
        rng = np.random.default_rng(people)
        size, fast, exact, gap = [], [], [], []
        for _ in range(ROUNDS):
            costs = problem(rng, people, parts, classes, noise)
            size.append(len(costs[0]))
            found, seconds = timed(solve_fast, *costs)
            fast.append(seconds)
            try:
                best, seconds = timed(
                    solve_ilp, *costs, max_variables=10_000, time_limit=TIME_LIMIT
                )
            except RefineError:
                continue
            exact.append(seconds)
            gap.append((found.cost - best.cost) / abs(best.cost))
        told = (
            f"{np.median(exact) * 1e3:.0f} | {len(gap)}/{ROUNDS} "
            f"| {sum(g < 1e-9 for g in gap)}/{len(gap)} | {max(gap):.2%}"
            if gap
            else "- | 0 | - | -"
        )
        print(
            f"| {np.mean(size):.0f} | {classes} | {noise:g} "
            f"| {np.median(fast) * 1e3:.1f} | {told} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
