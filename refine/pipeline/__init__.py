"""The main job: a short list of steps over poses."""

from refine.pipeline.runner import LEARNED, STEPS, Config, run

__all__ = ["LEARNED", "STEPS", "Config", "run"]
