"""Networks as ONNX files: traced by torch, quantised on request, compared before they are given."""

import json
import tempfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from refine._version import __version__
from refine.exceptions import RefineError

OPSET = 17
"""The first with LayerNormalization; onnxruntime reads it since 1.12."""
TOLERANCE = 1e-4
"""Largest difference between onnxruntime and torch, over the output's largest value or 1."""
INT8_TOLERANCE = 0.2
"""The same for eight bits: a third of it is seen, a network that broke differs by far more."""
INT8_SHARE = 0.95
"""Share of the values that must lie within: of two places that are about as likely in noise a
rounded network may take the other; the shipped one does for 3 % at most."""
TRACED, CHECKED = 2, 5
"""Batch sizes; they differ, so that a batch size that stuck to the file is found out."""


@dataclass(frozen=True, slots=True)
class Exportable:
    """A module, and what an ONNX file of it says of itself.

    Attributes:
        module: from tensors to a tuple of tensors, in the order of the names.
        inputs: name -> meaning.
        outputs: name -> meaning.
        examples: draws random inputs of N rows, as plausible as the real ones.
        facts: metadata: joints, size, hash of the weights.
        sizes: name -> names of those axes that a user may choose; by default the first alone.
        precise: submodules whose weights stay as they are with eight bits.
    """

    module: nn.Module
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    examples: Callable[[int, torch.Generator], tuple[Tensor, ...]]
    facts: Mapping[str, Any]
    sizes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    precise: tuple[str, ...] = ()


def export_onnx(model: Exportable, *, int8: bool = False) -> tuple[bytes, dict[str, float]]:
    """Make an ONNX file and compare it, in onnxruntime, with torch.

    Args:
        model: what to export.
        int8: quantise the weights to eight bits, the activations as they come.

    Returns:
        the file, and for every output the largest difference found on random inputs.

    Raises:
        RefineError: onnx or onnxruntime are not installed, or the file differs from torch by more
            than `TOLERANCE`; with `int8` more than `INT8_SHARE` of it by `INT8_TOLERANCE`.
    """
    try:
        import onnx
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise RefineError(
            f"expected onnx and onnxruntime to be installed, got: {error}",
            hint='pip install "refine-pose[export]"',
        ) from None
    proto = onnx.load_from_string(_trace(model))
    if int8:
        proto = _quantise(proto, model.precise)
    del proto.metadata_props[:]
    facts = {
        "refine": __version__,
        **model.facts,
        "int8": int8,
        "inputs": dict(model.inputs),
        "outputs": dict(model.outputs),
    }
    texts = {k: v if isinstance(v, str) else json.dumps(v) for k, v in facts.items()}
    onnx.helper.set_model_props(proto, texts)
    data: bytes = proto.SerializeToString()
    if int8:
        return data, compare(data, model, INT8_TOLERANCE, INT8_SHARE)
    return data, compare(data, model, TOLERANCE)


def compare(
    data: bytes, model: Exportable, tolerance: float, share: float = 1.0
) -> dict[str, float]:
    """Return the largest difference of every output between an ONNX file and torch.

    Args:
        data: the file.
        model: what it is of.
        tolerance: largest difference allowed, over the output's largest value or 1.
        share: of the values that must lie within, from 0 to 1.

    Raises:
        RefineError: fewer do.
    """
    import onnxruntime

    feed = model.examples(CHECKED, torch.Generator().manual_seed(1))
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    named = {name: t.numpy() for name, t in zip(model.inputs, feed, strict=True)}
    with torch.no_grad():
        expected = [t.numpy() for t in model.module(*feed)]
    found = {}
    for name, a, b in zip(model.outputs, session.run(None, named), expected, strict=True):
        same = a.shape == b.shape and (np.isnan(a) == np.isnan(b)).all()
        off = np.abs(a - b)[~np.isnan(b)] if same else np.array([np.inf])
        found[name] = float(off.max(initial=0.0))
        least = float(np.quantile(off, share)) if off.size else 0.0
        if not least <= tolerance * np.nanmax(np.abs(b), initial=1.0):
            raise RefineError(
                f"expected the ONNX file to say what torch says within {tolerance:g} of the "
                f"largest value, got a difference of {least:.3g} in {name!r}",
                hint="another version of onnxruntime or torch, or no --int8",
            )
    return found


def _trace(model: Exportable) -> bytes:
    def axes(name: str) -> dict[int, str]:
        return dict(enumerate(model.sizes.get(name, ("n",))))

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), torch.no_grad():
        # Torch's own: on the age of this exporter, which alone needs no further package, and on
        # sizes that are constants of the traced network.
        warnings.simplefilter("ignore")
        path = Path(folder, "traced.onnx")
        torch.onnx.export(
            model.module,
            model.examples(TRACED, torch.Generator().manual_seed(0)),
            path,
            dynamo=False,
            opset_version=OPSET,
            input_names=list(model.inputs),
            output_names=list(model.outputs),
            dynamic_axes={name: axes(name) for name in (*model.inputs, *model.outputs)},
        )
        return path.read_bytes()


def _quantise(proto: Any, precise: tuple[str, ...]) -> Any:
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.quant_utils import add_pre_process_metadata

    # Says that shapes are inferred already; without it onnxruntime complains to the root logger.
    add_pre_process_metadata(proto)
    # Torch names nodes by their modules; onnxruntime makes "_MatMul" of "Gemm" before it looks.
    places = tuple(f"/{name.replace('.', '/')}/" for name in precise)
    # Depthwise filters hold few weights, and are slow in integers.
    kept = [
        node.name
        for node in proto.graph.node
        if node.name.startswith(places)
        or any(a.name == "group" and a.i > 1 for a in node.attribute)
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "int8.onnx")
        # Unsigned: onnxruntime has no convolution of signed weights, and products of signed ones
        # saturate on CPUs without VNNI.
        quantize_dynamic(
            proto,
            path,
            op_types_to_quantize=["MatMul", "Conv"],
            nodes_to_exclude=kept + [f"{name}_MatMul" for name in kept],
            per_channel=True,
            weight_type=QuantType.QUInt8,
            # Of what came of "Gemm", whose types older onnxruntime does not infer.
            extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
        )
        return onnx.load(path)
