"""A video's poses: who is who, left and right, gaps and jitter.

Two people walk past each other; what an estimator would see of them is made up here. With a file it
is `refine run video.json --steps track,unswap,gaps,smooth --fps 30 -o calm.json`.
"""

import numpy as np

import refine
from refine.motion import evaluate_motion, evaluate_tracking

rng = np.random.default_rng(0)
frames, body = 120, refine.skeleton("coco17")
person = rng.uniform([0, 0], [60, 160], (len(body), 2))
time = np.arange(frames)[:, None, None]
swing = np.sin(time / 6 + np.arange(len(body))[:, None]) * [12, 4]
ways = [time * [4.0, 0.0] + [0.0, 40.0], time * [-4.0, 0.0] + [480.0, 70.0]]
true_xy = np.concatenate([person + swing + way for way in ways])

images = [refine.ImageRef(f"video/{i:05}.jpg") for i in range(frames)]
image, who = np.tile(np.arange(frames), 2), np.repeat([0, 1], frames)
truth = refine.Poses.from_arrays(body, true_xy, image=image, images=images).replace(track=who)

seen = true_xy + rng.normal(0, 4, true_xy.shape)  # jitter
seen[rng.random(seen.shape[:2]) < 0.05] += 60  # jumps
seen[rng.random(seen.shape[:2]) < 0.05] = np.nan  # missing joints
seen[50:56] = seen[50:56][:, body.mirror]  # left for right
kept = rng.random(len(seen)) > 0.05  # lost persons
score = np.where(np.isfinite(seen[..., 0]), 0.9, np.nan)
video = refine.Poses.from_arrays(
    body, seen[kept], score[kept], image=image[kept], images=images
)  # what a file would hold

tracked = refine.run(video, steps=["track"])
calm = refine.run(tracked, steps=["unswap", "gaps", "smooth"], fps=30)
for name, poses in (("as seen", tracked), ("calm", calm)):
    joints, ids = evaluate_motion(truth, poses), evaluate_tracking(truth, poses)
    print(
        f"{name}: error {joints.error_px:.1f} px, acceleration {joints.acceleration_px:.1f} px, "
        f"joints found {joints.found:.2f}, IDF1 {ids.idf1:.2f}"
    )
