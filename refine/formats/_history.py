"""Histories, as the files of formats name them; see `refine.history`."""

from refine.history import FIELD as FIELD, agree as agree, encode as encode, parse as parse
