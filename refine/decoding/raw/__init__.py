"""Raw outputs: what a file of a network holds, and where in the image it lies."""
