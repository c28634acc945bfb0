"""Synthetic errors beside PoseFix's procedure in NumPy, the oracle of the tests."""

import numpy as np

from tests.benchmarks.tasks.job import Job
from tests.oracles.posefix import posefix, sample, scene

PERSONS = 1000


def jobs():
    rng = np.random.default_rng(0)
    for count in (0, 1, 4):
        which = scene(count, [])
        *arguments, estimated = which

        def plain(arguments=arguments, estimated=estimated):
            for _ in range(2):
                posefix(*arguments, rng, estimated=estimated)

        yield Job(
            f"PoseFix's errors, {count} neighbours",
            PERSONS,
            lambda _, w=which: sample(w, PERSONS, rng),
            {"procedure in NumPy": plain},
            done={"procedure in NumPy": 2},
        )
