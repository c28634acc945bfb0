"""Look at the pictures of poses again; pictures and poses are drawn by the project itself."""

import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

import refine
from refine.sample import make_people, make_predictions

rng = np.random.default_rng(0)
truth, pictures = make_people(4, rng)
poses = make_predictions(truth, rng)

with tempfile.TemporaryDirectory() as folder:
    for ref, picture in zip(truth.images, pictures, strict=True):
        Image.fromarray(picture).save(Path(folder) / str(ref.file_name))
    better = refine.run(poses, refine.Config(pictures=folder))

    # The same by hand: what is believed of every joint once its picture was seen.
    belief = refine.ImageRefiner.load(folder).believe(poses)

moved = np.hypot(*np.moveaxis(belief.xy - poses.xy, -1, 0))[poses.present]
seen = 0 if belief.seen is None else int(belief.seen.sum())
print(f"{seen} of {len(poses)} poses seen, {len(better)} left")
print(f"joints as they came lie {np.median(moved):.1f} px from where the picture shows them")
