"""A video's poses: who is who, left and right, gaps and jitter. See video.md for the same by hand.

Two people walk past each other; what an estimator would see of them is made up here, and written
to the folder that is named, with the pictures and the truth.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

import refine
from refine.motion import evaluate_motion, evaluate_tracking
from refine.sample import draw_frames, make_video

rng = np.random.default_rng(0)
truth, figures = make_video(2, 75, rng)
truth = truth[np.lexsort((rng.random(len(truth)), truth.image))]
body = truth.skeleton

seen = truth.xy + rng.normal(0, 3, truth.xy.shape)  # jitter
seen[rng.random(seen.shape[:2]) < 0.03] += 50  # jumps
seen[rng.random(seen.shape[:2]) < 0.05] = np.nan  # missing joints
for who, start in ((0, 20), (1, 50)):  # left for right; two joints missing for a while
    since = np.where(truth.track == who, truth.image - start, -1)
    flipped, gone = (since >= 0) & (since < 6), (since >= 10) & (since < 15)
    seen[flipped] = seen[flipped][:, body.mirror]
    for joint in ("left_wrist", "right_knee"):
        seen[gone, body.index(joint)] = np.nan
kept = rng.random(len(seen)) > 0.04  # lost persons
score = np.where(np.isfinite(seen[..., 0]), rng.uniform(0.6, 0.95, seen.shape[:2]), np.nan)
video = refine.Poses.from_arrays(
    body, seen[kept].round(2), score[kept].round(3), image=truth.image[kept], images=truth.images,
    instance_score=np.nanmean(score[kept], 1).round(3),
)  # fmt: skip

if len(sys.argv) > 1:
    folder = Path(sys.argv[1])
    (folder / "frames").mkdir(parents=True)
    refine.write(truth, folder / "truth.ndjson")
    refine.write(video, folder / "seen.json", "mmpose")
    for ref, pixels in zip(truth.images, draw_frames(figures, rng), strict=True):
        Image.fromarray(pixels).save(folder / "frames" / str(ref.file_name))

tracked = refine.run(video, steps=["track"])
calm = refine.run(tracked, steps=["unswap", "gaps", "smooth"], fps=25)
for name, poses in (("as seen", tracked), ("calm", calm)):
    joints, ids = evaluate_motion(truth, poses), evaluate_tracking(truth, poses)
    print(
        f"{name}: error {joints.error_px:.1f} px, acceleration {joints.acceleration_px:.1f} px, "
        f"joints found {joints.found:.2f}, IDF1 {ids.idf1:.2f}"
    )
