"""How good poses are and what is wrong with them: COCO AP and AR, PCKh, the taxonomy of errors."""

from refine.evaluation.coco import METRICS, Report, evaluate, evaluate_parts
from refine.evaluation.pck import PckhReport, evaluate_pckh, evaluate_pckh_parts, pckh

__all__ = [
    "METRICS",
    "PckhReport",
    "Report",
    "evaluate",
    "evaluate_parts",
    "evaluate_pckh",
    "evaluate_pckh_parts",
    "pckh",
]
