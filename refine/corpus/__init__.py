"""Corpora: more poses than memory holds, in shards that any process may do.

The public names stand in `__init__.pyi`; what they need is loaded when they are.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
