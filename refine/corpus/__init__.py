"""Corpora: more poses than memory holds, in shards that any process may do."""

from refine.corpus.table import refine_table

__all__ = ["refine_table"]
