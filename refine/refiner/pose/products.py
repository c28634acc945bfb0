"""Products of matrices whose every row comes out the same whatever other rows there are.

A pose in a file of thousands and the same pose alone then become the same to the last digit, which
no BLAS promises; nor has this one threads of its own. It takes half the time of OpenBLAS where that
does not know the CPU, and as long where it does.
"""

from typing import Any

import numpy as np

from refine._kernel import intrinsic, kernel
from refine._types import Floats32

LANES = 32
"""Columns that are summed at once: two registers of AVX-512, four of AVX2."""
ROWS = 8
"""Rows that are summed at once: with the lanes, as many sums as there are registers for."""


def pack(weight: Floats32) -> Floats32:
    """Lay a matrix (K, M) out for `multiply`: (panels, K, `LANES`), 0 beyond its columns."""
    k, m = weight.shape
    panels = -(-m // LANES)
    wide = np.zeros((k, panels * LANES), np.float32)
    wide[:, :m] = weight
    return np.ascontiguousarray(wide.reshape(k, panels, LANES).swapaxes(0, 1))


def _multiply(a: Any, packed: Any, out: Any) -> None:
    out[:] = a @ packed.swapaxes(0, 1).reshape(a.shape[1], -1)


def _tile(rows: int) -> Any:
    """Make an intrinsic that fills `LANES` columns of so many rows, the sums in ascending order.

    Its arguments: a (N, K) contiguous; the first row; packed; the panel; out (N, panels * LANES).
    """

    @intrinsic(_multiply)
    def tile(typingctx: Any, a: Any, row: Any, packed: Any, panel: Any, out: Any) -> Any:
        from llvmlite import ir  # type: ignore[import-untyped]
        from numba import types
        from numba.core import cgutils as typed_cgutils

        cgutils: Any = typed_cgutils
        signature = types.void(a, row, packed, panel, out)

        def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            arrays = [
                context.make_array(signature.args[i])(context, builder, arguments[i])
                for i in (0, 2, 4)
            ]
            first, second = arguments[1], arguments[3]
            of_a, _, of_out = (cgutils.unpack_tuple(builder, x.shape)[-1] for x in arrays)
            single, index = ir.FloatType(), first.type
            wide = ir.VectorType(single, LANES)
            nothing = ir.Constant(wide, ir.Undefined)
            fma = cgutils.get_or_insert_function(
                builder.module, ir.FunctionType(wide, [wide] * 3), f"llvm.fma.v{LANES}f32"
            )

            def vector(base: Any, at: Any) -> Any:
                return builder.bitcast(builder.gep(base, [at]), wide.as_pointer())

            lanes = ir.Constant(index, LANES)
            panel_at = builder.mul(builder.mul(second, of_a), lanes)
            at_row = [
                builder.mul(builder.add(first, ir.Constant(index, u)), of_a) for u in range(rows)
            ]
            sums = [cgutils.alloca_once(builder, wide) for _ in range(rows)]
            for total in sums:
                builder.store(ir.Constant(wide, [0.0] * LANES), total)
            with cgutils.for_range(builder, of_a) as loop:
                at = builder.add(panel_at, builder.mul(loop.index, lanes))
                weights = builder.load(vector(arrays[1].data, at), align=4)
                for u, total in enumerate(sums):
                    place = builder.gep(arrays[0].data, [builder.add(at_row[u], loop.index)])
                    one = builder.insert_element(
                        nothing, builder.load(place), ir.Constant(ir.IntType(32), 0)
                    )
                    mask = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
                    same = builder.shuffle_vector(one, nothing, mask)
                    builder.store(builder.call(fma, [same, weights, builder.load(total)]), total)
            for u, total in enumerate(sums):
                row_at = builder.mul(builder.add(first, ir.Constant(index, u)), of_out)
                at = builder.add(row_at, builder.mul(second, lanes))
                builder.store(builder.load(total), vector(arrays[2].data, at), align=4)
            return context.get_dummy_value()

        return signature, build

    return tile


_tile_of_rows, _tile_of_one = _tile(ROWS), _tile(1)


@kernel(py_func=_multiply)  # type: ignore[untyped-decorator]
def multiply(a: Any, packed: Any, out: Any) -> None:
    """Fill (N, panels * `LANES`) with the product of (N, K) and what `pack` laid out."""
    for panel in range(len(packed)):
        row = 0
        while row + ROWS <= len(a):
            _tile_of_rows(a, row, packed, panel, out)
            row += ROWS
        while row < len(a):
            _tile_of_one(a, row, packed, panel, out)
            row += 1
