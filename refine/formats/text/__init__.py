"""Text as bytes: numbers, names and blanks, for the kernels that scan files."""
