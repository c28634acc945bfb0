"""Numba kernels that read text: bytes, numbers and names of JSON without escapes."""

from typing import Any

import numpy as np

from refine._kernel import intrinsic, kernel

BAD, WHOLE, BROKEN, HARD = 0, 1, 2, 3
"""Kinds of numbers: none, an integer, one with a fraction or exponent, one for Python to read."""

AHEAD = 40
"""Bytes that may be read from where a value begins: more than the 25 of the longest float64."""

ZEROS, DOTS, QUOTES, SLASHES, SPACES, DELETES, LOWEST, TOP_BITS, BEYOND_NINE = (
    np.uint64(each * 0x0101010101010101) for each in (48, 46, 34, 92, 32, 127, 1, 128, 0x76)
)
PAIRS, HUNDREDS, ONES = (
    np.uint64(0x000000FF000000FF),
    np.uint64(0x000F424000000064),
    np.uint64(0x0000271000000001),
)
ONE, EIGHT, TEN, SIXTEEN, HALF = map(np.uint64, (1, 8, 10, 16, 32))


ENDS = tuple(b",]}")
"""Behind numbers."""
POWERS = 10.0 ** np.arange(23)
"""Those that are exact."""


@intrinsic(lambda data: (data, len(data)))
def text_of(typingctx, data):
    """Return the text in an array: where it begins, and its bytes.

    Arrays are counted wherever a function is given one, which takes longer than reading a number.
    In Python it is the array itself, and its bytes.
    """
    from numba import types

    def build(context, builder, signature, arguments):
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        return context.make_tuple(builder, signature.return_type, (array.data, array.nitems))

    kinds: Any = types
    return kinds.Tuple((kinds.CPointer(kinds.uint8), kinds.int64))(data), build


def _loaded(builder: Any, arguments: Any, kind: Any) -> Any:
    """Load from byte i of a text on, wherever that lies."""
    begin = builder.extract_value(arguments[0], 0)
    place = builder.bitcast(builder.gep(begin, [arguments[1]]), kind.as_pointer())
    return builder.load(place, align=1)


def _byte_at(data, i):
    return int(data[0][i])


@intrinsic(_byte_at)
def byte_at(typingctx, data, i):
    """Read byte i, which is not negative."""
    from llvmlite import ir  # type: ignore[import-untyped]
    from numba import types

    def build(context, builder, signature, arguments):
        return builder.zext(_loaded(builder, arguments, ir.IntType(8)), ir.IntType(64))

    return types.int64(data, types.int64), build


def _put_byte(data, i, value):
    data[0][i] = value


@intrinsic(_put_byte)
def put_byte(typingctx, data, i, value):
    """Write byte i, which is not negative."""
    from llvmlite import ir
    from numba import types

    def build(context, builder, signature, arguments):
        place = builder.gep(builder.extract_value(arguments[0], 0), [arguments[1]])
        builder.store(builder.trunc(arguments[2], ir.IntType(8)), place)
        return context.get_dummy_value()

    return types.void(data, types.int64, types.int64), build


def _eight_bytes(data, i):
    return data[0][i : i + 8].view("<u8")[0]


@intrinsic(_eight_bytes)
def eight_bytes(typingctx, data, i):
    """Read bytes i to i + 7 as one little-endian integer."""
    from llvmlite import ir
    from numba import types

    def build(context, builder, signature, arguments):
        return _loaded(builder, arguments, ir.IntType(64))

    return types.uint64(data, types.int64), build


def _real_at(data, i):
    return float(data[0][i : i + 8].view(">f8")[0])


@intrinsic(_real_at)
def real_at(typingctx, data, i):
    """Read the float64 in bytes i to i + 7, the highest first."""
    from llvmlite import ir
    from numba import types

    def build(context, builder, signature, arguments):
        whole = builder.bswap(_loaded(builder, arguments, ir.IntType(64)))
        return builder.bitcast(whole, ir.DoubleType())

    return types.float64(data, types.int64), build


def _value_end(data, i):
    found = np.isin(data[0][i : i + 16], ENDS)
    return int(found.argmax()) if found.any() else 16


@intrinsic(_value_end)
def value_end(typingctx, data, i):
    """Return where, of 16 bytes from i on, the first comma or closing bracket is; 16 for none."""
    from llvmlite import ir
    from numba import types

    def build(context, builder, signature, arguments):
        text = _loaded(builder, arguments, ir.VectorType(ir.IntType(8), 16))
        found = [builder.icmp_unsigned("==", text, ir.Constant(text.type, [c] * 16)) for c in ENDS]
        bits = builder.bitcast(builder.or_(builder.or_(*found[:2]), found[2]), ir.IntType(16))
        whole = ir.IntType(64)
        bits = builder.or_(builder.zext(bits, whole), ir.Constant(whole, 1 << 16))
        return builder.cttz(bits, ir.Constant(ir.IntType(1), 1))

    return types.int64(data, types.int64), build


def _trailing_zeros(value):
    return (int(value) & -int(value)).bit_length() - 1


@intrinsic(_trailing_zeros)
def trailing_zeros(typingctx, value):
    """Count the zero bits below the lowest one, of which there is one."""
    from llvmlite import ir
    from numba import types

    def build(context, builder, signature, arguments):
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), build


@intrinsic(np.uint64)
def unsigned(typingctx, value):
    from numba import types

    return types.uint64(types.int64), lambda *call: call[3][0]


@intrinsic(np.int64)
def signed(typingctx, value):
    from numba import types

    return types.int64(types.uint64), lambda *call: call[3][0]


@kernel(forceinline=True)
def blank(data, i):
    while i < data[1]:
        c = byte_at(data, i)
        if c != 32 and c != 10 and c != 13 and c != 9:
            break
        i += 1
    return i


@kernel(forceinline=True)
def byte(data, i):
    return byte_at(data, i) if i < data[1] else 0


@kernel(forceinline=True)
def lowest(word):
    """Mark the bytes that are 0; above the lowest one of them others may be marked."""
    return (word - LOWEST) & ~word & TOP_BITS


@kernel(forceinline=True)
def text_end(data, i):
    """Return where the text that begins at i has its closing quote; -1 for none that is plain."""
    while i + 8 <= data[1]:
        word = eight_bytes(data, i)
        quote = lowest(word ^ QUOTES)
        odd = lowest(word ^ SLASHES) | lowest(word ^ DELETES) | (word & TOP_BITS)
        odd |= (word - SPACES) & ~word & TOP_BITS
        if quote | odd:
            at = i + (trailing_zeros(quote | odd) >> 3)
            return at if byte_at(data, at) == 34 else -1
        i += 8
    while i < data[1]:
        c = byte_at(data, i)
        if c == 34:
            return i
        if c < 32 or c == 92 or c > 126:
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


@kernel(forceinline=True)
def digits_of(word, length):
    """Return the integer that the first bytes of a word, 1 to 8, spell; -1 if not all are digits.

    All at once, as simdjson and fast_float (Lemire) do it.
    """
    digits = (word ^ ZEROS) << unsigned(64 - 8 * length)
    if ((digits + BEYOND_NINE) | digits) & TOP_BITS:
        return -1
    digits = digits * TEN + (digits >> EIGHT)
    value = (digits & PAIRS) * HUNDREDS + ((digits >> SIXTEEN) & PAIRS) * ONES
    return signed(value >> HALF)


@kernel(forceinline=True)
def number(data, i):
    """Return a number, its kind, and where it ends. The last byte of data is no digit."""
    if i + AHEAD < data[1]:
        end = i + value_end(data, i)
        negative = byte_at(data, i) == 45
        begin = i + negative
        length = end - begin
        if 0 < length <= 8:
            word = eight_bytes(data, begin)
            dot = lowest(word ^ DOTS)
            before = trailing_zeros(dot) - 7 if dot else 64
            zero = byte_at(data, begin) == 48
            if before >= 8 * length:
                value = digits_of(word, length)
                if value >= 0 and not (zero and length > 1):
                    return float(-value if negative else value), WHOLE, end
            else:
                below = (ONE << unsigned(before)) - ONE
                value = digits_of((word & below) | ((word >> EIGHT) & ~below), length - 1)
                after = length - 1 - (before >> 3)
                if value >= 0 and before and after and not (zero and before > 8):
                    found = value / POWERS[after]
                    return -found if negative else found, BROKEN, end
    return long_number(data, i)


@kernel
def long_number(data, i):
    """Do what `number` does with any number."""
    negative = byte_at(data, i) == 45
    i += negative
    if byte_at(data, i) < 48 or byte_at(data, i) > 57:
        return 0.0, BAD, i
    value, digits, scale, kind = 0, 0, 0, WHOLE
    if byte_at(data, i) == 48:
        i += 1
        if 48 <= byte_at(data, i) <= 57:
            return 0.0, BAD, i
    while 48 <= byte_at(data, i) <= 57:
        value = value * 10 + (byte_at(data, i) - 48)
        digits += 1
        i += 1
    if byte_at(data, i) == 46:
        i += 1
        start = i
        while 48 <= byte_at(data, i) <= 57:
            value = value * 10 + (byte_at(data, i) - 48)
            digits += digits > 0 or byte_at(data, i) > 48
            i += 1
        scale = i - start
        kind = BROKEN
        if not scale:
            return 0.0, BAD, i
    if byte_at(data, i) == 101 or byte_at(data, i) == 69:
        i += 1
        down = byte_at(data, i) == 45
        i += down or byte_at(data, i) == 43
        power, start = 0, i
        while 48 <= byte_at(data, i) <= 57:
            power = min(power * 10 + (byte_at(data, i) - 48), 9999)
            i += 1
        scale += power if down else -power
        kind = BROKEN
        if i == start:
            return 0.0, BAD, i
    if digits > 18 or scale > 22 or scale < 0:
        return 0.0, HARD, i
    found = quotient(value, POWERS[scale])
    if found != found:
        return 0.0, HARD, i
    if negative and (value or kind == BROKEN):
        found = -found
    return found, kind, i


@kernel(forceinline=True)
def key_end(data, i):
    """Return where the value of the key that begins at i begins; -1 if there is none."""
    if byte(data, i) != 34:
        return -1
    i = text_end(data, i + 1)
    return i if i < 0 else behind_colon(data, i + 1)


@kernel(forceinline=True)
def behind_colon(data, i):
    i = blank(data, i)
    return blank(data, i + 1) if byte(data, i) == 58 else -1


@kernel(forceinline=True)
def literal_end(data, i):
    if i + 4 >= data[1]:
        return -1
    a, b, c, d = byte_at(data, i), byte_at(data, i + 1), byte_at(data, i + 2), byte_at(data, i + 3)
    if (a, b, c, d) == (116, 114, 117, 101) or (a, b, c, d) == (110, 117, 108, 108):
        return i + 4
    false = (a, b, c, d) == (102, 97, 108, 115) and byte_at(data, i + 4) == 101
    return i + 5 if false else -1


@kernel(forceinline=True)
def same(one, i, other, j, length):
    q = 0
    while q < length and byte_at(one, i + q) == byte_at(other, j + q):
        q += 1
    return q == length
