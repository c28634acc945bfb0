"""Refine a file of predictions, any format: python 01_refine_predictions.py PRED OUT [GT]."""

import sys

import refine


def main(pred: str, out: str, truth: str | None = None) -> None:
    poses = refine.read(pred)
    better = refine.run(poses, refine.Config(nms_threshold=0.85))
    refine.write(better, out)
    for step in better.history:
        print(step.name, dict(step.parameters))
    if truth:
        print(f"AP {refine.evaluate(truth, poses)['AP']:.3f} before")
        print(f"AP {refine.evaluate(truth, better)['AP']:.3f} after")


if __name__ == "__main__":
    main(*sys.argv[1:])
