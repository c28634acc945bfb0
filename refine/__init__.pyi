# The one list of public names: rooms are nouns, verbs are functions.
from . import (
    adapters as adapters,
)
from . import (
    calibration as calibration,
)
from . import (
    decoding as decoding,
)
from . import (
    drawing as drawing,
)
from . import (
    errors as errors,
)
from . import (
    evaluation as evaluation,
)
from . import (
    exceptions as exceptions,
)
from . import (
    formats as formats,
)
from . import (
    geometry as geometry,
)
from . import (
    oks as oks,
)
from . import (
    pipeline as pipeline,
)
from . import (
    refiner as refiner,
)
from . import (
    sample as sample,
)
from . import (
    skeletons as skeletons,
)
from . import (
    suppression as suppression,
)
from ._version import __version__ as __version__
from .decoding import decode as decode
from .evaluation import evaluate as evaluate
from .exceptions import RefineError as RefineError
from .formats import convert as convert
from .formats import read as read
from .formats import sniff as sniff
from .formats import write as write
from .geometry import Crop as Crop
from .geometry import Grid as Grid
from .pipeline import Config as Config
from .pipeline import run as run
from .poses import ImageRef as ImageRef
from .poses import Poses as Poses
from .refiner.image.refiner import PictureRefiner as PictureRefiner
from .refiner.pose.refiner import Refiner as Refiner
from .skeletons import Skeleton as Skeleton
from .skeletons import skeleton as skeleton
from .suppression import suppress as suppress
