"""Print what a report of many images takes: seconds, peak memory and the size of the page.

Usage: python tests/benchmarks/report_speed.py DATA [--images N] [--cases N]

DATA is the folder of the evaluation data, which is not part of the project. Its pictures of val2017
with annotations, the predictions of tf-pose and what `refine run` makes of them are taken as often
as it takes for N images (5,000), each time with other ids and in another folder.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import refine

PREDICTIONS = "predictions/tfpose-mobilenet-thin__val.json"
TRUTH = "coco/images_val_gt.json"
PICTURES = "coco/images/val2017"
STEP = 1_000_000_000
"""Between the ids of one round and the next."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--cases", type=int, default=60)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        refine.write(refine.run(refine.read(options.data / PREDICTIONS)), folder / "own.json")
        gt = json.loads((options.data / TRUTH).read_text())
        rounds = -(-options.images // len(gt["images"]))
        for source, target in (
            (options.data / PREDICTIONS, folder / "before.json"),
            (folder / "own.json", folder / "after.json"),
        ):
            rows = json.loads(source.read_text())
            target.write_text(json.dumps([again(row, r) for r in range(rounds) for row in rows]))
        gt["images"] = [
            {**image, "id": image["id"] + STEP * r, "file_name": f"{r:03}/{image['file_name']}"}
            for r in range(rounds)
            for image in gt["images"]
        ]
        gt["annotations"] = [
            {**again(each, r), "id": each["id"] + STEP * r}
            for r in range(rounds)
            for each in gt["annotations"]
        ]
        (folder / "gt.json").write_text(json.dumps(gt))
        for image in gt["images"]:
            link = folder / "pictures" / image["file_name"]
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to((options.data / PICTURES / link.name).resolve())
        page = folder / "report.html"
        command = [sys.executable, "-m", "refine", "report", "before.json", "after.json"]
        command += ["--gt", "gt.json", "--images", "pictures", "--cases", str(options.cases)]
        start = time.perf_counter()
        subprocess.run([*command, "-o", str(page)], check=True, cwd=folder)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        print(
            f"{len(gt['images'])} images, {len(gt['annotations'])} annotations: "
            f"{time.perf_counter() - start:.1f} s ({used.ru_utime + used.ru_stime:.1f} s of CPU), "
            f"{used.ru_maxrss / 1024:.0f} MiB, page {page.stat().st_size / 1e6:.1f} MB"
        )


def again(record, number):
    """Return a record of one round more."""
    return {**record, "image_id": record["image_id"] + STEP * number}


if __name__ == "__main__":
    main()
