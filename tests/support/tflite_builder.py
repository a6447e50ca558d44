"""Writes small .tflite files, for tests only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import flatbuffers
import numpy as np
import tflite

from mcugen.ir import DType, Tensor

_TYPES = {dtype: getattr(tflite.TensorType, dtype.name) for dtype in DType}


@dataclass(frozen=True)
class Operator:
    """An operator of the file: ``name`` as in the schema ("CONV_2D"), tensors by name ("" is absent).

    options: fields of the table ``table`` ("Conv2DOptions") in snake case; a tuple is a vector of int32.
    """

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    table: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


def build_model(
    tensors: Sequence[Tensor], operators: Sequence[Operator], inputs: Sequence[str], outputs: Sequence[str]
) -> bytes:
    """A model with one subgraph; tensors with data are constants, or variables when marked so."""
    return _Writer().model(tensors, operators, inputs, outputs)


def single(operator: Operator, tensors: Sequence[Tensor]) -> bytes:
    """A model of one operator: its inputs without data are the model's, its outputs all the model's."""
    by_name = {t.name: t for t in tensors}
    inputs = [n for n in operator.inputs if n and by_name[n].data is None and not by_name[n].variable]
    return build_model(tensors, [operator], list(dict.fromkeys(inputs)), operator.outputs)


class _Writer:
    def __init__(self) -> None:
        self.builder = flatbuffers.Builder(4096)

    def model(
        self,
        tensors: Sequence[Tensor],
        operators: Sequence[Operator],
        inputs: Sequence[str],
        outputs: Sequence[str],
    ) -> bytes:
        index = {t.name: i for i, t in enumerate(tensors)} | {"": -1}
        kinds = list(dict.fromkeys(o.name for o in operators))
        buffers = [self._buffer(b"")] + [self._buffer(_content(t)) for t in tensors]
        codes = self._tables([self._code(kind) for kind in kinds])
        tensor_vector = self._tables([self._tensor(t, i + 1) for i, t in enumerate(tensors)])
        operator_vector = self._tables([self._operator(o, kinds.index(o.name), index) for o in operators])
        in_vector, out_vector = (self._ints([index[n] for n in names]) for names in (inputs, outputs))
        subgraph = self._table(
            "SubGraph",
            {
                "tensors": tensor_vector,
                "inputs": in_vector,
                "outputs": out_vector,
                "operators": operator_vector,
            },
        )
        subgraphs, buffer_vector = self._tables([subgraph]), self._tables(buffers)
        fields = {"version": 3, "operator_codes": codes, "subgraphs": subgraphs, "buffers": buffer_vector}
        self.builder.Finish(self._table("Model", fields), file_identifier=b"TFL3")
        return bytes(self.builder.Output())

    def _table(self, table: str, fields: Mapping[str, Any]) -> int:
        getattr(tflite, f"{table}Start")(self.builder)
        for name, value in fields.items():
            getattr(tflite, f"{table}Add{_camel(name)}")(self.builder, value)
        return int(getattr(tflite, f"{table}End")(self.builder))

    def _tables(self, offsets: Sequence[int]) -> int:
        self.builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            self.builder.PrependUOffsetTRelative(offset)
        return int(self.builder.EndVector())

    def _vector(self, values: Sequence[float], dtype: str) -> int:
        return int(self.builder.CreateNumpyVector(np.asarray(values, dtype=dtype)))

    def _ints(self, values: Sequence[int]) -> int:
        return self._vector(values, "int32")

    def _buffer(self, content: bytes) -> int:
        fields = {"data": self.builder.CreateByteVector(content)} if content else {}
        return self._table("Buffer", fields)

    def _code(self, kind: str) -> int:
        code = getattr(tflite.BuiltinOperator, kind)
        return self._table(
            "OperatorCode", {"deprecated_builtin_code": min(code, 127), "builtin_code": code, "version": 1}
        )

    def _tensor(self, tensor: Tensor, buffer: int) -> int:
        fields = {"shape": self._ints(tensor.shape), "name": self.builder.CreateString(tensor.name)}
        if tensor.quant is not None:
            scales, zero_points = (
                self._vector(tensor.quant.scale, "float32"),
                self._vector(tensor.quant.zero_point, "int64"),
            )
            quant = {
                "scale": scales,
                "zero_point": zero_points,
                "quantized_dimension": tensor.quant.axis or 0,
            }
            fields["quantization"] = self._table("QuantizationParameters", quant)
        return self._table(
            "Tensor",
            {**fields, "type": _TYPES[tensor.dtype], "buffer": buffer, "is_variable": tensor.variable},
        )

    def _operator(self, operator: Operator, code: int, index: Mapping[str, int]) -> int:
        fields: dict[str, Any] = {
            "inputs": self._ints([index[n] for n in operator.inputs]),
            "outputs": self._ints([index[n] for n in operator.outputs]),
        }
        if operator.table:
            options = {k: self._ints(v) if isinstance(v, tuple) else v for k, v in operator.options.items()}
            fields["builtin_options"] = self._table(operator.table, options)
            fields["builtin_options_type"] = getattr(tflite.BuiltinOptions, operator.table)
        return self._table("Operator", {"opcode_index": code, **fields})


def _content(tensor: Tensor) -> bytes:
    return b"" if tensor.data is None or tensor.variable else np.ascontiguousarray(tensor.data).tobytes()


def _camel(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))
