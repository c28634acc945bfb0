"""What `refine check` says of every real prediction file: false alarms, and seconds.

python tests/benchmarks/check.py DATA
"""

import sys
import time
from pathlib import Path

from refine.checks import check
from refine.evaluation.ground_truth import read_ground_truth


def main(data: Path) -> None:
    """Print the findings of each file, with ground truth, pictures, and without."""
    for alone in (False, True):
        print("without annotations" if alone else "beside annotations and pictures")
        for path in sorted((data / "predictions").glob("*.json")):
            name = path.stem
            if name.startswith("skeleton_"):
                continue
            truth = "val_dev_recon.json.gz" if "val_dev" in name else "images_val_gt.json"
            truth = "images_train_gt.json" if "__train" in name else truth
            persons = None if alone else read_ground_truth(data / "coco" / truth)
            pictures = None if alone else data / "coco/images"
            options = {"skeleton": "mpii16"} if "mpii16" in name else {}
            began = time.perf_counter()
            found = check(path, persons, pictures, **options)
            print(f"{name:50} {time.perf_counter() - began:6.2f} s")
            for finding in found:
                print(f"    {finding.name}: {finding.what}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
