"""Fuzz for as long as is asked, with one seed after another: `make fuzz`.

    python tests/fuzz.py [SECONDS] [SEED]

Rounds of `tests/properties` follow one another until the time is over; round i has seed SEED + i,
so that a round can be run again alone. What failed is kept in .hypothesis and tried first the next
time. Exits with 1 if any round found anything.
"""

import os
import subprocess
import sys
import time

TIMES = 3
"""Examples in a round, over those of `make test`."""


def main(seconds, seed):
    """Run rounds and say of each how it went."""
    end, bad, number = time.monotonic() + seconds, [], 0
    while number == 0 or time.monotonic() < end:
        words = ["-m", "pytest", "-q", "tests/properties", f"--hypothesis-seed={seed + number}"]
        environment = {**os.environ, "REFINE_FUZZ": str(TIMES)}
        done = subprocess.run(
            [sys.executable, *words], env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            bad.append(seed + number)
            print(done.stdout, done.stderr, sep="\n")
        left = max(0, round(end - time.monotonic()))
        print(f"seed {seed + number}: exit {done.returncode}, {left} s left", flush=True)
        number += 1
    print(f"{number} rounds, seeds that found something: {bad or 'none'}")
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main(*[int(a) for a in (*sys.argv[1:], *("3600", "1")[len(sys.argv) - 1 :])]))
