"""What kernels do several at a time: weighted sums of short rows, exponentials of float32."""

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils as typed_cgutils
from numba.extending import intrinsic as typed_intrinsic

from refine._kernel import kernel

intrinsic: Any = typed_intrinsic
cgutils: Any = typed_cgutils

LANES = 8
"""Columns that are summed at once; all are read, so that the memory behind them must exist."""


def _sums(rows: int) -> Any:
    """Return an intrinsic that fills out[:rows, to : to + LANES].

    Its arguments: source, a contiguous array; at, the first element; stride and count, how far
    apart and how many the rows of the source are; weights (rows, at least count); out (rows,
    columns) float64; to. Row u becomes the sum over t < count of weights[u, t] times the LANES
    elements from source[at + t * stride] on, in float64 and in this order.
    """

    @intrinsic  # type: ignore[untyped-decorator]
    def sums(
        typingctx: Any,
        source: Any,
        at: Any,
        stride: Any,
        count: Any,
        weights: Any,
        out: Any,
        to: Any,
    ) -> Any:
        signature = types.void(source, at, stride, count, weights, out, to)

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
            _, at, stride, count, _, _, to = arguments
            pointer, weight, result = (array(i) for i in (0, 4, 5))
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
                for u, total in enumerate(totals):
                    row = builder.mul(weight_row, ir.Constant(index_type, u))
                    one = builder.load(builder.gep(weight.data, [builder.add(row, loop.index)]))
                    first = builder.insert_element(
                        ir.Constant(wide, ir.Undefined), one, ir.Constant(ir.IntType(32), 0)
                    )
                    same = builder.shuffle_vector(
                        first,
                        ir.Constant(wide, ir.Undefined),
                        ir.Constant(across(ir.IntType(32)), [0] * LANES),
                    )
                    builder.store(builder.call(fma, [values, same, builder.load(total)]), total)
            for u, total in enumerate(totals):
                row = builder.mul(result_row, ir.Constant(index_type, u))
                where = place(result.data, builder.add(row, to), wide)
                builder.store(builder.load(total), where, align=8)
            return context.get_dummy_value()

        return signature, build

    return sums


sums_of_1, sums_of_3, sums_of_5 = _sums(1), _sums(3), _sums(5)


@intrinsic  # type: ignore[untyped-decorator]
def _power_of_two(typingctx: Any, exponent: Any) -> Any:
    """Return 2 to a whole number that is given as a float32."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        whole = ir.IntType(32)
        biased = builder.add(builder.fptosi(arguments[0], whole), ir.Constant(whole, 127))
        return builder.bitcast(builder.shl(biased, ir.Constant(whole, 23)), ir.FloatType())

    return types.float32(types.float32), build


@kernel(forceinline=True, fastmath={"contract"})  # type: ignore[untyped-decorator]
def exp_single(x: Any) -> Any:
    """Return the exponential of a float32 in [-87, 88], to 2e-7 of itself; for kernels.

    Cephes, expf.c (S. Moshier): ln 2 in two parts and a polynomial of degree 6.
    """
    z = np.floor(x * np.float32(1.44269504) + np.float32(0.5))
    r = x - z * np.float32(0.693359375) + z * np.float32(2.12194440e-4)
    y = np.float32(1.9875691500e-4)
    y = y * r + np.float32(1.3981999507e-3)
    y = y * r + np.float32(8.3334519073e-3)
    y = y * r + np.float32(4.1665795894e-2)
    y = y * r + np.float32(1.6666665459e-1)
    y = y * r + np.float32(5.0000001201e-1)
    return (y * r * r + r + np.float32(1)) * _power_of_two(z)
