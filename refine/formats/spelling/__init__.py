"""Many poses as JSON without an object of Python for every number: the counterpart of plain.py."""
