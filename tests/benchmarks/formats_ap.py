"""Print COCO AP of real predictions as they are and after a trip through every format, as Markdown.

Usage: python tests/benchmarks/formats_ap.py DATA

DATA is the folder of the evaluation data, which is not part of the project. What a format leaves
out is told as `refine convert` tells it; formats of other joints are left out. Where ids of images
get lost, poses are matched to the truth by the names of files.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

import refine
from refine.exceptions import RefineError
from refine.formats import FORMATS, losses

FILES = (
    "tfpose-mobilenet-thin__val",
    "movenet-multipose__val",
    "pp-tinypose-256x192__val_gtbox_dark",
)
FIGURES = ("AP", "APM", "APL", "AR")


def trip(poses, form, folder, truth):
    """Write poses and read them again."""
    target = folder / (form.name if "folder" in form.holdings else f"{form.name}{form.ending}")
    target = f"{target}/" if "folder" in form.holdings else target
    refine.write(poses, target, form.name)
    return refine.read(target, form.name, skeleton="coco17", images=truth)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    options = parser.parse_args()
    truth = options.data / "coco" / "images_val_gt.json"
    print("| format | " + " | ".join(f"{name.split('__')[0]}" for name in FILES) + " | left out |")
    print("|---|" + "---|" * (len(FILES) + 1))
    sources = {}
    for name in FILES:
        path = options.data / "predictions" / f"{name}.json"
        poses = refine.read(path, images=truth)
        sources[name] = poses, refine.evaluate(truth, poses)
    cells = ["{AP:.4f} / {AR:.4f}".format(**report.metrics) for _, report in sources.values()]
    print(f"| AP / AR as they are | {' | '.join(cells)} | |")
    for form in FORMATS.values():
        if form.skeletons and "coco17" not in form.skeletons:
            continue
        row, lost = [], []
        for name in FILES:
            poses, before = sources[name]
            try:
                with tempfile.TemporaryDirectory() as folder:
                    back = trip(poses, form, Path(folder), truth)
                after = refine.evaluate(truth, back, strict=False)
                moved = [
                    f"{figure} {before[figure]:.4f} -> {after[figure]:.4f}"
                    for figure in FIGURES
                    if not np.isclose(before[figure], after[figure], atol=1e-9)
                ]
                row.append(", ".join(moved) or "same")
            except RefineError as error:
                row.append(f"{error!s:.90}".replace("|", "/"))
            lost = losses(poses, form.name)
        told = ", ".join(str(each) for each in lost)
        print(f"| {form.name} | {' | '.join(row)} | {told} |")


if __name__ == "__main__":
    main()
