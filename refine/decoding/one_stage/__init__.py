"""One-stage networks: a pose per cell, and box NMS."""
