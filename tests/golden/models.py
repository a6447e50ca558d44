"""The models whose generated C is compared, and what is generated for them."""

from __future__ import annotations

import hashlib

import numpy as np

from mcugen.boards import load_board
from mcugen.compile import CompileOptions, Quantized, compile_for
from mcugen.compiled import GENERATOR, Compiled
from mcugen.emit.model import model_files
from mcugen.emit.project import project_files
from mcugen.ir import DType, Graph, QuantParams, Tensor
from mcugen.manifest import FILE_NAME, manifest_of
from mcugen.ops import Add, Concat, Dequantize, Quantize, Svdf
from tests.support import graphs


def _state() -> Graph:
    """State that starts at another value than zero."""
    tensors = [
        graphs.activation("x", 1, 4),
        graphs.int8_constant("feature", (4, 4)),
        graphs.int8_constant("time", (4, 3), seed=2),
        Tensor(
            "state", DType.INT8, (1, 12), QuantParams.per_tensor(0.2, 0), np.full((1, 12), 5, np.int8), True
        ),
        graphs.activation("y", 1, 2, quant=QuantParams.per_tensor(0.03, 7)),
    ]
    op = Svdf(inputs=("x", "feature", "time", "", "state"), outputs=("y",), rank=2, origin="SVDF #0 'y'")
    return graphs.graph(tensors, [op], "x", "y", "state")


def _float_borders() -> Graph:
    """Two float inputs, a constant operand, two outputs, int8 inside."""
    tensors = [
        *(graphs.activation(n, 1, 2, 3, quant=None, dtype=DType.FLOAT32) for n in ("a", "b", "sum")),
        *(graphs.activation(n, 1, 2, 3) for n in ("qa", "qb", "qsum")),
        graphs.int8_constant("c", (1, 2, 3), graphs.QUANT),
        graphs.activation("all", 1, 2, 6),
    ]
    ops = [
        Quantize(inputs=("a",), outputs=("qa",), origin="QUANTIZE #0 'qa'"),
        Quantize(inputs=("b",), outputs=("qb",), origin="QUANTIZE #1 'qb'"),
        Add(inputs=("qa", "qb"), outputs=("qsum",), origin="ADD #2 'qsum'", high=6.0),
        Concat(inputs=("qsum", "c"), outputs=("all",), origin="CONCATENATION #3 'all'", axis=2),
        Dequantize(inputs=("qsum",), outputs=("sum",), origin="DEQUANTIZE #4 'sum'"),
    ]
    return graphs.graph(tensors, ops, "a b", "sum all", "float_borders")


# Each with the board it is compiled for, one of every instruction class, and how.
MODELS = {
    "classifier": (graphs.classifier, "mps2-an386", CompileOptions()),
    "state": (_state, "mps2-m0", CompileOptions()),
    "float_borders": (_float_borders, "mps3-an547", CompileOptions()),
    "rows_streamed": (graphs.classifier, "mps2-an386", CompileOptions(input_rows="")),
}


def compiled(name: str) -> Compiled:
    make, board, options = MODELS[name]
    quantized = Quantized(make(), b"", "tflite", ("a note",))
    return compile_for(quantized, f"{name}.tflite", load_board(board), options)


def generated(name: str) -> dict[str, str]:
    """The model's own files and the manifest, by path; the version is left out."""
    model = compiled(name)
    files = {**model_files(model), FILE_NAME: manifest_of(model, "library").text()}
    version = GENERATOR.split()[1]
    return {path: text.replace(version, "VERSION") for path, text in files.items()}


def digest(kinds: tuple[str, ...]) -> str:
    """A checksum of whole projects for all models, kernels included, and of the order of their files."""
    checksum = hashlib.sha256()
    for name in MODELS:
        for kind in kinds:
            for path, text in project_files(compiled(name), kind).items():
                checksum.update(f"{path}\0{text}\0".encode())
    return checksum.hexdigest()
