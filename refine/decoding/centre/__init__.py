"""Centres: CenterNet and MoveNet."""
