"""Numba kernels of scan.py: JSON by its grammar, without escapes and text beyond ASCII."""

import numpy as np

from refine._kernel import intrinsic, kernel

BAD, WHOLE, BROKEN, HARD = 0, 1, 2, 3
"""Kinds of numbers: none, an integer, one with a fraction or exponent, one for Python to read."""


@kernel(forceinline=True)
def blank(data, i):
    while i < len(data) and (data[i] == 32 or data[i] == 10 or data[i] == 13 or data[i] == 9):
        i += 1
    return i


@kernel(forceinline=True)
def byte(data, i):
    return data[i] if i < len(data) else 0


@kernel(forceinline=True)
def text_end(data, i):
    """Return where the text that begins at i has its closing quote; -1 for none that is plain."""
    while i < len(data):
        if data[i] == 34:
            return i
        if data[i] < 32 or data[i] == 92 or data[i] > 126:
            return -1
        i += 1
    return -1


@kernel(forceinline=True)
def quotient(number, power):
    """Divide an integer of 18 digits by an exact power of ten, rightly rounded; NaN if in doubt."""
    high = float(number)
    if -9007199254740992 <= number <= 9007199254740992:
        return high / power
    low = float(number - int(high))
    first = high / power
    # Dekker's product: what first * power is beyond its own rounding.
    a = first * 134217729.0
    a = a - (a - first)
    b = power * 134217729.0
    b = b - (b - power)
    product = first * power
    error = ((a * b - product) + a * (power - b) + (first - a) * b) + (first - a) * (power - b)
    second = ((high - product) - error + low) / power
    found = first + second
    slack = second * 2.0**-45
    return found if found == first + (second + slack) == first + (second - slack) else float("nan")


ZEROS, BEYOND_NINE = np.uint64(0x3030303030303030), np.uint64(0x7676767676767676)
TOP_BITS = np.uint64(0x8080808080808080)
PAIRS, HUNDREDS, ONES = (
    np.uint64(0x000000FF000000FF),
    np.uint64(0x000F424000000064),
    np.uint64(0x0000271000000001),
)
EIGHT, TEN = np.uint64(8), np.uint64(10)


def _eight_bytes(data, i):
    return data[i : i + 8].view("<u8")[0]


@intrinsic(_eight_bytes)
def eight_bytes(typingctx, data, i):
    """Read bytes i to i + 7 as one little-endian integer, wherever they lie."""
    from llvmlite import ir  # type: ignore[import-untyped]
    from numba import types

    def build(context, builder, signature, arguments):
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        place = builder.gep(array.data, [arguments[1]])
        whole = ir.IntType(64)
        return builder.load(builder.bitcast(place, whole.as_pointer()), align=1)

    return types.uint64(data, types.int64), build


def _trailing_zeros(value):
    return np.uint64((int(value) & -int(value)).bit_length() - 1)


@intrinsic(_trailing_zeros)
def trailing_zeros(typingctx, value):
    """Count the zero bits below the lowest one."""
    from llvmlite import ir
    from numba import types

    def build(context, builder, signature, arguments):
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), build


@kernel(forceinline=True)
def few_digits(data, i):
    """Return the integer that begins at i and how many digits it has: 0 to 7, or 8 for more.

    Eight bytes at once, as simdjson and fast_float (Lemire) do it.
    """
    digits = eight_bytes(data, i) ^ ZEROS
    others = ((digits + BEYOND_NINE) | digits) & TOP_BITS
    if not others:
        return 0, 8
    count = trailing_zeros(others) >> np.uint64(3)
    if not count:
        return 0, 0
    digits <<= EIGHT * (EIGHT - count)
    digits = digits * TEN + (digits >> EIGHT)
    value = (digits & PAIRS) * HUNDREDS + ((digits >> np.uint64(16)) & PAIRS) * ONES
    return np.int64((value >> np.uint64(32)) & np.uint64(0xFFFFFFFF)), np.int64(count)


@kernel(forceinline=True)
def number(data, i, powers):
    """Return a number, its kind, and where it ends. The last byte of data is no digit."""
    negative = data[i] == 45
    begin = i + negative
    if begin + 32 < len(data):
        value, count = few_digits(data, begin)
        at = begin + count
        if 0 < count < 8 and (count == 1 or data[begin] != 48):
            if data[at] == 46:
                part, length = few_digits(data, at + 1)
                at += 1 + length
                if 0 < length < 8 and data[at] != 101 and data[at] != 69:
                    found = (value * powers[length] + part) / powers[length]
                    return -found if negative else found, BROKEN, at
            elif data[at] != 101 and data[at] != 69:
                return float(-value if negative else value), WHOLE, at
    return long_number(data, i, powers)


@kernel
def long_number(data, i, powers):
    """Do what `number` does with any number."""
    negative = data[i] == 45
    i += negative
    if data[i] < 48 or data[i] > 57:
        return 0.0, BAD, i
    value, digits, scale, kind = 0, 0, 0, WHOLE
    if data[i] == 48:
        i += 1
        if 48 <= data[i] <= 57:
            return 0.0, BAD, i
    while 48 <= data[i] <= 57:
        value = value * 10 + (data[i] - 48)
        digits += 1
        i += 1
    if data[i] == 46:
        i += 1
        start = i
        while 48 <= data[i] <= 57:
            value = value * 10 + (data[i] - 48)
            digits += digits > 0 or data[i] > 48
            i += 1
        scale = i - start
        kind = BROKEN
        if not scale:
            return 0.0, BAD, i
    if data[i] == 101 or data[i] == 69:
        i += 1
        down = data[i] == 45
        i += down or data[i] == 43
        power, start = 0, i
        while 48 <= data[i] <= 57:
            power = min(power * 10 + (data[i] - 48), 9999)
            i += 1
        scale += power if down else -power
        kind = BROKEN
        if i == start:
            return 0.0, BAD, i
    if digits > 18 or scale > 22 or scale < 0:
        return 0.0, HARD, i
    found = quotient(value, powers[scale])
    if found != found:
        return 0.0, HARD, i
    if negative and (value or kind == BROKEN):
        found = -found
    return found, kind, i


@kernel(forceinline=True)
def skipped(data, i, powers):
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
            _, kind, i = number(data, i, powers)
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


@kernel(forceinline=True)
def key_end(data, i):
    """Return where the value of the key that begins at i begins; -1 if there is none."""
    if byte(data, i) != 34:
        return -1
    i = text_end(data, i + 1)
    if i < 0:
        return -1
    i = blank(data, i + 1)
    return blank(data, i + 1) if byte(data, i) == 58 else -1


@kernel(forceinline=True)
def literal_end(data, i):
    if i + 4 >= len(data):
        return -1
    a, b, c, d = data[i], data[i + 1], data[i + 2], data[i + 3]
    if (a, b, c, d) == (116, 114, 117, 101) or (a, b, c, d) == (110, 117, 108, 108):
        return i + 4
    same = (a, b, c, d) == (102, 97, 108, 115) and data[i + 4] == 101
    return i + 5 if same else -1


@kernel(forceinline=True)
def field_of(data, start, stop, spelled, ends):
    for f in range(len(ends) - 1):
        if ends[f + 1] - ends[f] != stop - start:
            continue
        q = 0
        while q < stop - start and data[start + q] == spelled[ends[f] + q]:
            q += 1
        if q == stop - start:
            return f
    return -1


@kernel
def scan(data, i, fields, powers, values, given, hard):
    """Return the rows or -1, their end, how many numbers are hard, and the first row's place."""
    spelled, ends, widths, columns = fields
    rows, difficult, first, last = 0, 0, -1, -1
    bad = (-1, i, 0, 0, 0)
    i = blank(data, i + 1)
    if byte(data, i) == 93:
        return 0, i + 1, 0, 0, 0
    while True:
        if byte(data, i) != 123 or rows == len(values):
            return bad
        first = i if rows == 0 else first
        i = blank(data, i + 1)
        while True:
            start = i + 1
            i = key_end(data, i)
            if i < 0:
                return bad
            stop = start
            while data[stop] != 34:
                stop += 1
            f = field_of(data, start, stop, spelled, ends)
            if f < 0:
                i = skipped(data, i, powers)
                if i < 0:
                    return bad
            elif widths[f] < 0 or given[rows, f]:
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
                    if i >= len(data):
                        return bad
                    begin = i
                    value, kind, i = number(data, i, powers)
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
                    values[rows, column] = value
                given[rows, f] = largest
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
            return rows, i, difficult, first, last
        if c != 44:
            return bad
        i = blank(data, i)
