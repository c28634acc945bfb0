"""Maps of eyes in plain NumPy, and an eye that knows the truth: its pictures say where it looks."""

import numpy as np
import torch

from refine.poses import ImageRef, Poses
from refine.refiner.eyes.eye import Eye
from refine.refiner.fusion.judge import Judge
from refine.refiner.fusion.likelihood import Likelihood
from refine.refiner.fusion.view import View
from refine.refiner.fusion.weights import Fusion
from refine.skeletons import skeleton

COCO = skeleton("coco17")
STANDING = np.array(
    [[100, 40], [104, 36], [96, 36], [110, 40], [90, 40], [120, 65], [80, 65], [128, 95], [72, 95],
     [130, 122], [70, 122], [112, 122], [88, 122], [114, 158], [86, 158], [114, 192], [86, 192.0]]
)  # fmt: skip
WIDTH, HEIGHT = 200, 230
STRIDE, OFFSET = 4.0, 1.5
SIGHT = 3.0
"""Standard deviation of what the eye draws, image px."""


def value_at(one, x, y):
    """Read one map at a place, bilinearly, the border going on for ever."""
    h, w = one.shape
    x, y = min(max(x, 0), w - 1), min(max(y, 0), h - 1)
    total = 0.0
    for row in range(h):
        for column in range(w):
            near = max(0, 1 - abs(x - column)) * max(0, 1 - abs(y - row))
            total += near * one[row, column]
    return total


def bell(x, y, deviation, height, width):
    """Draw one Gaussian with a peak of 1."""
    rows, columns = np.mgrid[:height, :width]
    return np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * deviation**2))


def people(count=3, seed=0):
    """Return standing people, one per image, and pictures whose pixels say where they are.

    Red is x, green is y, and blue the number of the picture, from 1 on.
    """
    rng = np.random.default_rng(seed)
    xy = STANDING + rng.uniform(-15, 15, (count, 1, 2)) + rng.normal(0, 2, (count, 17, 2))
    area = np.full(count, 90.0 * 175 * 0.5)
    refs = tuple(ImageRef(i + 1, f"{i + 1}.png", WIDTH, HEIGHT) for i in range(count))
    poses = Poses.from_arrays(
        COCO, xy, image=np.arange(count), images=refs, area=area,
        score=np.full((count, 17), 0.9), instance_score=np.full(count, 0.9),
    )  # fmt: skip
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    pictures = {
        ref.id: np.stack([columns, rows, np.full_like(rows, ref.id)], -1).astype(np.uint8)
        for ref in refs
    }
    return poses, pictures


def drawing_eye(truth, weights="", joints=COCO.joints):
    """Return an eye that draws a Gaussian where each joint of the picture's person is."""
    index = [COCO.index(j) for j in joints]

    def look(crops):
        found = crops[:, 1::4, 1::4].astype(float)
        out = np.zeros((len(crops), len(joints), *found.shape[1:3]), np.float32)
        for crop, drawn in zip(found, out, strict=True):
            number = int(np.median(crop[..., 2][crop[..., 2] > 0], axis=None)) - 1
            across = np.diff(crop[..., 0], axis=1)
            turned = np.median(across[crop[:, 1:, 2] > 0]) < 0
            places = truth[number][COCO.mirror if turned else slice(None)][index]
            off = ((crop[None, ..., :2] - places[:, None, None]) ** 2).sum(-1)
            drawn[...] = 0.9 * np.exp(-off / (2 * SIGHT**2)) * (crop[..., 2] > 0)
        return out

    return Eye(look, tuple(joints), (192, 256), STRIDE, OFFSET, name="drawing", weights=weights)


def plain_fusion(eye="sha256:test"):
    """Return a fusion whose judge trusts the places of the eye where joints are far from them."""
    torch.manual_seed(0)
    likelihood, judge = Likelihood(), Judge()
    first, second, last = judge.layers[0], judge.layers[2], judge.layers[4]
    with torch.no_grad():
        for layer in (first, second, last):
            layer.weight.zero_()
            layer.bias.zero_()
        first.weight[0, 0] = 12.0  # how far the little trusting posterior is from the joint
        second.weight[0, 0] = 1.0
        last.weight[0, 0] = -1.0
        last.bias.copy_(torch.tensor([8.0, 2.0, 1.0]))
    facts = {"eye": eye, "image_free": "sha256:0", "sha256": "0" * 64}
    return Fusion(likelihood.eval(), judge.eval(), facts)


def plain_view(own, **values):
    """Return a view of poses with joints at (N, K, 2) cells; the rest is middling."""
    own = torch.as_tensor(own, dtype=torch.float32)
    n, k = own.shape[:2]
    given = {
        "own": own,
        "there": torch.ones(n, k, dtype=torch.bool),
        "missing": torch.zeros(n, k, dtype=torch.bool),
        "belief": own.clone(),
        "spread": torch.full((n, k), 2.0),
        "keep": torch.full((n, k), 0.8),
        "annotated": torch.full((n, k), 0.9),
        "near": torch.zeros(n, 1, k, 2),
        "near_there": torch.zeros(n, 1, k, dtype=torch.bool),
        "kernel": torch.full((n, k), 1.5),
        "sigma": torch.full((k,), 0.06),
    }
    return View(**{**given, **values})
