"""Coordinates: regressed, or the expectation of a map."""
