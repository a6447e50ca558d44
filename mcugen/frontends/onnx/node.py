"""One node of an ONNX file, with checked access to its attributes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import onnx
from onnx import AttributeProto, NodeProto, numpy_helper

from mcugen.errors import ModelFormatError
from mcugen.ir import Array, Shape

# Domains of operators that the importers know; com.microsoft only for QuantizeLinear and DequantizeLinear.
STANDARD_DOMAINS = ("", "ai.onnx")
MICROSOFT = "com.microsoft"


class UnsupportedNodeError(Exception):
    """Raised by an importer: the constraint that the node violates, as one sentence without full stop."""


def require(condition: bool, text: str) -> None:
    """Raises UnsupportedNodeError(text) unless the condition holds."""
    if not condition:
        raise UnsupportedNodeError(text)


@dataclass(frozen=True, eq=False)
class Node:
    """A node with its place in the file. ``opset`` is the version of its domain."""

    proto: NodeProto
    index: int
    opset: int

    @property
    def kind(self) -> str:
        """The operator's name, with the domain when it is not ONNX's own."""
        domain = self.proto.domain
        return self.proto.op_type if domain in STANDARD_DOMAINS else f"{domain}.{self.proto.op_type}"

    @property
    def origin(self) -> str:
        """How messages call the node: ``Conv #3 'features/conv'``."""
        return f"{self.kind} #{self.index}" + (f" '{self.proto.name}'" if self.proto.name else "")

    @property
    def inputs(self) -> tuple[str, ...]:
        return tuple(self.proto.input)

    @property
    def outputs(self) -> tuple[str, ...]:
        return tuple(self.proto.output)

    @property
    def output(self) -> str:
        """The first output. Raises ModelFormatError without one."""
        if not self.outputs or not self.outputs[0]:
            raise ModelFormatError("the node has no output", where=self.origin)
        return self.outputs[0]

    def require_no_more_outputs(self, count: int = 1) -> None:
        """Raises UnsupportedNodeError when the node gives more than ``count`` outputs."""
        require(not any(self.outputs[count:]), f"only the first {count} output(s) are supported")

    @cached_property
    def _attributes(self) -> dict[str, AttributeProto]:
        return {a.name: a for a in self.proto.attribute}

    def _attribute(self, name: str, kind: AttributeProto.AttributeType) -> Any:
        attribute = self._attributes.get(name)
        if attribute is None:
            return None
        if attribute.type != kind:
            raise ModelFormatError(f"attribute '{name}' has the wrong type", where=self.origin)
        return onnx.helper.get_attribute_value(attribute)

    def has(self, name: str) -> bool:
        return name in self._attributes

    def int(self, name: str, default: int) -> int:
        value = self._attribute(name, AttributeProto.INT)
        return default if value is None else int(value)

    def float(self, name: str, default: float) -> float:
        value = self._attribute(name, AttributeProto.FLOAT)
        return default if value is None else float(value)

    def ints(self, name: str) -> Shape | None:
        value = self._attribute(name, AttributeProto.INTS)
        return None if value is None else tuple(int(v) for v in value)

    def string(self, name: str, default: str) -> str:
        value = self._attribute(name, AttributeProto.STRING)
        return default if value is None else bytes(value).decode("utf-8", "replace")

    def tensor(self, name: str) -> Array | None:
        value = self._attribute(name, AttributeProto.TENSOR)
        return None if value is None else numpy_helper.to_array(value)
