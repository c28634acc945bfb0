"""What a task of the bench of speed is."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import Any

SKIPPED: dict[str, str] = {}
"""Peers that could not be imported, and why."""


@dataclass(frozen=True)
class Job:
    """A task, how many units one call does, ours of a number of threads, and the others by name."""

    task: str
    count: int
    ours: Callable[[int], Any]
    peers: dict[str, Callable[[], Any]] = field(default_factory=dict)
    limits: dict[str, Callable[[], Any]] = field(default_factory=dict)
    """What the machine needs for the part of the work that nobody can leave out."""
    done: dict[str, int] = field(default_factory=dict)
    """Units that one call of a peer does, where they are not `count`."""
    threaded: bool = False


@cache
def installed(module: str, name: str) -> Any:
    """Return what a module of a peer has under a name, or None and a word about it."""
    try:
        return getattr(import_module(module), name)
    except Exception as error:  # whatever their imports raise
        peer = module.split(".")[0]
        if peer not in SKIPPED:
            SKIPPED[peer] = f"{type(error).__name__}: {error}".splitlines()[0]
            print(f"{peer} is left out: {SKIPPED[peer]}", file=sys.stderr)
        return None
