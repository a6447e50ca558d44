"""The C functions that layers call: a kernel with the parameters of its calls.

Parameters that all calls of a function agree on are literals in it, for the compiler to specialise the kernel; the
others are read from a small constant structure per call. A function with one set of parameters has no structure.
How many calls share a function is a matter of ``--optimize``, see `own_copies`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from mcugen.emit import c_format as c
from mcugen.ir import Tensors
from mcugen.lowering import KernelCall, Program, Step
from mcugen.lowering.call import ParamValue

_Number: TypeAlias = "int | float"
# (parameter, index): the index in an array, or None.
_Place: TypeAlias = "tuple[str, int | None]"

_INTEGER_TYPES = (
    ("uint8_t", 0, 2**8 - 1),
    ("int8_t", -(2**7), 2**7 - 1),
    ("uint16_t", 0, 2**16 - 1),
    ("int16_t", -(2**15), 2**15 - 1),
    ("int32_t", -(2**31), 2**31 - 1),
)
_SIZES = {"uint8_t": 1, "int8_t": 1, "uint16_t": 2, "int16_t": 2, "int32_t": 4, "float": 4}


# (C function, parameters)
ParameterSet: TypeAlias = "tuple[str, tuple[tuple[str, ParamValue], ...]]"

# The part of a model's work from which a set of parameters gets a copy of its kernel in a balanced build. On vww the
# rest costs 1.6 % more instructions for sharing one, and the code is a third smaller.
_WORTH_A_COPY = 0.02
# A copy for one or two sets of parameters is no smaller than specialised ones.
_WORTH_SHARING = 3


def own_copies(program: Program) -> frozenset[ParameterSet]:
    """The sets of parameters for which a kernel is specialised; all other calls of a kernel share one copy.

    All of them for speed, none for size, and in between those with a good part of the model's work.
    """
    work: dict[ParameterSet, float] = {}
    for step in program.steps:
        for call in (call for call in step.calls if not call.asks_caller):
            key = (call.function, call.params)
            work[key] = work.get(key, 0) + _work(step, program.graph.tensors) / len(step.calls)
    if program.optimize == "size":
        return frozenset()
    part = 0.0 if program.optimize == "speed" else _WORTH_A_COPY
    light = [key for key, own in work.items() if own < part * sum(work.values())]
    count = Counter(function for function, _ in light)
    return frozenset(work) - {key for key in light if count[key[0]] >= _WORTH_SHARING}


def _work(step: Step, tensors: Tensors) -> int:
    """Multiply-accumulates, or elements written where there are more of them."""
    return max(step.macs(tensors), sum(tensors[name].elements for op in step.ops for name in op.outputs))


@dataclass(frozen=True)
class Argument:
    """A parameter of a layer's function."""

    type: str
    name: str

    def declaration(self) -> str:
        return f"{self.type}{'' if self.type.endswith('*') else ' '}{self.name}"


@dataclass(frozen=True)
class LayerFunction:
    """A function around a kernel.

    calls: all that it serves, with equal signatures. fields: C types of the values in which they differ, by place,
    the widest first. names: the constant of each set of parameters; empty when there is only one set.
    """

    name: str
    calls: tuple[KernelCall, ...]
    arguments: tuple[Argument, ...]
    fields: tuple[tuple[_Place, str], ...]
    names: dict[Any, str]

    @staticmethod
    def of(name: str, calls: Sequence[KernelCall], arguments: Sequence[Argument]) -> LayerFunction:
        """The function for calls of one kernel with equal signatures."""
        sets = list(dict.fromkeys(call.params for call in calls))
        values = [_values(params) for params in sets]
        differing = [p for p in values[0] if len({v[p] for v in values}) > 1]
        fields = [(place, _type([v[place] for v in values])) for place in differing]
        fields.sort(key=lambda field: -_SIZES[field[1]])
        names = {params: f"{name}_{i}" for i, params in enumerate(sets)} if differing else {}
        return LayerFunction(name, tuple(calls), tuple(arguments), tuple(fields), names)

    def varying(self, call: KernelCall) -> list[str]:
        """The first argument of a call: what is its own, if anything is."""
        return [f"&{self.names[call.params]}"] if self.names else []

    def record(self) -> dict[str, Any]:
        """What the template prints."""
        call, own = self.calls[0], [Argument(f"const {self._struct} *", "v")] if self.names else []
        declarations = [a.declaration() for a in (*own, *self.arguments)]
        passed = ["&p", *(a.name for a in self.arguments)]
        return {
            "before": self._before(),
            "signature": c.hanging(f"MCUGEN_LAYER void {self.name}(", declarations, ")"),
            "storage": "const" if self.names else "static const",
            "struct": call.struct,
            "fields": [f".{name} = {self._initialiser(name, value)}," for name, value in call.params],
            "call": c.hanging(f"{call.function}(", passed, ");", indent=4),
        }

    @property
    def _struct(self) -> str:
        return f"{self.name}_varying"

    def _before(self) -> list[str]:
        """The structure of what varies, and its values for each set of parameters."""
        if not self.names:
            return []
        lines = ["typedef struct {"]
        lines += [f"    {kind} {_field(place)};" for place, kind in self.fields]
        lines += [f"}} {self._struct};", ""]
        for params, name in self.names.items():
            values = _values(params)
            items = [c.literal(values[place]) for place, _ in self.fields]
            lines += c.hanging(f"static const {self._struct} {name} = {{", items, "};")
        return [*lines, ""]

    def _initialiser(self, name: str, value: Any) -> str:
        varying = {place for place, _ in self.fields}
        if not isinstance(value, tuple):
            return f"v->{name}" if (name, None) in varying else c.literal(value)
        items = (
            f"v->{_field((name, i))}" if (name, i) in varying else c.literal(v) for i, v in enumerate(value)
        )
        return f"{{{', '.join(items)}}}"


def _field(place: _Place) -> str:
    name, index = place
    return name if index is None else f"{name}_{index}"


def _values(params: tuple[tuple[str, Any], ...]) -> dict[_Place, _Number]:
    """All numbers of a set of parameters."""
    values: dict[_Place, _Number] = {}
    for name, value in params:
        if isinstance(value, tuple):
            values |= {(name, i): item for i, item in enumerate(value)}
        else:
            values[name, None] = value
    return values


def _type(values: Sequence[_Number]) -> str:
    """The smallest type that holds all values."""
    if any(isinstance(value, float) for value in values):
        return "float"
    return next(t for t, low, high in _INTEGER_TYPES if low <= min(values) and max(values) <= high)
