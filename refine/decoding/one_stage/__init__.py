"""One-stage networks: a pose a cell, and box NMS."""
