"""pycocotools: results that are in memory, refined on their way into `loadRes`.

truth.loadRes(from_poses(refine.run(to_poses(results))))
"""

import contextlib
import io

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

import refine
from refine.adapters.pycocotools import from_poses, to_poses
from refine.formats import get_format
from refine.sample import make_people, make_predictions

rng = np.random.default_rng(0)
people, _ = make_people(20, rng)
results = from_poses(make_predictions(people, rng))  # rows: image_id, keypoints, score, ...
truth = COCO()
truth.dataset = get_format("coco-gt").write(people, None, "document")

with contextlib.redirect_stdout(io.StringIO()):
    truth.createIndex()
    figures = []
    for rows in (results, from_poses(refine.run(to_poses(results)))):
        scored = COCOeval(truth, truth.loadRes(rows), "keypoints")
        scored.evaluate()
        scored.accumulate()
        scored.summarize()
        figures.append(scored.stats[0])
print("AP: {:.3f} -> {:.3f}".format(*figures))
