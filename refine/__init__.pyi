# The one list of public names: rooms are nouns, verbs are functions.
from . import (
    adapters as adapters,
    calibration as calibration,
    corpus as corpus,
    crops as crops,
    decoding as decoding,
    drawing as drawing,
    errors as errors,
    evaluation as evaluation,
    exceptions as exceptions,
    formats as formats,
    geometry as geometry,
    motion as motion,
    oks as oks,
    pipeline as pipeline,
    refiner as refiner,
    sample as sample,
    skeletons as skeletons,
    suppression as suppression,
)
from ._threads import set_threads as set_threads
from ._version import __version__ as __version__
from .crops import crop as crop
from .decoding import decode as decode
from .drawing.poses import draw as draw
from .evaluation import evaluate as evaluate
from .exceptions import RefineError as RefineError
from .formats import read as read, sniff as sniff, write as write
from .geometry import Crop as Crop, Grid as Grid
from .pipeline import Config as Config, run as run, stream as stream
from .poses import ImageRef as ImageRef, Poses as Poses, convert as convert
from .refiner.eyes.eye import Eye as Eye, load_eye as load_eye
from .refiner.image.refiner import ImageRefiner as ImageRefiner
from .refiner.pose.refiner import Refiner as Refiner
from .skeletons import Skeleton as Skeleton, skeleton as skeleton
from .suppression import suppress as suppress
