"""Outputs of every family that decode, with random numbers: no truth, but the right shapes."""

import numpy as np

from refine.decoding import load_presets

PRESETS = {p.family: p.name for p in reversed(load_presets().values())}
"""The first preset of each family."""

K, N, H, W = 17, 2, 24, 18
PLACE = {"affine": np.eye(2, 3), "input_size": np.array([72, 96]), "image_size": [72, 96]}
CROPS = {"affine": np.tile(np.eye(2, 3), (N, 1, 1)), "input_size": np.array([72, 96])}


def arrays_of(family, seed=0):
    """Return arrays and geometry of one file of a family."""
    rng = np.random.default_rng(seed)

    def maps(*shape):
        return rng.random(shape).astype(np.float32) ** 8

    def steps(*shape):
        return rng.normal(size=shape).astype(np.float32)

    def both(pairs):
        return (pairs + pairs.transpose(1, 0, 3, 2)) / 2

    joints = len(load_presets()[PRESETS[family]].options.skeleton)
    cells = 9 * 12 + 5 * 6 + 3 * 3
    crops = {
        "heatmap": lambda: {"heatmaps": maps(N, joints, H, W)},
        "fused": lambda: {"heatmaps": maps(N, joints, H, W)},
        "combined": lambda: {"heatmaps": maps(N, 3 * joints, H, W)},
        "g-rmi": lambda: {
            "heatmaps": maps(N, joints, H, W),
            "offsets": steps(N, joints, 2, H, W),
        },
        "simcc": lambda: {"simcc_x": steps(N, joints, 144), "simcc_y": steps(N, joints, 192)},
        "expectation": lambda: {"heatmaps": steps(N, joints, H, W)},
        "coordinates": lambda: {
            "coordinates": maps(N, joints, 2),
            "sigma": steps(N, joints, 2),
        },
        "blazepose": lambda: {
            "landmarks": 50 + steps(N, 39, 5),
            "heatmap_logits": steps(N, 39, H, W),
        },
        "roi": lambda: {
            "heatmaps": steps(N, joints, 14, 14),
            "box_xyxy": [[1.0, 2, 30, 40], [5, 5, 60, 60]],
        },
    }
    images = {
        "efficientpose": lambda: {"heatmaps": maps(H, W, joints)},
        "paf": lambda: {"heatmaps": maps(19, H, W), "pafs": steps(38, H, W)},
        "tags": lambda: {"heatmaps": maps(joints, H, W), "tags": steps(joints, H, W)},
        "partition": lambda: {
            "candidate_xy": 50 + steps(9, 2),
            "candidate_probability": maps(9, joints),
            "pair_probability": both(maps(9, 9, joints, joints)),
        },
        "personlab": lambda: {
            "heatmaps": maps(joints, H, W),
            "short_offsets": steps(2 * joints, H, W),
            "mid_offsets": steps(4 * 16, H, W),
        },
        "centernet": lambda: {
            "hm": steps(1, H, W),
            "hps": steps(2 * joints, H, W),
            "wh": 5 + steps(2, H, W),
            "reg": maps(2, H, W),
            "hm_hp": steps(joints, H, W),
            "hp_offset": maps(2, H, W),
        },
        "movenet-multipose": lambda: {
            "center_logits": steps(1, H, W),
            "box_scale": 5 + steps(2, H, W),
            "box_offset": steps(2, H, W),
            "regress": steps(2 * joints, H, W),
            "heatmap_logits": steps(joints, H, W),
            "offset": steps(2 * joints, H, W),
        },
        "movenet": lambda: {
            "center_logits": steps(1, H, W),
            "regress": steps(2 * joints, H, W),
            "heatmap_logits": steps(joints, H, W),
            "offset": steps(2 * joints, H, W),
        },
        "yolo-pose": lambda: {"raw": steps(64 + 1 + 3 * joints, cells)},
        "yolox-pose": lambda: {
            "cls": steps(cells, 1),
            "objectness": steps(cells, 1),
            "boxes": steps(cells, 4),
            "offsets": steps(cells, 2 * joints),
            "visibility": steps(cells, joints),
        },
        "rtmo": lambda: {
            "dets": np.array([[1, 2, 30, 40, 0.9], [20, 20, 60, 90, 0.8]], np.float32),
            "x_maps": steps(2, joints, 192),
            "y_maps": steps(2, joints, 256),
        },
        "dekr": lambda: {
            "heatmaps": maps(joints + 1, H, W),
            "offsets": steps(2 * joints, H, W),
        },
        "directpose": lambda: {
            "cls": steps(cells + 4 + 1, 1),
            "centerness": steps(cells + 4 + 1, 1),
            "offsets": steps(cells + 4 + 1, 2 * joints),
        },
    }
    if family in crops:
        return crops[family]() | CROPS
    return images[family]() | PLACE


def outputs_of(family):
    """Return the arrays of a family, without their geometry."""
    return {k: v for k, v in arrays_of(family).items() if k not in CROPS | PLACE}
