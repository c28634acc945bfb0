"""PersonLab: offsets from joint to joint, and Hough voting."""
