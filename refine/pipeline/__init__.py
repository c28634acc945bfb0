"""The main job: a list of steps over poses, one file each in ``steps/``."""

from refine.pipeline.config import Config
from refine.pipeline.runner import run, stream
from refine.pipeline.steps import STEPS

__all__ = ["STEPS", "Config", "run", "stream"]
