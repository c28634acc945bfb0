"""What kernels do several at a time: weighted sums of short rows."""

from typing import Any

import numpy as np

from refine._kernel import intrinsic

LANES = 8
"""Columns that are summed at once; all are read, so that the memory behind them must exist."""


def splat(builder: Any, value: Any, wide: Any) -> Any:
    """Return a vector of this type with the value in every lane."""
    from llvmlite import ir  # type: ignore[import-untyped]

    nothing = ir.Constant(wide, ir.Undefined)
    first = builder.insert_element(nothing, value, ir.Constant(ir.IntType(32), 0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), wide.count), [0] * wide.count)
    return builder.shuffle_vector(first, nothing, zeros)


def _sums(rows: int) -> Any:
    """Return an intrinsic that fills out[:rows, to : to + LANES].

    Its arguments: source, a contiguous array; at, the first element; stride and count, how far
    apart and how many the rows of the source are; weights (rows, at least skip + count); skip;
    out (rows, columns) float64; to. Row u becomes the sum over t < count of weights[u, skip + t]
    times the LANES elements from source[at + t * stride] on, in float64 and in this order.
    """

    def in_python(
        source: Any,
        at: int,
        stride: int,
        count: int,
        weights: Any,
        skip: int,
        out: Any,
        to: int,
    ) -> None:
        total = np.zeros((rows, LANES))
        for t in range(count):
            first = at + t * stride
            values = source[first : first + LANES].astype(np.float64)
            total += weights[:rows, skip + t, None] * values
        out[:rows, to : to + LANES] = total

    @intrinsic(in_python)
    def sums(
        typingctx: Any,
        source: Any,
        at: Any,
        stride: Any,
        count: Any,
        weights: Any,
        skip: Any,
        out: Any,
        to: Any,
    ) -> Any:
        from llvmlite import ir
        from numba import types
        from numba.core import cgutils as typed_cgutils

        cgutils: Any = typed_cgutils
        signature = types.void(source, at, stride, count, weights, skip, out, to)

        def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            def array(i: int) -> Any:
                return context.make_array(signature.args[i])(context, builder, arguments[i])

            def place(base: Any, index: Any, kind: Any) -> Any:
                return builder.bitcast(builder.gep(base, [index]), kind.as_pointer())

            def across(kind: Any) -> Any:
                return ir.VectorType(kind, LANES)

            double, index_type = ir.DoubleType(), arguments[1].type
            wide = across(double)
            narrow = context.get_value_type(signature.args[0].dtype)
            size = signature.args[0].dtype.bitwidth // 8
            _, at, stride, count, _, skip, _, to = arguments
            pointer, weight, result = (array(i) for i in (0, 4, 6))
            weight_row = cgutils.unpack_tuple(builder, weight.shape, 2)[1]
            result_row = cgutils.unpack_tuple(builder, result.shape, 2)[1]
            fma = cgutils.get_or_insert_function(
                builder.module, ir.FunctionType(wide, [wide] * 3), f"llvm.fmuladd.v{LANES}f64"
            )
            totals = [cgutils.alloca_once(builder, wide) for _ in range(rows)]
            for total in totals:
                builder.store(ir.Constant(wide, [0.0] * LANES), total)
            with cgutils.for_range(builder, count) as loop:
                here = builder.add(at, builder.mul(loop.index, stride))
                values = builder.load(place(pointer.data, here, across(narrow)), align=size)
                if size < 8:
                    values = builder.fpext(values, wide)
                column = builder.add(skip, loop.index)
                for u, total in enumerate(totals):
                    row = builder.mul(weight_row, ir.Constant(index_type, u))
                    one = builder.load(builder.gep(weight.data, [builder.add(row, column)]))
                    same = splat(builder, one, wide)
                    builder.store(builder.call(fma, [values, same, builder.load(total)]), total)
            for u, total in enumerate(totals):
                row = builder.mul(result_row, ir.Constant(index_type, u))
                where = place(result.data, builder.add(row, to), wide)
                builder.store(builder.load(total), where, align=8)
            return context.get_dummy_value()

        return signature, build

    return sums


sums_of_1, sums_of_3, sums_of_5 = _sums(1), _sums(3), _sums(5)
