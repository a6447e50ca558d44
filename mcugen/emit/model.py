"""The C of a model: records for the templates of header, source and weights."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from mcugen.compiled import GENERATOR, Compiled
from mcugen.emit import c_format as c
from mcugen.emit.layers import Argument, LayerFunction, ParameterSet, own_copies
from mcugen.emit.loops import Call, Loop, roll
from mcugen.emit.regions import CopyPlan, c_names, has_copies, region_names, region_starts, steps_with_code
from mcugen.emit.render import render
from mcugen.ir import Array, DType, Tensor
from mcugen.lowering import KernelCall, Step
from mcugen.memory.liveness import ALIGNMENT, Place, io_names
from mcugen.memory.lives import buffer_lives
from mcugen.memory.problem import align_up
from mcugen.memory.traffic import ConstantKey, constant_keys
from mcugen.rows.windows import row_bytes

_AXES = {4: ("BATCH", "HEIGHT", "WIDTH", "CHANNELS")}

# Kernels that take elements of any type.
_UNTYPED = frozenset({"pad", "copy_rows", "gather", "move", "table_8"})


@dataclass
class _Constants:
    """The arrays of the weights file; equal contents are stored once."""

    prefix: str
    arrays: dict[str, tuple[Array, str]] = field(default_factory=dict)
    by_content: dict[tuple[bytes, str], str] = field(default_factory=dict)

    def add(self, suffix: str, data: Array, title: str) -> str:
        """The C name of an array with this content. Other contents of the same suffix are numbered: those of other
        rows, for which an operator has another kernel."""
        key = (data.tobytes(), data.dtype.name)
        if key not in self.by_content:
            name = _unused(f"{self.prefix}_{suffix}", self.arrays.keys())
            self.by_content[key] = name
            self.arrays[name] = (data, title)
        return self.by_content[key]

    @property
    def bytes(self) -> int:
        return sum(data.nbytes for data, _ in self.arrays.values())


@dataclass(frozen=True)
class _Place:
    """An address: the cast, the pointer, and the elements of it before."""

    cast: str
    base: str
    offset: int

    def text(self, step: int = 0) -> str:
        """The C expression; in a loop it advances by ``step`` each time."""
        moving = f" + i * {step}u" if step > 0 else f" - i * {-step}u" if step else ""
        if not self.cast and not self.offset and self.base.startswith("context->"):
            return self.base + moving
        expression = f"{self.base} + {self.offset}u{moving}"
        return f"{self.cast}({expression})" if self.cast else expression


@dataclass(frozen=True)
class _Number:
    """A row's number."""

    offset: int

    def text(self, step: int = 0) -> str:
        """The C expression; in a loop it advances by ``step`` each time."""
        moving = "i" if step == 1 else f"i * {step}u"
        if not step:
            return f"{self.offset}u"
        return f"{self.offset}u + {moving}" if self.offset else moving


@dataclass(frozen=True)
class _LayerCall:
    """A kernel call with the expressions of its arguments."""

    kernel_call: KernelCall
    arguments: tuple[str | _Place | _Number, ...]

    @property
    def fixed(self) -> tuple[Any, ...]:
        """What must be equal for two calls to differ in nothing but offsets."""
        places = ((a.cast, a.base) if isinstance(a, _Place) else a for a in self.arguments)
        return (self.kernel_call.params, *(a for a in places if not isinstance(a, _Number)))

    @property
    def offsets(self) -> tuple[int, ...]:
        return tuple(a.offset for a in self.arguments if not isinstance(a, str))

    def values(self, steps: tuple[int, ...] = ()) -> list[str]:
        """The arguments as C; in a loop the places advance by ``steps``."""
        advance = iter(steps or (0,) * len(self.offsets))
        return [a if isinstance(a, str) else a.text(next(advance)) for a in self.arguments]


@dataclass
class _Emitter:
    compiled: Compiled
    constants: _Constants = field(init=False)
    constant_names: dict[ConstantKey, str] = field(default_factory=dict)
    specialised: frozenset[ParameterSet] = field(init=False)
    functions: dict[Any, LayerFunction] = field(init=False)
    regions: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.regions = c_names(self.compiled)
        self.constants = _Constants(self.compiled.name)
        self.specialised = own_copies(self.compiled.program)
        self.functions = self._functions()

    def _pointer(self, place: Place, cast: str = "", offset: int = 0) -> _Place:
        """An address in a region within run(): the one function that knows how regions are addressed."""
        return _Place(cast, self.regions[place.region], place.offset + offset)

    # Layers

    def layers(self) -> list[dict[str, Any]]:
        """One record per step that has calls."""
        steps = self.compiled.program.steps
        times = steps_with_code(steps)
        found = [self._layer(i, t, steps[t]) for i, t in enumerate(times)]
        copies = self.copies()
        return [{**record, "copies": copies.before(t)} for t, record in zip(times, found, strict=True)]

    def _layer(self, index: int, time: int, step: Step) -> dict[str, Any]:
        keys = constant_keys(time, step)
        calls = [
            self._call(index, time, call, {c.role: keys[k, c.role] for c in call.constants})
            for k, call in enumerate(step.calls)
        ]
        loops = roll([Call((self._key(call.kernel_call), call.fixed), call.offsets) for call in calls])
        lines = [line for loop in loops for line in self._loop(loop, calls)]
        return {"index": index, "comment": c.comment_lines(self._comment(time), indent=4), "lines": lines}

    def _loop(self, loop: Loop, calls: list[_LayerCall]) -> list[str]:
        """The C of some calls of run()."""
        body = calls[loop.start : loop.start + loop.length]
        if loop.count == 1:
            return self._statement(body[0].kernel_call, body[0].values(), indent=4)
        lines = [f"    for (uint32_t i = 0; i < {loop.count}u; ++i) {{"]
        for call, steps in zip(body, loop.steps, strict=True):
            lines += self._statement(call.kernel_call, call.values(steps), indent=8)
        return [*lines, "    }"]

    def _comment(self, time: int) -> list[str]:
        memory, step = self.compiled.memory, self.compiled.program.steps[time]
        tensors, offsets, external = self.compiled.graph.tensors, memory.offsets, memory.external

        def span(name: str, size: int) -> str:
            at = memory.place(name, time)
            region = f"{self.regions[at.region]} " if memory.spread else ""
            return f"{region}[{at.offset}, {at.offset + size})"

        def place(name: str) -> str:
            tensor = tensors[name]
            if name in external:
                return f"{_dims(tensor)} in {external[name]}"
            if name not in offsets:
                return f"{_dims(tensor)} constant"
            return f"{_dims(tensor)} at {span(name, tensor.bytes)}"

        reads = ", ".join(place(n) for n in step.inputs if n in offsets or n in external) or "the caller"
        writes = ", ".join(place(n) for n in step.outputs)
        macs = step.macs(tensors)
        effort = f"; {macs} MACs" if macs else ""
        windows = [
            f"{_rows(size // row_bytes(tensors[n]))} of {_dims(tensors[n])} at {span(n, size)}"
            for n, size in step.windows.items()
        ]
        return [c.comment(step.title), f"{reads} -> {writes}{effort}", *windows]

    def _statement(self, call: KernelCall, values: list[str], indent: int) -> list[str]:
        """The call of a layer's function within run()."""
        if call.asks_caller:
            return self._question(values, indent)
        function = self.functions[self._key(call)]
        parts = c.hanging(f"{function.name}(", [*function.varying(call), *values], ");", indent=indent)
        return [" " * indent + line for line in parts]

    def _question(self, values: list[str], indent: int) -> list[str]:
        """The call of the user's function that writes rows of the input."""
        field = self._streamed_field
        parts = c.hanging(
            f"if (context->{field}_rows(", [f"context->{field}_user", *values], ") != 0) {", indent
        )
        lines = [*parts, "    return MCUGEN_ERROR_INPUT;", "}"]
        return [" " * indent + line for line in lines]

    @property
    def _streamed_field(self) -> str:
        """What the C interface calls the input that comes by rows; "" when none does."""
        streamed = self.compiled.program.streamed
        return "" if streamed is None else io_names(self.compiled.graph)[streamed]

    def _key(self, call: KernelCall) -> Any:
        """Calls with equal keys share a function."""
        alone = (call.function, call.params) in self.specialised
        return (call.function, tuple(self._arguments(call)), call.params if alone else ())

    def _functions(self) -> dict[Any, LayerFunction]:
        """The functions of all layers."""
        calls: dict[Any, list[KernelCall]] = {}
        for call in self.compiled.program.calls:
            calls.setdefault(self._key(call), []).append(call)
        functions: dict[Any, LayerFunction] = {}
        used: set[str] = set()
        for key, group in calls.items():
            base = f"{group[0].kernel}_{group[0].label}"
            if len({call.params for call in group}) > 1:
                base = group[0].function.removeprefix("mcugen_")
            name = _unused(c.identifier(base), used)
            used.add(name)
            functions[key] = LayerFunction.of(name, group, self._arguments(group[0]))
        return functions

    def _arguments(self, call: KernelCall) -> list[Argument]:
        tensors = self.compiled.graph.tensors

        def pointer(name: str, const: bool) -> str:
            element = "void" if call.kernel in _UNTYPED else tensors[name].dtype.c_type
            return f"{'const ' if const else ''}{element} *"

        inputs = ["input"] if len(call.inputs) == 1 else [f"input_{i}" for i in range(len(call.inputs))]
        arguments = [Argument(pointer(n, True), a) for n, a in zip(call.inputs, inputs, strict=True)]
        arguments += [Argument(f"const {c.C_TYPES[k.data.dtype.name]} *", k.role) for k in call.constants]
        arguments += [Argument(pointer(n, False), "state") for n in call.states]
        arguments += [Argument(pointer(n, False), "output") for n in call.outputs]
        if call.scratch is not None:
            arguments.append(Argument("void *", "scratch"))
        return arguments

    def _call(self, index: int, time: int, call: KernelCall, keys: Mapping[str, ConstantKey]) -> _LayerCall:
        """A call within run() with its arguments. keys: of its constants, by role."""
        if call.asks_caller:
            return self._rows_call(call, time)
        step = self.compiled.program.steps[time]
        number, op = next((k, op) for k, op in enumerate(step.ops) if call.outputs[0] in op.outputs)
        part = f"{index:02d}_{number}" if len(step.ops) > 1 else f"{index:02d}"
        if len(step.calls) > 1 and len(step.ops) == 1 and call is not step.calls[0]:
            part += f"_{step.calls.index(call)}"
        arguments: list[str | _Place] = [
            self._tensor(n, time, f"{part}_input_{i}", True, offset)
            for i, (n, offset) in enumerate(zip(call.inputs, call.places_of_inputs, strict=True))
        ]
        for constant in call.constants:
            title = f"{c.comment(op.origin)}: {constant.role}, {'x'.join(map(str, constant.data.shape))}"
            name = self.constants.add(f"{part}_{constant.role}", constant.data, title)
            arguments.append(self._constant(keys[constant.role], constant.data, name))
        arguments += [self._tensor(n, time, "", False) for n in call.states]
        outputs = zip(call.outputs, call.places_of_outputs, strict=True)
        arguments += [self._tensor(n, time, "", False, offset) for n, offset in outputs]
        if call.scratch is not None:
            place = self.compiled.memory.scratch_place(call.outputs[0])
            arguments.append("NULL" if place is None else self._pointer(place))
        return _LayerCall(call, tuple(arguments))

    def _rows_call(self, call: KernelCall, time: int) -> _LayerCall:
        place = self.compiled.memory.place(call.outputs[0], time)
        address = self._pointer(Place(place.region, place.offset + call.output_offsets[0]))
        arguments = (address, _Number(call.param("first")), f"{call.param('count')}u")
        return _LayerCall(call.replace(params=()), arguments)

    def _constant(self, key: ConstantKey, data: Array, name: str) -> str | _Place:
        """A constant, or the copy of it that a kernel reads."""
        self.constant_names[key] = name
        place = self.compiled.memory.constant_place(key)
        return name if place is None else self._pointer(place, f"(const {c.C_TYPES[data.dtype.name]} *)")

    def _tensor(self, name: str, time: int, constant: str, const: bool, offset: int = 0) -> str | _Place:
        """The argument for a tensor, from a byte of it on; ``constant`` names it if it is one."""
        tensor, memory = self.compiled.graph.tensors[name], self.compiled.memory
        if tensor.is_const and tensor.data is not None:
            return self.constants.add(constant, tensor.data, f"{c.comment(name)}, {_dims(tensor)}")
        if name in memory.external:
            first = (memory.offsets[name] + offset) // tensor.dtype.size
            return _Place("", f"context->{memory.external[name]}", first)
        pointer = f"({'const ' if const else ''}{tensor.dtype.c_type} *)"
        return self._pointer(memory.place(name, time), pointer, offset)

    # Interface

    def tensors(self) -> list[dict[str, Any]]:
        graph = self.compiled.graph
        records = []
        for role, names in (("input", graph.inputs), ("output", graph.outputs)):
            for i, name in enumerate(names):
                suffix = f"_{i}" if len(names) > 1 else ""
                records.append(self._tensor_record(graph.tensors[name], role, suffix))
        return records

    def _tensor_record(self, tensor: Tensor, role: str, suffix: str) -> dict[str, Any]:
        layout = self.compiled.graph.layouts.get(tensor.name)
        order = ""
        if layout is not None and layout != tuple(range(len(layout))):
            order = f"; the model file's axes in the order {', '.join(map(str, layout))}"
        quantized = tensor.quant is not None and tensor.dtype is not DType.FLOAT32
        kind = f"{role} '{c.comment(tensor.name)}': {tensor.dtype.value} {_dims(tensor)}{order}"
        axes = _AXES.get(len(tensor.shape)) or tuple(f"DIM_{i}" for i in range(len(tensor.shape)))
        dims = [{"name": a, "size": n} for a, n in zip(axes, tensor.shape, strict=True)]
        streamed = tensor.name == self.compiled.program.streamed
        return {
            "title": kind + (", real value = SCALE * (q - ZERO_POINT)" if quantized else ""),
            "access": "Where to write the input."
            if role == "input"
            else "The result, valid until the next run or init.",
            "MACRO": f"{role}{suffix}".upper(),
            "function": f"{role}{suffix}",
            "pointer": f"{'const ' if role == 'output' else ''}{tensor.dtype.c_type} *",
            "dims": _row_sizes(tensor, dims)
            if streamed
            else [{"name": "ELEMENTS", "size": tensor.elements}, *dims],
            "streamed": streamed,
            "quantized": quantized,
            "scale": c.float_literal(tensor.scale) if quantized else "",
            "zero_point": tensor.zero_point if quantized else "",
            "place": "" if streamed else self._place(tensor.name),
        }

    def _place(self, name: str) -> str:
        """The address of an activation, outside run()."""
        memory = self.compiled.memory
        if name in memory.external:
            return f"context->{memory.external[name]}"
        return f"context->{self._pointer(memory.place(name)).text()}"

    def places(self, names: tuple[str, ...]) -> list[dict[str, Any]]:
        streamed = self.compiled.program.streamed
        return [{"index": i, "place": self._place(name)} for i, name in enumerate(names) if name != streamed]

    def bound(self) -> list[dict[str, Any]]:
        """Inputs and outputs in the caller's memory: fields of the context."""
        graph, external = self.compiled.graph, self.compiled.memory.external
        names = dict.fromkeys((*graph.inputs, *graph.outputs))
        return [
            {"index": i, "field": external[n], "pointer": f"{graph.tensors[n].dtype.c_type} *"}
            for i, n in enumerate(names)
            if n in external
        ]

    def bound_bytes(self) -> int:
        """Bytes of the caller's memory, each input and output aligned."""
        graph = self.compiled.graph
        names = {*graph.inputs, *graph.outputs} & self.compiled.memory.external.keys()
        return sum(align_up(graph.tensors[n].bytes, ALIGNMENT) for n in names)

    def states(self) -> list[dict[str, str]]:
        return [self._state(t) for t in self.compiled.graph.variables()]

    def _state(self, tensor: Tensor) -> dict[str, str]:
        assert tensor.data is not None
        target = self._place(tensor.name)
        pattern = np.frombuffer(np.ascontiguousarray(tensor.data).tobytes(), dtype=np.uint8)
        if pattern.size and (pattern == pattern[0]).all():
            statement = f"memset({target}, {pattern[0]}, {tensor.bytes}u);"
        else:
            source = self.constants.add(f"state_{c.identifier(tensor.name)}", tensor.data, "initial state")
            statement = f"memcpy({target}, {source}, {tensor.bytes}u);"
        return {"title": f"{c.comment(tensor.name)}, {_dims(tensor)}", "statement": statement}

    def _trace_place(self, name: str, time: int) -> str:
        memory, outputs = self.compiled.memory, self.compiled.graph.outputs
        if name in memory.external:
            return f"MCUGEN_LAYER_OUTPUT_OF_MODEL | {outputs.index(name)}u"
        place = memory.place(name, time)
        return f"{region_starts(self.compiled)[place.region] + place.offset}u"

    def infos(self, names: tuple[str, ...]) -> list[str]:
        return [_tensor_info(self.compiled.graph.tensors[n]) for n in names]

    def traces(self) -> list[str]:
        tensors = self.compiled.graph.tensors
        steps = self.compiled.program.steps
        return [
            _initializer((f"{i}u", self._trace_place(name, t), f"{tensors[name].bytes}u"))
            for i, t in enumerate(steps_with_code(steps))
            for name in steps[t].outputs
        ]

    def live_ranges(self) -> list[str]:
        """Which layers need what is in memory; by offset, as if the regions lay one after the other."""
        starts = region_starts(self.compiled)
        lives = buffer_lives(self.compiled.program, self.compiled.memory).values()
        placed = sorted(
            (starts[life.place.region] + life.place.offset, life.bytes, life.made, life.last)
            for life in lives
        )
        return [
            _initializer((f"{offset}u", f"{size}u", str(made), str(last)))
            for offset, size, made, last in placed
        ]

    # Copies

    def copies(self) -> CopyPlan:
        """What is copied from one memory to another; the layers must be emitted before."""
        memory, steps = self.compiled.memory, self.compiled.program.steps
        return CopyPlan(
            copies=() if memory.spread is None else memory.spread.copies,
            layers=steps_with_code(steps),
            address=lambda buffer: self._pointer(memory.buffer_place(buffer)).text(),
            constant=lambda key: self.constant_names[key],
        )

    def kept(self) -> list[str]:
        """Copies of constants at the start, with the addresses of the context."""
        memory = self.compiled.memory
        plan = replace(
            self.copies(), address=lambda name: f"context->{self._pointer(memory.buffer_place(name)).text()}"
        )
        return plan.kept()


def _unused(base: str, used: Collection[str]) -> str:
    """``base``, numbered if it is in use."""
    return next(n for n in (base, *(f"{base}_v{i}" for i in range(2, 10_000))) if n not in used)


def _initializer(values: Iterable[str]) -> str:
    return f"{{{', '.join(values)}}}"


def _row_sizes(tensor: Tensor, dims: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The sizes of an input that comes by rows: of the whole there is only their number."""
    rows = tensor.shape[1]
    sizes = {"ROWS": rows, "ROW_ELEMENTS": tensor.elements // rows, "ROW_BYTES": row_bytes(tensor)}
    return [*({"name": name, "size": size} for name, size in sizes.items()), *dims[2:]]


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"


def _dims(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "scalar"


_DTYPE_ENUM = {
    DType.INT8: "MCUGEN_INT8", DType.UINT8: "MCUGEN_UINT8", DType.INT16: "MCUGEN_INT16",
    DType.INT32: "MCUGEN_INT32", DType.FLOAT32: "MCUGEN_FLOAT32",
}  # fmt: skip


def _tensor_info(tensor: Tensor) -> str:
    quantized = tensor.quant is not None and tensor.dtype is not DType.FLOAT32
    dims = ", ".join(map(str, tensor.shape[:6])) or "1"
    scale, zero_point = (c.float_literal(tensor.scale), tensor.zero_point) if quantized else ("0.0f", 0)
    return (
        f"{{{_c_string(tensor.name)}, {_DTYPE_ENUM[tensor.dtype]}, {len(tensor.shape)}u, "
        f"{{{dims}}}, {tensor.bytes}u, {scale}, {zero_point}}}"
    )


def _c_string(text: str) -> str:
    safe = "".join(ch if 32 <= ord(ch) < 127 and ch not in '\\"?' else "_" for ch in text)
    return f'"{safe}"'


def _target_checks(compiled: Compiled) -> list[dict[str, str]]:
    """Compile-time checks that the compiler's target has what the kernels were chosen for."""
    classes = {call.header.partition("/")[0] for call in compiled.program.calls}
    dsp, mve = "!defined(__ARM_FEATURE_DSP)", "!defined(__ARM_FEATURE_MVE)"
    baseline = "defined(__ARM_ARCH_ISA_THUMB) && __ARM_ARCH_ISA_THUMB < 2"
    fix = "compile for its core, or generate it again for this one"
    checks = []
    if "v7m" in classes:
        checks.append({"condition": baseline, "message": f"this model is for Armv7-M and later: {fix}"})
    if "dsp" in classes:
        checks.append({"condition": dsp, "message": f"this model needs the DSP instructions: {fix}"})
    if "mve" in classes:
        checks.append({"condition": mve, "message": f"this model needs the MVE instructions: {fix}"})
    if compiled.program.uses_cmsis_nn:
        # CMSIS-NN's working memory depends on the instruction class, so that it must be exactly the planned one.
        wrong = {
            "dsp": f"{dsp} || defined(__ARM_FEATURE_MVE)",
            "mve": mve,
        }.get(compiled.program.instruction_class, "defined(__ARM_FEATURE_DSP) || defined(__ARM_FEATURE_MVE)")
        checks.append(
            {"condition": wrong, "message": f"CMSIS-NN is planned for another instruction set: {fix}"}
        )
    return checks


def _defines(compiled: Compiled) -> list[dict[str, str]]:
    """What the kernels cannot see in the compiler's target: GCC has no macro for the core."""
    if compiled.board.core != "cortex-m7" or compiled.program.instruction_class != "dsp":
        return []
    return [{"name": "MCUGEN_DSP_DUAL_ISSUE", "value": "1", "why": f"the order for {compiled.board.core}"}]


def _summary(compiled: Compiled, layers: int, weight_bytes: int) -> list[str]:
    memory, regions = compiled.memory, region_names(compiled)
    ram = ", ".join(f"{r.region} {r.bytes}" for r in regions) or f"arena {memory.arena_bytes}"
    return [
        f"{layers} layers, {compiled.graph.macs()} MACs; {ram} bytes "
        f"(of which at most {memory.scratch_bytes} scratch), weights {weight_bytes} bytes.",
        f"Kernels: {compiled.program.kernels} for {compiled.board.core} ({compiled.program.instruction_class}).",
        *(c.comment(note) for note in compiled.notes),
    ]


def model_files(compiled: Compiled) -> dict[str, str]:
    """include/NAME.h, src/NAME.c, src/NAME_weights.h and .c of a compiled model."""
    emitter = _Emitter(compiled)
    layers = emitter.layers()
    states = emitter.states()
    common = _common(compiled)
    tensors = emitter.tensors()
    name = compiled.name
    header = {
        **common,
        "summary": _summary(compiled, len(layers), emitter.constants.bytes),
        "arena_size": compiled.memory.arena_bytes,
        "regions": [region.record() for region in region_names(compiled)],
        "has_copies": has_copies(compiled),
        "layer_count": len(layers),
        "tensors": tensors,
        "bound": emitter.bound(),
        "bound_bytes": emitter.bound_bytes(),
        "streamed": [t for t in tensors if t["streamed"]],
        "accessible": [t for t in tensors if not t["streamed"]],
        "only_streamed": compiled.graph.inputs == (compiled.program.streamed,),
        "state_text": f"{len(states)} state tensors" if states else "this model keeps nothing",
    }
    source = {**header, **_source_records(emitter, layers, states)}
    weights = {**common, "arrays": _array_records(emitter.constants)}
    return {
        f"include/{name}.h": render("model.h.j2", header),
        f"src/{name}.c": render("model.c.j2", source),
        f"src/{name}_weights.h": render("weights.h.j2", weights),
        f"src/{name}_weights.c": render("weights.c.j2", weights),
    }


def weight_bytes(compiled: Compiled) -> int:
    """Bytes of the constants that a model has in flash, equal ones counted once."""
    emitter = _Emitter(compiled)
    emitter.layers()
    emitter.states()
    return emitter.constants.bytes


def _common(compiled: Compiled) -> dict[str, Any]:
    return {
        "name": compiled.name,
        "NAME": compiled.name.upper(),
        "title": c.comment(f"{compiled.name} for {compiled.board.title}"),
        "generator": GENERATOR,
        "source": c.comment(compiled.source),
        "sha256": compiled.sha256,
    }


def _source_records(
    emitter: _Emitter, layers: list[dict[str, Any]], states: list[dict[str, str]]
) -> Mapping[str, Any]:
    compiled, graph = emitter.compiled, emitter.compiled.graph
    traces, live_ranges = emitter.traces(), emitter.live_ranges()
    return {
        "headers": sorted({call.header for call in compiled.program.calls} | {"common/compiler.h"}),
        "target_checks": _target_checks(compiled),
        "defines": _defines(compiled),
        "functions": [function.record() for function in emitter.functions.values()],
        "states": states,
        "layers": layers,
        "kept": emitter.kept(),
        "last_copies": emitter.copies().after_all(len(compiled.program.steps)),
        "first_region": next(iter(emitter.regions.values())),
        "arena_sizes": " + ".join(
            f"{compiled.name.upper()}_{name.upper()}_SIZE" for name in emitter.regions.values()
        ),
        "used_regions": _used_regions(emitter, layers),
        "input_places": emitter.places(graph.inputs),
        "output_places": emitter.places(graph.outputs),
        "input_count": len(graph.inputs),
        "output_count": len(graph.outputs),
        "input_infos": emitter.infos(graph.inputs),
        "output_infos": emitter.infos(graph.outputs),
        "weight_bytes": emitter.constants.bytes,
        "macs": graph.macs(),
        "traces": traces or ["{0u, 0u, 0u}"],
        "trace_count": len(traces),
        "live_ranges": live_ranges or ["{0u, 0u, MCUGEN_MADE_BEFORE, MCUGEN_MADE_BEFORE}"],
        "live_range_count": len(live_ranges),
    }


def _used_regions(emitter: _Emitter, layers: list[dict[str, Any]]) -> list[str]:
    """The C names of the regions that run() addresses."""
    text = "\n".join(
        line for layer in layers for lines in (layer["lines"], layer["copies"]) for line in lines
    )
    return [name for name in emitter.regions.values() if re.search(rf"\b{name} \+ \d+u", text)]


# Vector kernels like their weights to start at a boundary of 16 bytes; short arrays are not worth the gaps.
_WIDE_ALIGNMENT = 16


def _array_records(constants: _Constants) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "title": c.comment_lines([title]),
            "alignment": _WIDE_ALIGNMENT if data.nbytes >= _WIDE_ALIGNMENT else 4,
            "type": c.C_TYPES[data.dtype.name],
            "size": data.size,
            "lines": c.array_lines(data),
        }
        for name, (data, title) in constants.arrays.items()
    ]
