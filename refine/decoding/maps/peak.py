"""The peak of a map in one streaming pass."""

from typing import Any

import numpy as np

from refine._kernel import overloaded
from refine.decoding.maps.lanes import splat

REGISTER = 512
"""Bits of the vectors; processors that have narrower ones take several."""
UNROLLED = 8
"""Vectors of which one maximum is taken; the first cell equal to it is looked for among them."""
BLOCK = REGISTER // 32 * UNROLLED
"""Cells in these of single precision, and twice those of double."""
NOWHERE = 1 << 30


def _peak_of(flat: Any) -> Any:
    cell = int(np.argmax(flat))  # that of NaN, if there is any
    value = float(flat[cell])
    return (cell if 0 < value < np.inf else -1), value


@overloaded(_peak_of)
def peak_of(flat: Any) -> Any:
    """Return the first cell of the maximum, or -1 without a positive finite one, and the maximum.

    For kernels. Positive floats sort like the integers that their bits spell, and processors take
    the maximum of integers as fast as they read them. Only NaN with a sign bit lies above -inf as
    an unsigned integer.

    Args:
        flat: (H * W,) one map, contiguous.

    >>> peak_of(np.array([0.5, 2.0, 2.0]))
    (1, 2.0)
    """
    from refine._compilation import make_intrinsic

    single = flat.dtype.bitwidth == 32
    integer: Any = np.int32 if single else np.int64
    unsigned: Any = np.uint32 if single else np.uint64
    nan_above = unsigned(0xFF800000 if single else 0xFFF0 << 48)
    block = BLOCK if single else BLOCK // 2
    scan = make_intrinsic(_scan)

    def peak(flat):
        bits = flat.view(integer)
        blocks = bits.size // block
        highest, at, all_bits = scan(bits, blocks)
        best, first, top = integer(highest), at * block, unsigned(all_bits)
        rest = bits[blocks * block :]
        if rest.size:
            most, rest_top = rest[0], unsigned(0)
            for j in range(rest.size):
                value = rest[j]
                most = max(most, value)
                rest_top = max(rest_top, unsigned(value))
            top = max(top, rest_top)
            if blocks == 0 or most > best:
                best, first = most, blocks * block
        if top > nan_above:
            return -1, np.nan
        if best > 0:
            part = bits[first : first + block]
            offset = np.int32(NOWHERE)
            for j in range(part.size):
                offset = min(offset, np.int32(j) if part[j] == best else np.int32(NOWHERE))
            value = np.float64(flat[first + offset])
            return (first + offset if np.isfinite(value) else -1), value
        value = flat[0]
        for j in range(flat.size):
            value = max(value, flat[j])
        return -1, np.float64(value)

    return peak


def _scan(typingctx: Any, bits: Any, blocks: Any) -> Any:
    """Return the maximum of so many blocks, the first that has it, and their unsigned maximum."""
    from llvmlite import ir  # type: ignore[import-untyped]
    from numba import types
    from numba.core import cgutils as typed_cgutils

    cgutils: Any = typed_cgutils
    width = bits.dtype.bitwidth
    lanes = REGISTER // width
    kinds: Any = types
    signature = kinds.Tuple((types.int64, types.int64, types.uint64))(bits, blocks)

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        word, index = ir.IntType(width), ir.IntType(64)
        wide = ir.VectorType(word, lanes)
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data

        def function(name: str, result: Any, count: int) -> Any:
            kind = ir.FunctionType(result, [wide] * count)
            return cgutils.get_or_insert_function(builder.module, kind, name)

        def maximum(name: str, vectors: list[Any]) -> Any:
            larger = function(f"llvm.{name}.v{lanes}i{width}", wide, 2)
            while len(vectors) > 1:
                pairs = zip(vectors[::2], vectors[1::2], strict=True)
                vectors = [builder.call(larger, pair) for pair in pairs]
            return vectors[0]

        def of_lanes(name: str, vector: Any) -> Any:
            reduced = function(f"llvm.vector.reduce.{name}.v{lanes}i{width}", word, 1)
            return builder.call(reduced, [vector])

        least = ir.Constant(wide, [-(1 << (width - 1))] * lanes)
        best = cgutils.alloca_once_value(builder, least)
        top = cgutils.alloca_once_value(builder, ir.Constant(wide, [0] * lanes))
        where = cgutils.alloca_once_value(builder, ir.Constant(index, 0))
        with cgutils.for_range(builder, arguments[1]) as loop:
            start = builder.mul(loop.index, ir.Constant(index, lanes * UNROLLED))
            here = builder.bitcast(builder.gep(data, [start]), wide.as_pointer())
            vectors = [
                builder.load(builder.gep(here, [ir.Constant(index, i)]), align=width // 8)
                for i in range(UNROLLED)
            ]
            tops = [maximum("umax", vectors), builder.load(top)]
            builder.store(maximum("umax", tops), top)
            most = maximum("smax", vectors)
            above = builder.icmp_signed(">", most, builder.load(best))
            mask = builder.bitcast(above, ir.IntType(lanes))
            any_above = builder.icmp_unsigned("!=", mask, ir.Constant(ir.IntType(lanes), 0))
            with builder.if_then(any_above, likely=False):
                builder.store(splat(builder, of_lanes("smax", most), wide), best)
                builder.store(loop.index, where)
        highest, all_bits = (
            of_lanes("smax", builder.load(best)),
            of_lanes("umax", builder.load(top)),
        )
        if width < 64:
            highest, all_bits = builder.sext(highest, index), builder.zext(all_bits, index)
        found = [highest, builder.load(where), all_bits]
        return context.make_tuple(builder, signature.return_type, found)

    return signature, build
