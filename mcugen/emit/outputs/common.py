"""What the templates of every kind of project print: names, memory figures, tensors, the example program."""

from __future__ import annotations

from typing import Any

from mcugen.compiled import GENERATOR, Compiled
from mcugen.emit import c_format as c
from mcugen.emit.model import weight_bytes
from mcugen.emit.regions import has_copies, region_names
from mcugen.emit.render import render
from mcugen.ir import DType, Tensor
from mcugen.manifest import Manifest
from mcugen.memory.liveness import io_names

# C's names for the bounds of the types that quantized inputs and outputs have.
_BOUNDS = {
    DType.INT8: ("INT8_MIN", "INT8_MAX"),
    DType.UINT8: ("0", "UINT8_MAX"),
    DType.INT16: ("INT16_MIN", "INT16_MAX"),
}

# The folders of kernels that any C11 compiler takes.
_PORTABLE_KERNELS = frozenset({"scalar", "v6m", "v7m", "cmsis_nn"})


def project_context(compiled: Compiled, manifest: Manifest) -> dict[str, Any]:
    """The names and figures that all templates of a project share."""
    board = compiled.board
    portable = is_portable(compiled)
    inputs = _tensors(compiled, "input", compiled.graph.inputs)
    return {
        "name": compiled.name,
        "NAME": compiled.name.upper(),
        "generator": GENERATOR,
        "subject": f"the model {compiled.name}",
        "source": c.comment(compiled.source),
        "sha256": compiled.sha256,
        "board": board.name,
        "board_title": c.comment(board.title),
        "core": board.core,
        "kernels": compiled.program.kernels,
        "optimize": manifest.optimize,
        "compiler_flag": manifest.compiler_flag,
        "instruction_class": compiled.program.instruction_class,
        "sources": list(manifest.sources),
        "uses_cmsis_nn": manifest.uses_cmsis_nn,
        "portable": portable,
        "needs_core": not portable,
        "align": "_Alignas",
        "arena_attribute": "",
        "layers": len(manifest.layers),
        "macs": manifest.macs,
        "arena_bytes": manifest.arena_bytes,
        **_regions(compiled),
        "scratch_bytes": manifest.scratch_bytes,
        "weight_bytes": weight_bytes(compiled),
        "flash_bytes": board.flash_bytes,
        "ram_bytes": board.ram_bytes,
        "inputs": inputs,
        "streamed_inputs": [tensor for tensor in inputs if tensor["streamed"]],
        "whole_inputs": [tensor for tensor in inputs if not tensor["streamed"]],
        "outputs": _tensors(compiled, "output", compiled.graph.outputs),
        "bound": _bound(compiled),
        "notes": [c.comment(note) for note in compiled.notes],
    }


def _regions(compiled: Compiled) -> dict[str, Any]:
    """The regions, when there are several, and what they gain.

    setting: a macro that names the section, where the build system has one.
    """
    board, spread = compiled.board, compiled.memory.spread
    capacities = {} if spread is None else {bank.name: bank.size for bank in spread.banks}
    return {
        "regions": [
            {**r.record(), "capacity": capacities[r.region], "setting": ""} for r in region_names(compiled)
        ],
        "ram_text": "the regions" if spread else "the arena",
        "has_copies": has_copies(compiled),
        "cost": f"{100 * spread.cost / spread.arena_cost:.0f} %" if spread and spread.arena_cost else "",
        "arena_memory": board.layout.arena,
        "weights_memory": board.layout.weights,
    }


def _bound(compiled: Compiled) -> list[dict[str, str]]:
    """Inputs and outputs in the caller's memory."""
    return [
        {"field": field, "MACRO": field.upper(), "type": compiled.graph.tensors[name].dtype.c_type}
        for name, field in io_names(compiled.graph).items()
        if name in compiled.memory.external
    ]


def is_portable(compiled: Compiled) -> bool:
    """Whether the code compiles for any processor: no kernel is written for an instruction set."""
    program = compiled.program
    classes = {call.header.partition("/")[0] for call in program.calls}
    return classes <= _PORTABLE_KERNELS and not (
        program.uses_cmsis_nn and program.instruction_class in ("dsp", "mve")
    )


def _tensors(compiled: Compiled, role: str, names: tuple[str, ...]) -> list[dict[str, Any]]:
    tensors = [compiled.graph.tensors[name] for name in names]
    suffixes = [f"_{i}" for i in range(len(names))] if len(names) > 1 else [""]
    streamed = compiled.program.streamed
    return [
        _tensor(tensor, role + suffix) | {"streamed": role == "input" and tensor.name == streamed}
        for tensor, suffix in zip(tensors, suffixes, strict=True)
    ]


def _tensor(tensor: Tensor, function: str) -> dict[str, Any]:
    quantized = tensor.quant is not None and tensor.dtype in _BOUNDS
    low, high = _BOUNDS.get(tensor.dtype, ("", ""))
    return {
        "title": c.comment(tensor.name),
        "function": function,
        "MACRO": function.upper(),
        "type": tensor.dtype.c_type,
        "shape": "x".join(map(str, tensor.shape)) or "scalar",
        "quantized": quantized,
        "is_float": tensor.dtype is DType.FLOAT32,
        "low": low,
        "high": high,
        "quantization": f"{tensor.scale:.9g} * (q - {tensor.zero_point})".replace("- -", "+ ")
        if quantized
        else "none",
    }


def render_all(files: dict[str, str], context: dict[str, Any]) -> dict[str, str]:
    """Path -> text, for a table path -> template."""
    return {path: render(template, context) for path, template in files.items()}
