"""Poses as tables of other libraries: data frames with a row per joint, and labelled arrays.

`Poses` has methods for all of it. Since it stands on this room, poses are told here by their
attributes alone, and what is read comes as these attributes by name, the images as mappings.
"""

from refine.tables.datasets import from_xarray, to_xarray
from refine.tables.frames import from_pandas, from_polars, to_pandas, to_polars

__all__ = ["from_pandas", "from_polars", "from_xarray", "to_pandas", "to_polars", "to_xarray"]
