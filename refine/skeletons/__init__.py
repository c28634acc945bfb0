"""Skeletons: joints, mirror partners, edges and sigmas; the tables are TOML."""

from refine.skeletons.model import REGIONS, Skeleton
from refine.skeletons.registry import (
    borrow_sigmas,
    read_skeleton,
    skeleton,
    skeleton_from_category,
    skeleton_from_table,
    skeleton_names,
    skeleton_to_table,
    usual_sigmas,
)

__all__ = [
    "REGIONS",
    "Skeleton",
    "borrow_sigmas",
    "read_skeleton",
    "skeleton",
    "skeleton_from_category",
    "skeleton_from_table",
    "skeleton_names",
    "skeleton_to_table",
    "usual_sigmas",
]
