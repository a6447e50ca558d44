"""Reads .tflite files. The only module that knows the TFLite schema, through the ``tflite`` package."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tflite

from mcugen import ops
from mcugen.errors import ModelFormatError, UnsupportedModelError
from mcugen.frontends.imported import Imported
from mcugen.ir import Array, DType, Graph, Op, QuantParams, Shape, Tensor
from mcugen.verify_ir import GraphError, verify

FILE_IDENTIFIER = b"TFL3"

# Nothing that a microcontroller can run comes near these; they stop hostile files early.
MAX_TENSORS = 100_000
MAX_ELEMENTS = 1 << 28

_DTYPES = {
    tflite.TensorType.FLOAT32: DType.FLOAT32,
    tflite.TensorType.INT8: DType.INT8,
    tflite.TensorType.UINT8: DType.UINT8,
    tflite.TensorType.INT16: DType.INT16,
    tflite.TensorType.INT32: DType.INT32,
    tflite.TensorType.INT64: DType.INT64,
    tflite.TensorType.BOOL: DType.BOOL,
}
_TYPE_NAMES = {v: k for k, v in vars(tflite.TensorType).items() if not k.startswith("_")}
_OP_NAMES = {v: k for k, v in vars(tflite.BuiltinOperator).items() if not k.startswith("_")}

_ACTIVATIONS = {
    tflite.ActivationFunctionType.NONE: (-math.inf, math.inf),
    tflite.ActivationFunctionType.RELU: (0.0, math.inf),
    tflite.ActivationFunctionType.RELU6: (0.0, 6.0),
    tflite.ActivationFunctionType.RELU_N1_TO_1: (-1.0, 1.0),
}

# The place of OperatorCode.builtin_code in the table's list of fields.
_WIDE_CODE_FIELD = 10

# A flatbuffers table without fields, and where it starts: a vtable of 4 bytes and the offset back to it.
_EMPTY_TABLE = (struct.pack("<HHi", 4, 4, 4), 4)

# What flatbuffers' accessors and NumPy raise on corrupt offsets, sizes and strings, and `verify` on a graph that reads
# what nothing writes.
_CORRUPT = (
    GraphError,
    struct.error,
    IndexError,
    KeyError,
    ValueError,
    TypeError,
    OverflowError,
    AttributeError,
    MemoryError,
)


class _Unsupported(Exception):
    """One reason why an operator cannot be imported."""


def load_tflite(data: bytes, name: str) -> Imported:
    """The graph of a .tflite file's only subgraph.

    Raises ModelFormatError for a corrupt file, UnsupportedModelError listing every operator that is unknown.
    """
    if len(data) < 8 or data[4:8] != FILE_IDENTIFIER:
        raise ModelFormatError(
            f"not a TFLite model: the identifier at byte 4 is {data[4:8]!r}, {FILE_IDENTIFIER!r} is needed",
            hint="export the model again; a .tflite file starts with a flatbuffer of the schema TFL3",
        )
    try:
        return _Importer(tflite.Model.GetRootAs(data, 0), name).run()
    except _CORRUPT as error:
        raise ModelFormatError(
            f"the file is truncated or corrupt ({type(error).__name__}: {error})",
            hint="download or export the model again",
        ) from error


@dataclass
class _Node:
    """One operator of the file, with its tensors by index (-1 is absent)."""

    index: int
    code: int
    name: str
    operator: Any
    inputs: list[int]
    outputs: list[int]


@dataclass
class _Importer:
    model: Any
    name: str
    tensors: dict[str, Tensor] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def run(self) -> Imported:
        if self.model.SubgraphsLength() < 1:
            raise ValueError("no subgraph")
        subgraph = self.model.Subgraphs(0)
        self._read_tensors(subgraph)
        inputs = tuple(self.names[i] for i in _indices(subgraph.InputsAsNumpy(), len(self.names)))
        outputs = tuple(self.names[i] for i in _indices(subgraph.OutputsAsNumpy(), len(self.names)))
        nodes = _needed(self._nodes(subgraph), [self.names.index(o) for o in outputs])
        graph = Graph(self.tensors, (), inputs, outputs, self.name)
        graph = graph.with_ops(self._convert(nodes), self.tensors)
        verify(graph)
        return Imported(graph, tuple(self.notes))

    # Tensors

    def _read_tensors(self, subgraph: Any) -> None:
        count = subgraph.TensorsLength()
        if not 0 < count <= MAX_TENSORS:
            raise ValueError(f"{count} tensors")
        for i in range(count):
            raw = subgraph.Tensors(i)
            base = raw.Name().decode("utf-8", "replace") if raw.Name() else f"tensor_{i}"
            name = base if base not in self.tensors else f"{base}:{i}"
            self.names.append(name)
            self.tensors[name] = self._tensor(raw, name)

    def _tensor(self, raw: Any, name: str) -> Tensor:
        shape = tuple(int(n) for n in raw.ShapeAsNumpy()) if raw.ShapeLength() else ()
        if any(n < 0 for n in shape) or math.prod(shape) > MAX_ELEMENTS:
            raise ValueError(f"tensor '{name}' has shape {shape}")
        # Types that mcugen has no name for are only an error where an operator uses them: see _check_types.
        dtype = _DTYPES.get(raw.Type(), DType.BOOL)
        quant = _quant(raw.Quantization())
        data = None if raw.Type() not in _DTYPES else self._data(raw, dtype, shape)
        if raw.IsVariable():
            start = quant.zero_point[0] if quant and dtype is DType.INT8 else 0
            data = np.full(shape, start, dtype=dtype.numpy)
        return Tensor(name, dtype, shape, quant, data, bool(raw.IsVariable()))

    def _data(self, raw: Any, dtype: DType, shape: Shape) -> Array | None:
        index = raw.Buffer()
        if index == 0:  # by convention the buffer of tensors without data
            return None
        if not 0 < index < self.model.BuffersLength():
            raise ValueError(f"buffer {index} of {self.model.BuffersLength()}")
        buffer = self.model.Buffers(index)
        if buffer.DataLength() == 0:
            return None
        content = buffer.DataAsNumpy().tobytes()
        if len(content) != math.prod(shape) * dtype.size:
            raise ValueError(f"{len(content)} bytes for a constant of shape {shape} and type {dtype.value}")
        return np.frombuffer(content, dtype=dtype.numpy.newbyteorder("<")).astype(dtype.numpy).reshape(shape)

    # Operators

    def _nodes(self, subgraph: Any) -> list[_Node]:
        nodes = []
        for i in range(subgraph.OperatorsLength()):
            operator = subgraph.Operators(i)
            index = operator.OpcodeIndex()
            if not 0 <= index < self.model.OperatorCodesLength():
                raise ValueError(f"operator code {index} of {self.model.OperatorCodesLength()}")
            opcode = self.model.OperatorCodes(index)
            code = _builtin_code(opcode)
            name = _OP_NAMES.get(code, f"operator code {code}")
            if code == tflite.BuiltinOperator.CUSTOM:
                name = f"CUSTOM '{(opcode.CustomCode() or b'').decode('utf-8', 'replace')}'"
            inputs = _indices(operator.InputsAsNumpy(), len(self.names), optional=True)
            outputs = _indices(operator.OutputsAsNumpy(), len(self.names))
            nodes.append(_Node(i, code, name, operator, inputs, outputs))
        return nodes

    def _convert(self, nodes: list[_Node]) -> list[Op]:
        converted: list[Op] = []
        problems: list[str] = []
        for node in nodes:
            origin = (
                f"{node.name} #{node.index} '{_short(self.names[node.outputs[0]]) if node.outputs else ''}'"
            )
            convert = _CONVERTERS.get(node.code)
            if convert is None:
                problems.append(f"{origin}: the operator is not supported")
                continue
            try:
                converted.append(self._consistent(convert(_View(self, node, origin))))
            except _Unsupported as reason:
                problems.append(f"{origin}: {reason}")
        if problems:
            raise UnsupportedModelError(
                "\n".join(problems), hint="docs/OPERATORS.md lists what is supported, with the constraints"
            )
        return converted

    def _consistent(self, op: Op) -> Op:
        """The operator, if it has an input and the shapes the file declares are those that its inputs give."""
        if not any(op.inputs[:1]):
            raise _Unsupported("input 0 is missing")
        try:
            inferred = op.infer(*(self.tensors[n].shape if n else () for n in op.inputs))
        except (ValueError, IndexError, TypeError, ZeroDivisionError) as error:
            raise _Unsupported(f"the shapes do not agree: {error}") from error
        declared = tuple(self.tensors[n].shape for n in op.outputs)
        if inferred != declared:
            raise _Unsupported(f"its inputs give the shapes {inferred}, the file declares {declared}")
        return op


def _short(name: str) -> str:
    """A tensor name for people: of the names that TensorFlow's converter joins, the first."""
    return name.partition(";")[0]


def _builtin_code(opcode: Any) -> int:
    """The operator's code: old files store it in a byte-sized field, new ones in a wide one, most in both.

    The package's BuiltinCode() ignores the wide field for codes below 127, so it is read here.
    """
    offset = opcode._tab.Offset(_WIDE_CODE_FIELD)
    wide = struct.unpack_from("<i", opcode._tab.Bytes, opcode._tab.Pos + offset)[0] if offset else 0
    return int(max(wide, opcode.DeprecatedBuiltinCode()))


def _indices(array: Any, count: int, optional: bool = False) -> list[int]:
    """Tensor numbers as a list; flatbuffers gives the number 0 for an absent vector."""
    values = [] if isinstance(array, int) else [int(i) for i in array]
    lowest = -1 if optional else 0
    if any(not lowest <= i < count for i in values):
        raise ValueError(f"tensor numbers {values}, there are {count} tensors")
    return values


def _quant(raw: Any) -> QuantParams | None:
    if raw is None or raw.ScaleLength() == 0:
        return None
    scales = tuple(float(s) for s in raw.ScaleAsNumpy())
    if not all(math.isfinite(s) and s > 0 for s in scales):
        raise ValueError(f"quantization scales {scales[:4]}")
    zero_points = (0,) * len(scales)
    if raw.ZeroPointLength():
        zero_points = tuple(int(z) for z in raw.ZeroPointAsNumpy())
    if len(zero_points) == 1:
        zero_points *= len(scales)
    if any(not -(2**31) <= z < 2**31 for z in zero_points):
        raise ValueError(f"zero points {zero_points[:4]}")
    return QuantParams(scales, zero_points, raw.QuantizedDimension() if len(scales) > 1 else None)


def _needed(nodes: list[_Node], outputs: list[int]) -> list[_Node]:
    """The nodes that the outputs depend on: a RESHAPE's result is known without its shape input."""
    wanted, kept = set(outputs), []
    for node in reversed(nodes):
        if not node.outputs or wanted.intersection(node.outputs):
            kept.append(node)
            read = node.inputs[:1] if node.code == tflite.BuiltinOperator.RESHAPE else node.inputs
            wanted.update(read)
    return kept[::-1]


@dataclass
class _View:
    """What a converter sees of one node."""

    importer: _Importer
    node: _Node
    origin: str

    def tensor(self, i: int) -> Tensor:
        """Input i. Raises _Unsupported when it is absent."""
        if i >= len(self.node.inputs) or self.node.inputs[i] < 0:
            raise _Unsupported(f"input {i} is missing")
        return self.importer.tensors[self.name(i)]

    def name(self, i: int) -> str:
        """The name of input i, "" when absent."""
        inputs = self.node.inputs
        return self.importer.names[inputs[i]] if i < len(inputs) and inputs[i] >= 0 else ""

    @property
    def output(self) -> Tensor:
        if not self.node.outputs:
            raise _Unsupported("it has no output")
        return self.importer.tensors[self.importer.names[self.node.outputs[0]]]

    @property
    def output_names(self) -> tuple[str, ...]:
        return tuple(self.importer.names[i] for i in self.node.outputs)

    def options(self, table: Any) -> Any:
        """The node's builtin options, read as ``table``; a file without options of that type means the defaults."""
        raw = self.node.operator.BuiltinOptions()
        options = table()
        if raw is None or self.node.operator.BuiltinOptionsType() != getattr(
            tflite.BuiltinOptions, table.__name__
        ):
            options.Init(*_EMPTY_TABLE)
        else:
            options.Init(raw.Bytes, raw.Pos)
        return options

    def const(self, i: int) -> Array:
        """The data of input i. Raises _Unsupported when it is computed at run time."""
        data = self.tensor(i).data
        if data is None:
            raise _Unsupported(f"input {i} must be constant")
        return data

    def ints(self, i: int) -> tuple[int, ...]:
        return tuple(int(v) for v in self.const(i).reshape(-1))

    def axis(self, value: int, rank: int) -> int:
        if not -rank <= value < rank:
            raise _Unsupported(f"axis {value} of a tensor with {rank} dimensions")
        return value % rank

    def bounds(self, activation: int) -> dict[str, Any]:
        if activation not in _ACTIVATIONS:
            raise _Unsupported(
                f"the fused activation {activation} is not one of NONE, RELU, RELU6, RELU_N1_TO_1"
            )
        low, high = _ACTIVATIONS[activation]
        return {"low": low, "high": high}

    def weights(self, i: int) -> str:
        """The name of weight input i; int8 weights of a float node become float32 constants."""
        weights, activations = self.tensor(i), self.tensor(0)
        if activations.dtype is DType.FLOAT32 and weights.dtype is DType.INT8 and weights.data is not None:
            (data,) = ops.Dequantize(inputs=(weights.name,), outputs=("",)).evaluate(
                self.importer.tensors, weights.data
            )
            name = f"{weights.name}:float"
            self.importer.tensors[name] = Tensor(name, DType.FLOAT32, weights.shape, data=data)
            self.importer.notes.append(f"{self.origin}: int8 weights of a float layer are read as float32")
            return name
        return weights.name

    def base(self, *inputs: str) -> dict[str, Any]:
        return {"inputs": inputs or (self.name(0),), "outputs": self.output_names, "origin": self.origin}


def _same_padding(size: int, out: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    total = max((out - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
    return total // 2, total - total // 2


def _padding(
    view: _View, scheme: int, kernel: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int]
) -> Any:
    if scheme == tflite.Padding.VALID:
        return (0, 0, 0, 0)
    x, y = view.tensor(0).shape, view.output.shape
    if len(x) != 4 or len(y) != 4:
        raise _Unsupported(f"input {x} and output {y} must have 4 dimensions")
    pads = [_same_padding(x[i + 1], y[i + 1], kernel[i], stride[i], dilation[i]) for i in range(2)]
    return (*pads[0], *pads[1])


def _window(view: _View, options: Any, kernel: tuple[int, int], dilation: tuple[int, int]) -> dict[str, Any]:
    stride = (options.StrideH(), options.StrideW())
    if min(*kernel, *stride, *dilation) < 1:
        raise _Unsupported(f"kernel {kernel}, stride {stride} and dilation {dilation} must be positive")
    return {
        "kernel": kernel,
        "stride": stride,
        "padding": _padding(view, options.Padding(), kernel, stride, dilation),
        **view.bounds(options.FusedActivationFunction()),
    }


def _kernel_of(weights: Tensor) -> tuple[int, int]:
    if len(weights.shape) != 4:
        raise _Unsupported(f"weights of shape {weights.shape} must have 4 dimensions")
    return weights.shape[1], weights.shape[2]


def _conv(view: _View) -> Op:
    options = view.options(tflite.Conv2DOptions)
    dilation = (options.DilationHFactor(), options.DilationWFactor())
    window = _window(view, options, _kernel_of(view.tensor(1)), dilation)
    x, w = view.tensor(0).shape, view.tensor(1).shape
    groups = x[-1] // w[3] if w[3] else 0
    base = view.base(view.name(0), view.weights(1), view.name(2))
    return ops.Conv2D(**base, **window, dilation=dilation, groups=groups)


def _depthwise(view: _View) -> Op:
    options = view.options(tflite.DepthwiseConv2DOptions)
    dilation = (options.DilationHFactor(), options.DilationWFactor())
    window = _window(view, options, _kernel_of(view.tensor(1)), dilation)
    base = view.base(view.name(0), view.weights(1), view.name(2))
    return ops.DepthwiseConv2D(**base, **window, dilation=dilation)


def _fully_connected(view: _View) -> Op:
    options = view.options(tflite.FullyConnectedOptions)
    if options.WeightsFormat() != tflite.FullyConnectedOptionsWeightsFormat.DEFAULT:
        raise _Unsupported("weights must be in the default format")
    keep = bool(options.KeepNumDims()) and len(view.output.shape) == len(view.tensor(0).shape)
    base = view.base(view.name(0), view.weights(1), view.name(2))
    return ops.FullyConnected(**base, keep_dims=keep, **view.bounds(options.FusedActivationFunction()))


def _binary(op: type[Op], table: Any) -> Callable[[_View], Op]:
    def convert(view: _View) -> Op:
        bounds = view.bounds(view.options(table).FusedActivationFunction())
        return op(**view.base(view.tensor(0).name, view.tensor(1).name), **bounds)

    return convert


def _pool(op: type[Op]) -> Callable[[_View], Op]:
    def convert(view: _View) -> Op:
        options = view.options(tflite.Pool2DOptions)
        kernel = (options.FilterHeight(), options.FilterWidth())
        return op(**view.base(), **_window(view, options, kernel, (1, 1)))

    return convert


def _mean(view: _View) -> Op:
    rank = len(view.tensor(0).shape)
    axes = tuple(sorted({view.axis(a, rank) for a in view.ints(1)}))
    return ops.Mean(**view.base(), axes=axes, keep_dims=bool(view.options(tflite.ReducerOptions).KeepDims()))


def _softmax(view: _View) -> Op:
    return ops.Softmax(**view.base(), beta=float(view.options(tflite.SoftmaxOptions).Beta()))


def _simple(op: type[Op], **fields: Any) -> Callable[[_View], Op]:
    def convert(view: _View) -> Op:
        view.tensor(0)
        return op(**view.base(), **fields)

    return convert


def _leaky_relu(view: _View) -> Op:
    return ops.LeakyRelu(**view.base(), alpha=float(view.options(tflite.LeakyReluOptions).Alpha()))


def _pad(view: _View) -> Op:
    widths = view.const(1)
    if widths.ndim != 2 or widths.shape[1] != 2 or (widths < 0).any():
        raise _Unsupported(f"paddings of shape {widths.shape} must be pairs of non-negative widths")
    x, value = view.tensor(0), 0.0
    if view.name(2):
        value = float(view.const(2).reshape(-1)[0])
    elif x.quant is not None:
        value = float(x.zero_point)
    before, after = (tuple(int(n) for n in widths[:, i]) for i in range(2))
    return ops.Pad(**view.base(), before=before, after=after, value=value)


def _concat(view: _View) -> Op:
    options = view.options(tflite.ConcatenationOptions)
    if options.FusedActivationFunction() != tflite.ActivationFunctionType.NONE:
        raise _Unsupported("a fused activation is not supported")
    names = tuple(view.tensor(i).name for i in range(len(view.node.inputs)))
    return ops.Concat(**view.base(*names), axis=view.axis(options.Axis(), len(view.output.shape)))


def _reshape(view: _View) -> Op:
    view.tensor(0)
    return ops.Reshape(**view.base(), shape=view.output.shape)


def _transpose(view: _View) -> Op:
    return ops.Transpose(**view.base(), perm=view.ints(1))


def _split(data: int, axis: int) -> Callable[[_View], Op]:
    """A converter for SPLIT (axis, data) or SPLIT_V (data, sizes, axis)."""

    def convert(view: _View) -> Op:
        x = view.tensor(data)
        along = view.axis(view.ints(axis)[0], len(x.shape))
        sizes = tuple(view.importer.tensors[n].shape[along] for n in view.output_names)
        return ops.Split(**view.base(x.name), axis=along, sizes=sizes)

    return convert


def _slice(view: _View) -> Op:
    x, begin, size = view.tensor(0), view.ints(1), view.ints(2)
    if not len(begin) == len(size) == len(x.shape):
        raise _Unsupported(f"begin {begin} and size {size} for an input of shape {x.shape}")
    sizes = tuple(n - b if s == -1 else s for n, b, s in zip(x.shape, begin, size, strict=True))
    return ops.StridedSlice(**view.base(), begin=begin, size=sizes, step=(1,) * len(begin))


def _strided_slice(view: _View) -> Op:
    options = view.options(tflite.StridedSliceOptions)
    x = view.tensor(0).shape
    if options.EllipsisMask() or options.NewAxisMask() or options.Offset():
        raise _Unsupported("ellipsis, new-axis and offset masks are not supported")
    begin, end, step = view.ints(1), view.ints(2), view.ints(3)
    if not len(begin) == len(end) == len(step) <= len(x) or 0 in step:
        raise _Unsupported(f"begin {begin}, end {end}, strides {step} for an input of shape {x}")
    starts, sizes, steps = [], [], []
    for axis, n in enumerate(x):
        if axis >= len(begin):
            start, size, stride = 0, n, 1
        elif options.ShrinkAxisMask() >> axis & 1:
            start, size, stride = begin[axis] % n if n else 0, 1, 1
        else:
            first = None if options.BeginMask() >> axis & 1 else begin[axis]
            last = None if options.EndMask() >> axis & 1 else end[axis]
            stride = step[axis]
            indices = range(*slice(first, last, stride).indices(n))
            start, size = (indices[0] if indices else 0), len(indices)
        starts.append(start)
        sizes.append(size)
        steps.append(stride)
    if 0 in sizes:
        raise _Unsupported("the result is empty")
    shape = view.output.shape if options.ShrinkAxisMask() else None
    return ops.StridedSlice(
        **view.base(), begin=tuple(starts), size=tuple(sizes), step=tuple(steps), shape=shape
    )


def _svdf(view: _View) -> Op:
    rank = view.options(tflite.SVDFOptions).Rank()
    if rank < 1:
        raise _Unsupported(f"rank {rank} must be positive")
    if not view.tensor(4).variable:
        raise _Unsupported("the state must be a variable tensor")
    return ops.Svdf(**view.base(*(view.name(i) for i in range(5))), rank=rank)


_B = tflite.BuiltinOperator
_CONVERTERS: dict[int, Callable[[_View], Op]] = {
    _B.ADD: _binary(ops.Add, tflite.AddOptions),
    _B.AVERAGE_POOL_2D: _pool(ops.AveragePool2D),
    _B.CONCATENATION: _concat,
    _B.CONV_2D: _conv,
    _B.DEPTHWISE_CONV_2D: _depthwise,
    _B.DEQUANTIZE: _simple(ops.Dequantize),
    _B.EXPAND_DIMS: _reshape,
    _B.FULLY_CONNECTED: _fully_connected,
    _B.HARD_SWISH: _simple(ops.HardSwish),
    _B.LEAKY_RELU: _leaky_relu,
    _B.LOGISTIC: _simple(ops.Logistic),
    _B.MAX_POOL_2D: _pool(ops.MaxPool2D),
    _B.MEAN: _mean,
    _B.MUL: _binary(ops.Mul, tflite.MulOptions),
    _B.PAD: _pad,
    _B.PADV2: _pad,
    _B.QUANTIZE: _simple(ops.Quantize),
    _B.RELU: _simple(ops.Clip, low=0.0),
    _B.RELU6: _simple(ops.Clip, low=0.0, high=6.0),
    _B.RELU_N1_TO_1: _simple(ops.Clip, low=-1.0, high=1.0),
    _B.RESHAPE: _reshape,
    _B.SLICE: _slice,
    _B.SOFTMAX: _softmax,
    _B.SPLIT: _split(data=1, axis=0),
    _B.SPLIT_V: _split(data=0, axis=2),
    _B.SQUEEZE: _reshape,
    _B.STRIDED_SLICE: _strided_slice,
    _B.SUB: _binary(ops.Sub, tflite.SubOptions),
    _B.SVDF: _svdf,
    _B.TANH: _simple(ops.Tanh),
    _B.TRANSPOSE: _transpose,
}


def converted_names() -> list[str]:
    """Names of the operators that can be imported, sorted."""
    return sorted(_OP_NAMES[code] for code in _CONVERTERS)
