"""Drop-in decoders and converters for other frameworks, one module each.

They read what they are given by its attributes, so importing one does not import its framework;
that happens only where an object of theirs has to be made. A module is loaded by name, `from
refine.adapters import hrnet`.
"""
