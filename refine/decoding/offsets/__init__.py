"""Class maps with offsets to the joint: G-RMI, UDP."""
