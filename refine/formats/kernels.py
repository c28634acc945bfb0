"""Numba kernels of scan.py and plain.py: plain JSON, and MessagePack."""

import numpy as np

from refine._kernel import kernel
from refine.formats.text.kernels import (
    BAD,
    BROKEN,
    HARD,
    WHOLE,
    behind_colon,
    blank,
    byte,
    byte_at,
    key_end,
    literal_end,
    number,
    real_at,
    same,
    text_end,
    text_of,
)

NOTHING, SIMPLE, NATURAL, INTEGER, REAL, TEXT, LIST, MAP = range(8)
"""Values of MessagePack: unknown; null, true and false; numbers; text; what holds others."""


@kernel(forceinline=True)
def skipped(data, i):
    """Return where a value of any kind ends; -1 if it is none, or nested too deeply."""
    depth, objects = 0, 0
    while True:
        i = blank(data, i)
        c = byte(data, i)
        if c == 91 or c == 123:
            depth += 1
            if depth > 60:
                return -1
            objects = objects * 2 + (c == 123)
            i = blank(data, i + 1)
            if byte(data, i) != c + 2:
                if c == 123:
                    i = key_end(data, i)
                    if i < 0:
                        return -1
                continue
        elif c == 34:
            i = text_end(data, i + 1)
            if i < 0:
                return -1
            i += 1
        elif c == 116 or c == 110 or c == 102:
            i = literal_end(data, i)
            if i < 0:
                return -1
        elif c == 45 or 48 <= c <= 57:
            _, kind, i = number(data, i)
            if kind == BAD:
                return -1
        else:
            return -1
        # Behind a value: close what it ends, go on behind a comma.
        while True:
            if depth == 0:
                return i
            i = blank(data, i)
            c = byte(data, i)
            inside = objects % 2
            i += 1
            if c == 44:
                if inside:
                    i = key_end(data, blank(data, i))
                    if i < 0:
                        return -1
                break
            if c != (125 if inside else 93):
                return -1
            depth -= 1
            objects //= 2


@kernel
def scan(text, i, fields, values, given, hard):
    """Return the rows or -1, their end, how many numbers are hard, and the first row's place.

    The last is how many other fields were passed over. The rows are -2 if there are more than
    values has.
    """
    data = text_of(text)
    names, ends, widths, columns = fields
    spelled = text_of(names)
    rows, difficult, first, last, others = 0, 0, -1, -1, 0
    bad = (-1, i, 0, 0, 0, 0)
    i = blank(data, i + 1)
    if byte(data, i) == 93:
        return 0, i + 1, 0, 0, 0, 0
    while True:
        if byte(data, i) != 123:
            return bad
        if rows == len(values):
            return -2, i, 0, 0, 0, 0
        first = i if rows == 0 else first
        row, has = values[rows], given[rows]
        row[:] = 0
        has[:] = 0
        i = blank(data, i + 1)
        while True:
            start = i + 1
            if byte(data, i) != 34:
                return bad
            stop = text_end(data, start)
            if stop < 0:
                return bad
            i = behind_colon(data, stop + 1)
            if i < 0:
                return bad
            f = len(widths) - 1
            while f >= 0:
                length = ends[f + 1] - ends[f]
                if length == stop - start and same(data, start, spelled, ends[f], length):
                    break
                f -= 1
            if f < 0:
                others += 1
                i = skipped(data, i)
                if i < 0:
                    return bad
            elif widths[f] < 0 or has[f]:
                return bad
            else:
                listed = widths[f] > 0
                if listed:
                    if byte(data, i) != 91:
                        return bad
                    i = blank(data, i + 1)
                largest = WHOLE
                for column in range(columns[f], columns[f + 1]):
                    if column > columns[f]:
                        i = blank(data, i)
                        if byte(data, i) != 44:
                            return bad
                        i = blank(data, i + 1)
                    if i >= data[1]:
                        return bad
                    begin = i
                    value, kind, i = number(data, i)
                    if kind == BAD:
                        return bad
                    if kind == HARD:
                        if difficult == len(hard):
                            return bad
                        hard[difficult, 0] = begin
                        hard[difficult, 1] = i
                        hard[difficult, 2] = rows * values.shape[1] + column
                        difficult += 1
                        kind = BROKEN
                    largest = max(largest, kind)
                    row[column] = value
                has[f] = largest
                if listed:
                    i = blank(data, i)
                    if byte(data, i) != 93:
                        return bad
                    i += 1
            i = blank(data, i)
            c = byte(data, i)
            i += 1
            if c == 125:
                break
            if c != 44:
                return bad
            i = blank(data, i)
        rows += 1
        last = i if rows == 1 else last
        i = blank(data, i)
        c = byte(data, i)
        i += 1
        if c == 93:
            return rows, i, difficult, first, last, others
        if c != 44:
            return bad
        i = blank(data, i)


@kernel(forceinline=True)
def head_of(data, i):
    """Return what the value at i is, where its content begins, and how much that is.

    That is bytes of a number or text, values of a list, and pairs of a map.
    """
    c = byte_at(data, i)
    i += 1
    if c == 0xCB:
        return REAL, i, 8
    if c < 0x80 or c >= 0xE0:
        return NATURAL if c < 0x80 else INTEGER, i - 1, 1
    if c < 0x90:
        return MAP, i, c - 0x80
    if c < 0xA0:
        return LIST, i, c - 0x90
    if c < 0xC0:
        return TEXT, i, c - 0xA0
    if c == 0xC0 or c == 0xC2 or c == 0xC3:
        return SIMPLE, i, 0
    if 0xCC <= c <= 0xD3:
        return NATURAL if c < 0xD0 else INTEGER, i, 1 << (c % 4)
    if 0xD9 <= c <= 0xDB:
        size = 1 << (c - 0xD9)
        return TEXT, i + size, whole_at(data, i, size, False)
    if 0xDC <= c <= 0xDF:
        size = 4 if c % 2 else 2
        return LIST if c < 0xDE else MAP, i + size, whole_at(data, i, size, False)
    return NOTHING, i, 0


@kernel(forceinline=True)
def whole_at(data, i, size, signed):
    """Read a whole number of so many bytes, the highest first."""
    value = byte_at(data, i)
    if signed and value > 127:
        value -= 256
    for q in range(1, size):
        value = value * 256 + byte_at(data, i + q)
    return value


@kernel
def scan_packed(text, fields, values, given):
    """Return the rows of a list of maps in MessagePack, which is sound; -1 for other lists."""
    data = text_of(text)
    names, ends, widths, columns = fields
    spelled = text_of(names)
    kind, i, rows = head_of(data, 0)
    if kind != LIST:
        return -1
    for r in range(rows):
        kind, i, pairs = head_of(data, i)
        if kind != MAP:
            return -1
        row, has = values[r], given[r]
        row[:] = 0
        has[:] = 0
        for _ in range(pairs):
            kind, start, length = head_of(data, i)
            if kind != TEXT:
                return -1
            i = start + length
            f = len(widths) - 1
            while f >= 0:
                own = ends[f + 1] - ends[f]
                if length == own and same(data, start, spelled, ends[f], length):
                    break
                f -= 1
            if f < 0:
                left = 1
                while left:
                    kind, i, size = head_of(data, i)
                    if kind == NOTHING:
                        return -1
                    if kind >= LIST:
                        left += size * (2 if kind == MAP else 1)
                    else:
                        i += size
                    left -= 1
                continue
            if widths[f] < 0 or has[f]:
                return -1
            if widths[f] > 0:
                kind, i, size = head_of(data, i)
                if kind != LIST or size != widths[f]:
                    return -1
            largest = WHOLE
            for column in range(columns[f], columns[f + 1]):
                kind, i, size = head_of(data, i)
                if kind == REAL:
                    value = real_at(data, i)
                    if not abs(value) < np.inf:
                        return -1
                    largest = BROKEN
                elif NATURAL <= kind <= INTEGER and size < 8:
                    value = float(whole_at(data, i, size, kind == INTEGER))
                else:
                    return -1
                row[column] = value
                i += size
            has[f] = largest
    return rows


@kernel
def split_joints(keypoints, zero_is_missing, far, shares, xy, score):
    """Do what `refine.formats._keypoints.joints` does with numbers that are all finite.

    Return how many joints are at (0, 0), how many at (-1, -1), how many coordinates are beyond far,
    how many may be shares, and whether all scores are 0, 1 or 2.
    """
    zeros, minuses, beyond, small, flags = 0, 0, 0, 0, True
    low, high = shares
    for n in range(len(keypoints)):
        row, at, own = keypoints[n], xy[n], score[n]
        for k in range(len(own)):
            x, y, s = row[3 * k], row[3 * k + 1], row[3 * k + 2]
            own[k] = s
            flags &= s == 0 or s == 1 or s == 2
            beyond += abs(x) > far or abs(y) > far
            if x == 0 and y == 0 and zero_is_missing:
                zeros += 1
                x = y = np.nan
            elif x == -1 and y == -1 and not s > 0:
                minuses += 1
                x = y = np.nan
            small += (low <= x <= high) + (low <= y <= high)
            at[k, 0] = x
            at[k, 1] = y
    return zeros, minuses, beyond, small, flags
