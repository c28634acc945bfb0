"""Print what each way of looking costs, crop by crop, on one core.

Usage: taskset -c 0 python tests/benchmarks/eyes_speed.py [--eyes image image-small] [--rounds N]

The ways take turns, and of each the fastest round counts (CPU time): on a machine that does other
things beside, the ratios say more than the milliseconds. Crops are noise of the eye's size.
"""

import argparse
import copy
import resource
import time

import numpy as np
import torch

from refine.refiner.eyes import inference
from refine.refiner.eyes.eye import Eye, load_eye, see
from refine.refiner.eyes.weights import load_eye_weights
from refine.skeletons import skeleton

CROPS = 32
BATCHES = (1, 2, 4, 8, 16, 32)


def plain(network, kind, channels_last):
    """Return the network as it is, in one batch after another."""
    form = torch.channels_last if channels_last else torch.contiguous_format
    network = copy.deepcopy(network).to(kind).to(memory_format=form)
    return inference.MoveNetLook(network, kind)


def in_batches(look, size):
    """Return a look at so many crops at once."""

    def run(crops):
        before, inference.BATCH = inference.BATCH, size
        try:
            return look(crops)
        finally:
            inference.BATCH = before

    return run


def ways(name):
    """List what is compared: a text, and a function of crops."""
    network, facts = load_eye_weights(name)
    half = inference.prepare(network, "bfloat16")
    eye = load_eye(name)
    bare = Eye(half, skeleton("coco17").joints, tuple(facts["size"]), 4.0, facts["offset"])
    yield "float32, as trained", plain(network, torch.float32, False)
    yield "float32, channels last", plain(network, torch.float32, True)
    yield "float32, direct convolutions", inference.prepare(network, "float32")
    yield "bfloat16, channels last", plain(network, torch.bfloat16, True)
    yield "bfloat16, direct convolutions", half
    for size in BATCHES:
        yield f"the same, {size} at once", in_batches(half, size)
    yield "two looks, one after the other", lambda c: (half(c), half(c[:, :, ::-1]))
    yield "two looks, `see(mirrored=True)`", lambda c: see(bare, c, mirrored=True)
    yield f"`load_eye({name!r})`, two looks", lambda c: see(eye, c, mirrored=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--eyes", nargs="+", default=["image", "image-small"])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name in options.eyes:
        width, height = load_eye(name).size
        crops = np.random.default_rng(0).integers(0, 256, (CROPS, height, width, 3), np.uint8)
        compared = dict(ways(name))
        best = dict.fromkeys(compared, np.inf)
        for _ in range(options.rounds):
            for text, look in compared.items():
                began = time.process_time()
                look(crops)
                best[text] = min(best[text], time.process_time() - began)
        first = next(iter(best.values()))
        print(f"\n| {name} | ms a person | persons/s | of the first |\n|---|---|---|---|")
        for text, took in best.items():
            each = 1000 * took / CROPS
            print(f"| {text} | {each:.1f} | {1000 / each:.0f} | {took / first:.2f} |")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\nat most {peak:,.0f} MB in memory, torch and all networks above")


if __name__ == "__main__":
    main()
