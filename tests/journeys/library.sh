#!/usr/bin/env bash
# Somebody works in Python: a script, a process pool, files that are open, pycocotools.
. "$(dirname "$0")/common.sh"
make library

cat >script.py <<'PYTHON'
import io
import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
from pycocotools.coco import COCO

import refine


def main():
    poses = refine.read("predictions.json", images="truth.json")
    print(poses)
    assert len(poses[3]) == 1 and len(list(poses)) == len(poses)
    assert "<table>" in poses._repr_html_()

    better = refine.run(poses)
    assert poses.history == () and better.history
    copy = pickle.loads(pickle.dumps(better))
    np.testing.assert_array_equal(copy.xy, better.xy)
    assert copy.history == better.history and copy.skeleton == better.skeleton

    halves = [poses[poses.image < 3], poses[poses.image >= 3]]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        parts = list(pool.map(refine.run, halves))
        kept = list(pool.map(refine.suppress, halves))
    joined = refine.Poses.concat(parts)
    assert [s.name for s in joined.history] == [s.name for s in better.history]
    assert sum(map(len, kept)) == len(refine.suppress(poses))

    buffer = io.BytesIO()
    refine.write(joined, buffer, "ndjson")
    buffer.seek(0)
    assert len(refine.read(buffer)) == len(joined)
    refine.write(better, "better.json")

    truth = COCO("truth.json")
    report = refine.evaluate(truth, better)
    assert report["AP"] == refine.evaluate("truth.json", "better.json")["AP"] > 0.2
    assert refine.evaluate(truth, refine.Poses.empty("coco17"))["AP"] == 0

    xy, score = refine.decoding.decode_heatmaps(np.random.default_rng(0).random((2, 17, 64, 48)))
    assert xy.shape == (2, 17, 2)
    try:
        refine.read("nothing.json")
    except refine.RefineError as error:
        print(error)


if __name__ == "__main__":
    main()
PYTHON
expect 0 python script.py
says out '<Poses: [0-9]+ of coco17, images: 6'
says out 'nothing.json: expected a readable file'

# What Python wrote is what the command line reads.
expect 0 refine eval --gt truth.json better.json
