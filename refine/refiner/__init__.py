"""Putting wrong and missing joints right, from the pose alone or with the picture."""
