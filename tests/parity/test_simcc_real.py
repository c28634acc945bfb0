"""SimCC and BlazePose against the reference results of real outputs."""

import json

import numpy as np
import pytest

from refine.decoding import decode, decode_simcc, read_crop_outputs
from refine.skeletons import Skeleton


@pytest.mark.parametrize("name", ["doc_1023-receipt", "doc_test", "doc_test2", "doc_test3"])
def test_simcc_of_paper_corners(data, tmp_path, cli, name):
    path = data / f"raw_reference/doccornernet-simcc/{name}.npz"
    told = json.loads(path.with_suffix(".json").read_text())
    expected = np.array(told["reference"]["keypoints_xyc_picture"])[:, :2]
    corners = Skeleton("corners", tuple(told["keypoints"]), tuple(map(tuple, told["edges"])))
    raw = read_crop_outputs(path)
    bins = raw.array("simcc_x_logits").shape[2]
    options = {"ratio": (bins - 1) / bins, "method": "expectation", "skeleton": corners}
    got = decode(raw, "simcc", **options).xy[0]
    assert np.abs(got - expected).max() < 0.05

    maps = raw.array("simcc_x_logits"), raw.array("simcc_y_logits")
    highest = decode_simcc(*maps, options["ratio"])[0][0] / bins
    assert np.abs(highest - told["reference"]["argmax_normalised"]).max() < 1e-5

    table = {"name": "corners", "source": "test", "joints": told["keypoints"], "edges": []}
    (tmp_path / "corners.json").write_text(json.dumps(table))
    shell = cli(
        "decode", path, "--preset", "simcc", "--method", "expectation", "--skeleton",
        tmp_path / "corners.json", "--set", f"ratio={options['ratio']}", "-o", "-",
    )  # fmt: skip
    assert shell.code == 0, shell.err
    written = np.array(json.loads(shell.out)[0]["keypoints"]).reshape(-1, 3)
    assert np.abs(written[:, :2] - expected).max() < 0.05


@pytest.mark.parametrize("name", ["coco785", "coco40083"])
@pytest.mark.parametrize("refine", [False, True])
def test_blazepose(data, cli, name, refine):
    path = data / f"raw_reference/blazepose-lite/{name}.npz"
    reference = json.loads(path.with_suffix(".json").read_text())["reference"]
    expected = np.array(reference["refined" if refine else "regressed"])
    poses = decode(path, "blazepose", refine=refine)
    assert np.abs(poses.xy - expected[..., :2]).max() < 0.05
    assert np.abs(poses.score - expected[..., 2]).max() < 1e-3
    assert (poses.instance_score > 0.9).all()
    shell = cli("decode", path, "--preset", "blazepose", "-o", "-")
    assert shell.code == 0, shell.err
    assert len(json.loads(shell.out)) == len(expected)
