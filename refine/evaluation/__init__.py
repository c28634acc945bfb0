"""How good poses are and what is wrong with them: COCO AP and AR, PCKh, the taxonomy of errors."""

from refine.evaluation.coco import METRICS, Report, evaluate
from refine.evaluation.pck import PckhReport, evaluate_pckh, pckh

__all__ = ["METRICS", "PckhReport", "Report", "evaluate", "evaluate_pckh", "pckh"]
