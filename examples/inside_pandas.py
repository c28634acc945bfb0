"""pandas: a row per joint, to be filtered and grouped, and back to poses.

frame = poses.to_pandas()
poses = refine.Poses.from_pandas(frame)
"""

import numpy as np
import pandas as pd

import refine
from refine.sample import make_people, make_predictions

rng = np.random.default_rng(0)
poses = make_predictions(make_people(6, rng)[0], rng)
frame: pd.DataFrame = poses.to_pandas()
print(frame.groupby("joint", observed=True)["score"].mean().round(2).head(3))

sure = refine.Poses.from_pandas(frame[frame["score"] > 0.3])
print("joints:", int(poses.present.sum()), "->", int(sure.present.sum()))
print(refine.run(sure))
