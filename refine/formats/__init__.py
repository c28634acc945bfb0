"""Files to poses and back: one file per format, each of which brings all that it is."""

from refine.formats._images import with_images
from refine.formats.base import Format
from refine.formats.io import format_for, losses, prepared, read, sniff, write
from refine.formats.known import FORMATS, get_format

__all__ = [
    "FORMATS",
    "Format",
    "format_for",
    "get_format",
    "losses",
    "prepared",
    "read",
    "sniff",
    "with_images",
    "write",
]
