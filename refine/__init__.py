"""refine makes other people's poses better: decode, correct, rescore, de-duplicate, evaluate.

The public names stand in `__init__.pyi`, which type checkers, editors and the lazy loader read:
importing `refine` imports no NumPy, torch or Numba.
"""

import lazy_loader

from refine._version import __version__ as __version__

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
