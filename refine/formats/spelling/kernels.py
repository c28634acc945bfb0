"""Numba kernels that write numbers of JSON."""

import numpy as np

from refine._kernel import kernel
from refine.formats.text.kernels import (
    POWERS,
    TEN,
    byte_at,
    put_byte,
    signed,
    text_of,
    unsigned,
)

MOST, LEAST, LARGEST = 6, 1e-4, 1e9
"""Decimals, and the range of other numbers than 0, of which all encoders write the same."""

POWERS_OF_TEN = (10 ** np.arange(MOST + 1)).astype(np.uint64)

HARD = MOST + 1
"""Decimals of a number that is not so plain."""

LONGEST = 25
"""Bytes of a float64 as JSON, and the comma behind it."""


@kernel
def decimals_of(values, decimals):
    """Say how many decimals each number has, and return how many are hard."""
    hard = 0
    for n in range(values.shape[0]):
        for c in range(values.shape[1]):
            v = abs(values[n, c])
            d = HARD
            if LEAST <= v < LARGEST or v == 0:
                d = 0
                while d < HARD and np.floor(v * POWERS[d] + 0.5) / POWERS[d] != v:
                    d += 1
            decimals[n, c] = d
            hard += d == HARD
    return hard


@kernel(forceinline=True)
def put_whole(out, at, value, least):
    """Write a natural number with so many digits at least, and return where it ends."""
    size, rest = least, unsigned(value) // POWERS_OF_TEN[least]
    while rest:
        rest //= TEN
        size += 1
    rest = unsigned(value)
    for q in range(at + size - 1, at - 1, -1):
        put_byte(out, q, 48 + signed(rest % TEN))
        rest //= TEN
    return at + size


@kernel(forceinline=True)
def put_number(out, at, value, decimals, whole):
    """Write a number of so many decimals, and return where it ends."""
    if value < 0 or (value == 0 and 1 / value < 0):
        put_byte(out, at, 45)
        at += 1
    number = np.int64(np.floor(abs(value) * POWERS[decimals] + 0.5))
    power = signed(POWERS_OF_TEN[decimals])
    front = np.int64(abs(value))
    at = put_whole(out, at, front, 1)
    if whole:
        return at
    put_byte(out, at, 46)
    return put_whole(out, at + 1, number - front * power, max(decimals, 1))


@kernel
def spell(values, decimals, whole, before, ends, hard, room):
    """Write rows of numbers with texts before each and behind the last, and return the bytes."""
    text, spelled, out = text_of(before), text_of(hard), text_of(room)
    at, i = 0, 0
    for n in range(values.shape[0]):
        for c in range(values.shape[1] + 1):
            for q in range(ends[c], ends[c + 1]):
                put_byte(out, at, byte_at(text, q))
                at += 1
            if c == values.shape[1]:
                break
            places = np.int64(decimals[n, c])
            if places < HARD:
                at = put_number(out, at, values[n, c], places, whole[c])
                continue
            while i < spelled[1] and byte_at(spelled, i) != 44:
                put_byte(out, at, byte_at(spelled, i))
                at += 1
                i += 1
            i += 1
    return at
