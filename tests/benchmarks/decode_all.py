"""`refine decode` from the shell on every real file, beside the poses of the reference decoders.

    python tests/benchmarks/decode_all.py [DATA] [--each]

DATA has the folders raw and raw_reference of real outputs. A Markdown table, one row a model and
preset (with --each, one per file): poses of ours and of the reference, joints compared, differences
in image px, and joints that only one of the two has. Poses of images with many people are paired
for the least difference. One command a model and preset, all of its files at once: the first that
does not decode ends the run.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

import refine
from refine.decoding.raw.files import id_of_name

EXACT = 0.05
"""Image px."""


class Case(NamedTuple):
    """How the files of a model are decoded, and where the poses of the reference stand."""

    options: Sequence[str]
    reference: Callable[[Path], Any] | None
    rule: str = ""


@cache
def predictions(data: Path, name: str) -> dict[int, list[dict[str, Any]]]:
    """Return the results of a file by image."""
    found: dict[int, list[dict[str, Any]]] = {}
    for row in json.loads((data / "predictions" / f"{name}.json").read_text()):
        found.setdefault(row["image_id"], []).append(row)
    return found


def listed(name: str) -> Callable[[Path], Any]:
    """Return what a file of predictions has for an image."""

    def of(path: Path) -> Any:
        rows = predictions(path.parents[2], name).get(int(path.stem), [])
        return [np.array(row["keypoints"]).reshape(-1, 3) for row in rows]

    return of


def told(*keys: str, order: str | None = None) -> Callable[[Path], Any]:
    """Return what stands beside a file, in the order of a skeleton or of `to_coco17`."""

    def of(path: Path) -> Any:
        side = json.loads(path.with_suffix(".json").read_text())
        poses = side["reference"]
        for key in keys:
            poses = [p[key] for p in poses] if isinstance(poses, list) else poses[key]
        poses = np.array(poses, float)
        poses = poses[None] if poses.ndim == 2 else poses
        if order == "to_coco17":
            return poses[:, side["to_coco17"]]
        if order is not None:
            names = refine.skeleton(order).joints
            return poses[:, [side["keypoints"].index(name) for name in names]]
        if "instance_scores" in side["reference"]:
            return poses[np.array(side["reference"]["instance_scores"]) >= 0.05]
        return poses

    return of


def maps_of(kernel: int, *systems: str) -> list[Case]:
    """Return what is done with heatmaps: mmpose's three decoders, and presets as they are."""
    cases = [
        Case(("--preset", "mmpose", "--method", "argmax"), told("people", "argmax")),
        Case(("--preset", "mmpose"), told("people", "quarter_shift")),
        Case(
            ("--preset", "mmpose-dark", "--kernel", str(kernel)),
            told("people", "dark"),
            "float32 blur of the reference, flat peaks",
        ),
    ]
    return cases + [Case(("--preset", name), None) for name in systems]


HALF = "float16: cells tie that differed in float32"
TINYPOSE = ("--preset", "tinypose", "--no-flip")
CASES: dict[str, list[Case]] = {
    **{
        f"raw/{model}": [
            Case(TINYPOSE, listed(f"{model}__val_gtbox_dark"), HALF),
            Case(("--preset", "mmpose", "--no-flip"), listed(f"{model}__val_gtbox_quarter"), HALF),
            Case(("--preset", "tinypose"), None),
        ]
        for model in ("pp-tinypose-256x192", "pp-tinypose-128x96")
    },
    "raw/tfpose-mobilenet-thin": [
        Case(("--preset", "tf-pose"), listed("tfpose-mobilenet-thin__val"), HALF)
    ],
    "raw/posenet-coral": [Case(("--preset", "posenet"), listed("posenet-coral__val"))],
    "raw/movenet-multipose": [
        Case(("--preset", "movenet-multipose"), listed("movenet-multipose__val"), HALF)
    ],
    "raw_reference/pp-tinypose-256x192": maps_of(3, "tinypose"),
    "raw_reference/pp-tinypose-128x96": maps_of(3, "tinypose"),
    "raw_reference/hourglass-edvardhua": maps_of(5, "hourglass", "cu-net", "soft-gated", "cfa"),
    "raw_reference/cpm-edvardhua": maps_of(5, "cpm", "prm", "unipose"),
    "raw_reference/tfpose-mobilenet-thin": [
        Case(("--preset", "tf-pose"), told("people", "keypoints_xyc_picture", order="to_coco17"))
    ],
    "raw_reference/posenet-coral": [
        Case(
            ("--preset", "posenet", "--set", "max_poses=10"),
            told("people", "keypoints_xyc_picture"),
        )
    ],
    "raw_reference/movenet-multipose": [
        Case(("--preset", "movenet-multipose"), told("keypoints_xyc_picture"))
    ],
    "raw_reference/blazepose-lite": [
        Case(("--preset", "blazepose"), told("refined")),
        Case(("--preset", "blazepose", "--set", "refine=false"), told("regressed")),
    ],
    "raw_reference/doccornernet-simcc": [
        Case(
            ("--preset", "simcc", "--method", "expectation", "--set", f"ratio={223 / 224}"),
            told("keypoints_xyc_picture"),
        )
    ],
    **{
        f"raw_reference/efficientpose-{kind}": [
            Case(("--preset", "efficientpose"), told("keypoints_xyc_picture", order="mpii16"))
        ]
        for kind in ("i", "rt")
    },
    **{
        f"raw_reference/{model}-256-int8": [
            Case(
                ("--preset", preset, "--set", "nms_threshold=0.5"),
                told("keypoints_xyc"),
                "8-bit scores tie: another box of equal score stays",
            )
        ]
        for model, preset in (("yolo11n-pose", "yolov8-pose"), ("yolo26-pose", "yolo26-pose"))
    },
}


def decoded(paths: Sequence[Path], options: Sequence[str]) -> list[list[Any]]:
    """Run the command and return the poses of every file."""
    command = [sys.executable, "-m", "refine", "decode", *map(str, paths), *options, "-o", "-"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        raise SystemExit(f"{' '.join(command)}\n{run.stderr}")
    found: list[list[Any]] = [[] for _ in paths]
    names = [ids(path) for path in paths]
    for record in json.loads(run.stdout):
        which = next(i for i, known in enumerate(names) if record["image_id"] in known)
        found[which].append(np.array(record["keypoints"]).reshape(-1, 3))
    return found


def ids(path: Path) -> set[int | str]:
    """Return what the image of a file may be called: by its own name, or by the picture's."""
    side = path.with_suffix(".json")
    picture = json.loads(side.read_text())["picture"] if side.is_file() else path.name
    return {id_of_name(path), id_of_name(Path(picture))}


def compare(ours: Sequence[Any], theirs: Sequence[Any]) -> tuple[Any, int]:
    """Return differences in px of the joints of paired poses, and joints that one side lacks."""
    if not (len(ours) and len(theirs)):
        return np.zeros(0), sum(len(p) for p in (*ours, *theirs))
    a, b = np.array(ours, float), np.array(theirs, float)
    seen_a, seen_b = ((p[..., :2] != 0).any(2) for p in (a, b))
    away = np.abs(a[:, None, :, :2] - b[None, :, :, :2]).max(3)
    both = seen_a[:, None] & seen_b[None]
    one = seen_a[:, None] ^ seen_b[None]
    # A joint that one side lacks weighs as one that is 100 px off.
    cost = (np.minimum(away, 100) * both + 100 * one).sum(2)
    rows, columns = linear_sum_assignment(cost)
    lost = (len(a) - len(rows) + len(b) - len(rows)) * a.shape[1]
    return away[rows, columns][both[rows, columns]], int(one[rows, columns].sum()) + lost


def row(
    name: str, shown: str, files: int | None, counts: Sequence[int], gaps: Any, case: Case
) -> None:
    """Print a row of the table."""
    cells = [name, shown, *([] if files is None else [str(files)]), str(counts[0])]
    if case.reference is None:
        cells += ["", "", "", "", "", "", ""]
    else:
        far = int((gaps > EXACT).sum())
        median, worst = (np.median(gaps), gaps.max()) if len(gaps) else (np.nan, np.nan)
        cells += [str(counts[1]), str(len(gaps)), f"{median:.4f}", f"{worst:.3f}", str(far)]
        cells += [str(counts[2]), case.rule if far or counts[2] else ""]
    print("| " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    usual = Path(os.environ.get("REFINE_DATA", "../shared/data"))
    parser.add_argument("data", nargs="?", type=Path, default=usual)
    parser.add_argument("--each", action="store_true", help="one row a file")
    arguments = parser.parse_args()
    data = arguments.data.resolve()
    found = {p.parent for kind in ("raw", "raw_reference") for p in data.glob(f"{kind}/*/*.npz")}
    unknown = sorted(
        str(p.relative_to(data)) for p in found if str(p.relative_to(data)) not in CASES
    )
    if unknown or not found:
        raise SystemExit(f"no rule for {', '.join(unknown) or data}")
    head = ["file" if arguments.each else "model", "options"]
    head += ["poses", "reference", "joints", "median px", "largest px", f"above {EXACT} px"]
    head += ["one side only", "why"]
    if not arguments.each:
        head.insert(2, "files")
    print("| " + " | ".join(head) + " |\n" + "|---" * len(head) + "|")
    for model, cases in CASES.items():
        files = sorted((data / model).glob("*.npz"))
        for case in cases:
            shown = " ".join(case.options).removeprefix("--preset ")
            every, total = [], np.zeros(3, int)
            for path, ours in zip(files, decoded(files, case.options), strict=True):
                theirs = [] if case.reference is None else case.reference(path)
                gaps, lost = compare(ours, theirs)
                counts = len(ours), len(theirs), lost
                if arguments.each:
                    row(f"{model}/{path.stem}", shown, None, counts, gaps, case)
                every.append(gaps)
                total += counts
            if not arguments.each:
                row(model, shown, len(files), total.tolist(), np.concatenate(every), case)


if __name__ == "__main__":
    main()
