"""Speed and AP of PersonLab decoders beside PoseNet's own, as Markdown tables.

    REFINE_DATA=... python tests/benchmarks/personlab.py [NODE_MODULES]

Real outputs of 25 pictures, one thread. Each round decodes every picture once in random order;
the ratio is the median over the rounds. With NODE_MODULES, a folder that holds
@tensorflow-models/posenet (`npm install @tensorflow-models/posenet@2.2.2`), its
decodeMultiplePoses runs in node on the same arrays; sigmoid and set-up are not counted.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from refine.decoding import decode, decode_personlab, read_image_outputs
from refine.decoding.personlab.arrays import personlab_rules
from refine.evaluation.coco import evaluate
from refine.poses import Poses

DATA = Path(os.environ.get("REFINE_DATA", "../shared/data"))
HEADS = ("heatmaps_logits", "short_offsets", "mid_offsets")
PRESETS = {
    "tfjs": "posenet",
    "coral": "posenet-coral",
    "hough": "personlab",
    "refine": "refine-personlab",
}
ROUNDS = 15
NODE = """
const fs = require('fs'), root = process.argv[2];
const place = '/@tensorflow-models/posenet/dist/multi_pose/decode_multiple_poses.js';
const decode = require(root + place);
const buffer = (data, shape) => ({
  shape, get: (y, x, c) => data[(y * shape[1] + x) * shape[2] + c]});
const inputs = JSON.parse(fs.readFileSync(process.argv[3])).map(heads => heads.map(
  h => buffer(Float32Array.from(h.data), h.shape)));
const times = [];
for (let round = 0; round < +process.argv[4]; round++) {
  const start = process.hrtime.bigint();
  for (const h of inputs) decode.decodeMultiplePoses(...h, 16, 20, 0.5, 20);
  times.push(Number(process.hrtime.bigint() - start) / 1e6 / inputs.length);
}
console.log(JSON.stringify(times));
"""


def of_node(modules: str, pictures: list[list[np.ndarray]]) -> list[float]:
    """Return ms a picture of the JavaScript decoder, one a round, without the first rounds."""
    inputs = []
    for maps, short, mid in pictures:
        heads = 1 / (1 + np.exp(-maps)), short, mid[:32], mid[32:]
        last = [np.moveaxis(h, 0, -1) for h in heads]
        inputs.append([{"data": h.ravel().tolist(), "shape": h.shape} for h in last])
    with tempfile.TemporaryDirectory() as folder:
        script, arrays = Path(folder, "run.js"), Path(folder, "in.json")
        script.write_text(NODE)
        arrays.write_text(json.dumps(inputs))
        command = ["node", script, Path(modules).resolve(), arrays, str(ROUNDS + 5)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)[5:]


def main() -> None:
    files = sorted((DATA / "raw" / "posenet-coral").glob("*.npz"))
    raws = [read_image_outputs(f) for f in files]
    pictures = [[np.moveaxis(r.array(n), -1, 0).astype(np.float32) for n in HEADS] for r in raws]
    took: dict[str, list[float]] = {name: [] for name in personlab_rules()}
    for round_ in range(ROUNDS + 1):
        for name in random.Random(round_).sample(list(took), len(took)):
            start = time.perf_counter()
            for heads in pictures:
                decode_personlab(*heads, rules=name)
            took[name].append((time.perf_counter() - start) / len(pictures) * 1e3)
    took = {name: t[1:] for name, t in took.items()}
    if len(sys.argv) > 1:
        took["@tensorflow-models/posenet 2.2.2 in node"] = of_node(sys.argv[1], pictures)
    print("| rules | ms a picture | times tfjs | poses | AP | AP75 |\n|---|---|---|---|---|---|")
    for name, t in took.items():
        ratio = np.median(np.array(t) / took["tfjs"])
        row = f"| {name} | {np.median(t):.3f} | {ratio:.2f} |"
        if name in PRESETS:
            poses = Poses.concat([decode(r, PRESETS[name]) for r in raws])
            ids = [ref.id for ref in poses.images]
            report = evaluate(DATA / "coco" / "images_val_gt.json", poses, image_ids=ids)
            row += f" {len(poses)} | {report['AP']:.3f} | {report['AP75']:.3f} |"
        print(row if name in PRESETS else f"{row} | | |")


if __name__ == "__main__":
    main()
