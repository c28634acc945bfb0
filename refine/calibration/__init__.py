"""What is learned about one source on a few annotated images: honest similarities and scores."""

from refine.calibration.model import Calibration, read_calibration, write_calibration

__all__ = ["Calibration", "read_calibration", "write_calibration"]
