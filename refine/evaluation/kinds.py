"""The kinds of keypoint error."""

KINDS = ("good", "jitter", "inversion", "swap", "miss")
"""Ronchi & Perona's kinds of keypoint error, ICCV 2017, in the order of the codes below."""
GOOD, JITTER, INVERSION, SWAP, MISS = range(5)
