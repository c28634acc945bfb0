"""pycocotools as the one who counts: what `refine.evaluation.counting` is held to."""

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from refine._types import Floats
from refine.evaluation.counting import Detections, Tables
from refine.evaluation.persons import Persons
from refine.geometry import xyxy_to_xywh


@dataclass(frozen=True, slots=True, eq=False)
class Engine:
    """`pycocotools.cocoeval.COCOeval` with persons and predictions."""

    engine: Any

    def tables(self, images: Sequence[int]) -> Tables:
        """Evaluate and accumulate on some images."""
        # pycocotools reports its progress by printing; standard output is ours.
        with contextlib.redirect_stdout(io.StringIO()):
            self.engine.params.imgIds = list(images)
            self.engine.evaluate()
            self.engine.accumulate()
        found = self.engine.eval
        return Tables(found["precision"][..., 0], found["recall"][..., 0])


def count(persons: Persons, found: Detections, sigmas: Floats, max_dets: int) -> Engine:
    """Prepare pycocotools' evaluation, see `refine.evaluation.counting.count`."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth, results = COCO(), COCO()
    categories = [{"id": i} for i in range(int(persons.category.max(initial=0)) + 1)]
    images = sorted({*persons.image.tolist(), *found.image.tolist()})
    for api, rows in ((truth, _annotations(persons)), (results, _results(found))):
        api.dataset = {
            "images": [{"id": i} for i in images],
            "annotations": rows,
            "categories": categories,
        }
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        results.createIndex()
        engine = COCOeval(truth, results, "keypoints")
    engine.params.kpt_oks_sigmas = sigmas
    engine.params.maxDets = [max_dets]
    return Engine(engine)


def _annotations(persons: Persons) -> list[dict[str, Any]]:
    flags = persons.visible[..., None]
    points = np.concatenate([np.nan_to_num(persons.xy), flags], 2)
    points = points.reshape(len(points), 3 * flags.shape[1])
    # Nine decimals undo x + width - x.
    boxes = np.round(xyxy_to_xywh(persons.box), 9).tolist()
    return [
        {
            # pycocotools takes 0 for no person at all; every other id is as good as its own.
            "id": i + 1 if persons.id[i] != 0 else 0,
            "image_id": int(persons.image[i]),
            "category_id": int(persons.category[i]),
            "keypoints": points[i],
            "num_keypoints": int(persons.crowd[i] or not persons.ignore[i]),
            "area": float(persons.area[i]),
            "bbox": boxes[i],
            "iscrowd": int(persons.crowd[i]),
        }
        for i in range(len(persons))
    ]


def _results(found: Detections) -> list[dict[str, Any]]:
    points = np.concatenate([found.xy, np.ones_like(found.xy[..., :1])], 2)
    points = points.reshape(len(points), 3 * found.xy.shape[1])
    return [
        {
            "id": i + 1,
            "image_id": int(found.image[i]),
            "category_id": int(found.category[i]),
            "keypoints": points[i],
            "score": float(found.score[i]),
            "area": float(found.area[i]),
        }
        for i in range(len(points))
    ]
