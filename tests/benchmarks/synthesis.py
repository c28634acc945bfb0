"""Time of synthetic errors a person, against PoseFix's procedure in NumPy, as a Markdown table.

    python -m tests.benchmarks.synthesis

The NumPy side is the oracle of the tests with the draws of the published code. One core.
"""

import time
from collections.abc import Callable
from statistics import median

import numpy as np

from tests.errors.test_synthesis import posefix, sample, scene

PERSONS = 1000
ROUNDS = 9


def seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def main() -> None:
    print("| neighbours | NumPy, ms a person | ours, µs a person | ratio |")
    print("|---|---|---|---|")
    rng = np.random.default_rng(0)
    for count in (0, 1, 4):
        which = scene(count, [])
        *arguments, estimated = which

        def plain(arguments=arguments, estimated=estimated) -> None:
            posefix(*arguments, rng, estimated=estimated)

        def ours(which=which) -> None:
            sample(which, PERSONS, rng)

        ours()
        # Taken in turns, so that a busy machine slows both.
        pairs = [(seconds(plain), seconds(ours) / PERSONS) for _ in range(ROUNDS)]
        slow, fast = (median(each) for each in zip(*pairs, strict=True))
        print(f"| {count} | {slow * 1e3:.1f} | {fast * 1e6:.1f} | {slow / fast:.0f} |")


if __name__ == "__main__":
    main()
