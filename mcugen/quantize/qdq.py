"""QDQ graphs, as ONNX Runtime's quantize_static writes them, to integer graphs."""

from __future__ import annotations

import dataclasses

from mcugen.errors import UnsupportedModelError
from mcugen.ir import DType, Graph, Op, QuantParams, Tensor
from mcugen.ops import AveragePool2D, Clip, Dequantize, MaxPool2D, Mean, Quantize, Reshape
from mcugen.passes.common import unused_name
from mcugen.passes.remove_dead import remove_dead
from mcugen.quantize.groups import fixed_output, keeps_quantization
from mcugen.quantize.scheme import Writer


def from_qdq(graph: Graph) -> tuple[Graph, list[str]]:
    """(the graph in int8 with int8 inputs and outputs, notes), with the file's own scales and zero points.

    An operator between Dequantize and Quantize becomes its integer form; uint8 activations become int8 with
    their zero point lowered by 128. Where the integer operator prescribes its output's parameters (Softmax,
    pooling ...) and the file has others, a requantization follows. Raises UnsupportedModelError for every
    operator whose input or result the file leaves in float.
    """
    plain = _Unwrapped(graph)
    for op in graph.ops:
        plain.add(op)
    if plain.problems:
        raise UnsupportedModelError("\n".join(plain.problems))
    result = plain.graph()
    writer = Writer(result, plain.quants, file_constants=True)
    for op in result.ops:
        writer.add(op)
    return remove_dead(result.with_ops(writer.ops, writer.tensors)), writer.notes


def _int8_quant(tensor: Tensor) -> QuantParams:
    """The parameters of an int8 or uint8 tensor seen as int8."""
    offset = 128 if tensor.dtype is DType.UINT8 else 0
    return QuantParams.per_tensor(tensor.scale, tensor.zero_point - offset)


def _wanted(graph: Graph) -> dict[str, QuantParams]:
    """For float tensors the parameters of the Quantize that reads them, directly or once moved.

    Of several the coarsest, which does not saturate what the others can represent.
    """
    wanted: dict[str, QuantParams] = {}
    dequantized = {op.outputs[0] for op in graph.ops if isinstance(op, Dequantize)}
    for op in reversed(graph.ops):
        source = op.inputs[0]
        quants = [wanted[source]] if source in wanted else []
        if isinstance(op, Quantize):
            quants.append(_int8_quant(graph.tensors[op.outputs[0]]))
        elif _passes_on(op) and source not in dequantized:
            quants += [wanted[n] for n in op.outputs if n in wanted]
        if quants:
            wanted[source] = max(quants, key=lambda quant: quant.scale[0])
    return wanted


def _passes_on(op: Op) -> bool:
    """Whether saturating the input instead of the output gives the same."""
    return (op.moves_data_only or isinstance(op, MaxPool2D)) and len(op.inputs) == 1


class _Unwrapped:
    """The graph without Quantize and Dequantize, built op by op, and the parameters of its tensors."""

    def __init__(self, graph: Graph) -> None:
        self.problems: list[str] = []
        self.quants: dict[str, QuantParams] = {}
        self._source = graph
        self._tensors: dict[str, Tensor] = dict(graph.tensors)
        self._ops: list[Op] = []
        self._wanted = _wanted(graph)
        self._names: dict[str, str] = {}
        self._lost: set[str] = set()  # results of operators that cannot be converted
        for name in graph.inputs:
            if name in self._wanted:
                self.quants[name] = self._wanted[name]

    def add(self, op: Op) -> None:
        op = op.rewired(self._names)
        if isinstance(op, Dequantize):
            self._names[op.outputs[0]] = op.inputs[0]
        elif isinstance(op, Quantize):
            self._add_quantize(op)
        else:
            self._add_compute(op)

    def _add_quantize(self, op: Quantize) -> None:
        """Nothing is left of it, unless it changes the parameters."""
        source, target = op.inputs[0], op.outputs[0]
        quant = _int8_quant(self._source.tensors[target])
        if source in self._lost:
            self._lost.add(target)
        elif self.quants.get(source) == quant:
            self._names[target] = source
        else:
            self._append(op, quant)

    def _append(self, op: Op, quant: QuantParams) -> None:
        self._ops.append(op)
        self.quants.update(dict.fromkeys(op.outputs, quant))

    def _add_compute(self, op: Op) -> None:
        own = self._own_quant(op)
        missing = [n for n in op.inputs if n and n not in self.quants and not self._tensors[n].is_const]
        if missing or own is None:
            self._report(op, missing)
            return
        wanted = self._wanted.get(op.outputs[0], own)
        if wanted == own:
            self._append(op, own)
        elif isinstance(op, AveragePool2D) and _is_global(op, self._tensors):
            self._append(_as_mean(op), wanted)
        else:
            self._append_requantized(op, own, wanted)

    def _report(self, op: Op, missing: list[str]) -> None:
        """Notes what is in float, unless that follows from a problem noted before."""
        if not self._lost.intersection(missing):
            what = f"its input '{missing[0]}'" if missing else "its result"
            self.problems.append(f"{op.origin or op.kind}: the file leaves {what} in float32")
        self._lost.update(op.outputs)

    def _own_quant(self, op: Op) -> QuantParams | None:
        """The parameters in which the integer operator gives its result."""
        fixed, wanted = fixed_output(op), self._wanted.get(op.outputs[0])
        if fixed is not None:
            return fixed
        known = [self.quants[n] for n in op.inputs if n in self.quants]
        if keeps_quantization(op) and len(op.inputs) == 1:
            return known[0] if known else None
        if wanted is None and known and (keeps_quantization(op) or isinstance(op, Clip)):
            return known[0]
        return wanted

    def _append_requantized(self, op: Op, own: QuantParams, wanted: QuantParams) -> None:
        inner = {}
        for name in op.outputs:
            inner[name] = unused_name(self._tensors, f"{name}/unscaled")
            self._tensors[inner[name]] = self._tensors[name].replace(name=inner[name])
        self._append(dataclasses.replace(op, outputs=tuple(inner.values())), own)
        for name in op.outputs:
            quant = self._wanted.get(name, wanted)
            self._append(Quantize(inputs=(inner[name],), outputs=(name,), origin=op.origin), quant)

    def graph(self) -> Graph:
        """The graph, its outputs under their names."""
        renames: dict[str, str] = {}
        for name in self._source.outputs:
            source = self._names.get(name, name)
            if source == name:
                continue
            if source in renames or source in self._source.inputs or source in self._source.outputs:
                shape = self._tensors[source].shape
                self._append(Reshape(inputs=(source,), outputs=(name,), shape=shape), self.quants[source])
            else:
                renames[source] = name
        self.quants = {renames.get(n, n): q for n, q in self.quants.items()}
        tensors = self._tensors | {new: self._tensors[old].replace(name=new) for old, new in renames.items()}
        return self._source.with_ops((op.rewired(renames) for op in self._ops), tensors)


def _is_global(op: AveragePool2D, tensors: dict[str, Tensor]) -> bool:
    """Whether the one window is the whole image, so that the mean, which rescales, gives the same."""
    plain = AveragePool2D(inputs=op.inputs, outputs=op.outputs, kernel=op.kernel, stride=op.stride)
    return tensors[op.inputs[0]].shape[1:3] == op.kernel and dataclasses.replace(op, origin="") == plain


def _as_mean(op: AveragePool2D) -> Op:
    return Mean(inputs=op.inputs, outputs=op.outputs, axes=(1, 2), keep_dims=True, origin=op.origin)
