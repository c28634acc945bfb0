"""Heatmaps of crops, read by every published step."""
