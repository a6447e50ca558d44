"""The same facts for machines: what --json prints."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import mcugen
from mcugen.boards import Board
from mcugen.build import Built
from mcugen.errors import McugenError
from mcugen.ir import Graph, Op, Tensor


def build_data(built: Built) -> dict[str, Any]:
    compiled, foot = built.compiled, built.footprint
    return {
        "name": compiled.name,
        "out": built.out.as_posix(),
        "board": compiled.board.name,
        "kernels": compiled.program.kernels,
        "optimize": compiled.program.optimize,
        "levels": [asdict(trade) for trade in built.trades],
        "macs": compiled.graph.macs(),
        "arena_bytes": compiled.memory.arena_bytes,
        "scratch_bytes": compiled.memory.scratch_bytes,
        "arena_lower_bound_bytes": compiled.memory.plan.lower_bound,
        "code_bytes": foot.code if foot else None,
        "weight_bytes": foot.weights if foot else None,
        "stack_bytes": foot.stack if foot else None,
        "image_flash_bytes": foot.image_flash if foot else None,
        "image_ram_bytes": foot.image_ram if foot else None,
        "board_flash_bytes": compiled.board.flash_bytes,
        "board_ram_bytes": compiled.board.ram_bytes,
        "savings": [vars(saving) for saving in compiled.savings],
        "notes": list(compiled.notes),
    }


def tensor_data(tensor: Tensor) -> dict[str, Any]:
    quant = tensor.quant
    return {
        "name": tensor.name,
        "dtype": tensor.dtype.value,
        "shape": list(tensor.shape),
        "scale": list(quant.scale) if quant else None,
        "zero_point": list(quant.zero_point) if quant else None,
    }


def inspect_data(graph: Graph, problems: dict[Op, list[str]], peak: int | None) -> dict[str, Any]:
    return {
        "name": graph.name,
        "macs": graph.macs(),
        "weight_bytes": sum(t.bytes for t in graph.constants()),
        "activation_peak_bytes": peak,
        "inputs": [tensor_data(graph.tensors[n]) for n in graph.inputs],
        "outputs": [tensor_data(graph.tensors[n]) for n in graph.outputs],
        "operators": [
            {
                "kind": op.kind,
                "origin": op.origin,
                "macs": op.macs(graph.tensors),
                "outputs": [tensor_data(graph.tensors[n]) for n in op.outputs],
                "unsupported": problems.get(op, []),
            }
            for op in graph.ops
        ],
    }


def board_data(board: Board) -> dict[str, Any]:
    twin = board.twin()
    return {
        "name": board.name,
        "title": board.title,
        "core": board.core,
        "instruction_class": board.instruction_class,
        "flash_bytes": board.flash_bytes,
        "ram_bytes": board.ram_bytes,
        "arena_bytes": board.arena_bytes,
        "emulator": twin.emulator.machine if twin.emulator else None,
        "twin": twin.name,
        "memories": [
            {"name": m.name, "kind": m.kind, "origin": m.origin, "size": m.size} for m in board.memories
        ],
    }


def error_data(error: McugenError) -> dict[str, Any]:
    return {
        "error": {
            "kind": type(error).__name__,
            "message": error.message,
            "where": error.where,
            "hint": error.hint,
            "exit_code": error.exit_code,
        },
        "mcugen": mcugen.__version__,
    }
