"""CVAT: predictions become annotations of a task, by its own command line.

The file that `cvat-cli task auto-annotate ID --function-file inside_cvat.py` names; the task has a
skeleton label `person` whose points are called as the joints.
"""

from functools import partial
from types import SimpleNamespace

import cvat_sdk.auto_annotation as sdk
import numpy as np

import refine
from refine.adapters.cvat import AnnotationFunction
from refine.sample import make_people, make_predictions

rng = np.random.default_rng(0)
predictions = make_predictions(make_people(2, rng)[0], rng)  # or the name of a file
create = partial(AnnotationFunction, refine.run(predictions))

if __name__ == "__main__":
    function, first = create(), predictions.images[0]
    frame = SimpleNamespace(frame_name=first.file_name, conf_threshold=None)
    picture = SimpleNamespace(size=(first.width, first.height))
    print("label:", function.spec.labels[0].name)
    shapes = function.detect(frame, picture)
    print("skeletons:", len(shapes), isinstance(function.spec, sdk.DetectionFunctionSpec))
