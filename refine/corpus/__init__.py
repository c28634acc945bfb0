"""Corpora: more poses than memory holds, in shards that any process may do."""
