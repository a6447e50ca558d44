"""``--tune``: the candidates of every distinct layer are measured in the emulator, and the best one is taken.

Figures are kept in mcugen's cache, by what they depend on: the call, the processor, the compiler and the kernel's
source.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from mcugen import emulator, toolchain
from mcugen.boards import Board
from mcugen.cmsis_nn_source import find_cmsis_nn
from mcugen.emit.kernels import kernel_files
from mcugen.errors import InputError, ToolError
from mcugen.ir import Graph
from mcugen.lowering.call import KernelCall
from mcugen.lowering.choice import Costs, Rules, candidates, contenders
from mcugen.lowering.variant import Variant
from mcugen.manifest import compiler_flag
from mcugen.measure import Sample, measure

Progress = Callable[[str], None]
# Less is not worth another kernel: ticks are coarse, and CMSIS-NN brings code of its own.
_MARGIN = 0.01


def measured_costs(
    graph: Graph, board: Board, rules: Rules, cmsis_nn: str | None, progress: Progress
) -> Costs:
    """The instructions of all candidates of a graph's calls on a board.

    Raises InputError where there is nothing to choose, ToolError when a candidate cannot be built or run.
    """
    if rules.optimize == "size":
        raise InputError(
            "--tune chooses by instructions, --optimize size by flash", where="--tune", hint="leave one out"
        )
    keys = _Keys(board, rules, cmsis_nn)
    samples = _samples(graph, rules, keys)
    known = {key: _read(key) for key in samples}
    missing = [key for key, count in known.items() if count is None]
    progress(f"tuning: {len(samples)} candidates, {len(missing)} to measure")
    counts = measure([samples[key] for key in missing], board, rules.optimize, cmsis_nn)
    for key, count in zip(missing, counts, strict=True):
        known[key] = count
        _write(key, count)
    return Costs("measured", _MARGIN, lambda call, variant: known.get(keys.key(call, variant)))


def _samples(graph: Graph, rules: Rules, keys: _Keys) -> dict[str, Sample]:
    """By key, the candidates of all calls that have several."""
    samples: dict[str, Sample] = {}
    for op in graph.ops:
        for index, call in enumerate(op.lower(graph.tensors)):
            found = contenders(candidates(call, rules))
            for variant in found if len(found) > 1 else ():
                samples.setdefault(keys.key(call, variant), Sample(op, graph.tensors, index, variant))
    return samples


class _Keys:
    """Names of figures: hashes of all that they depend on."""

    def __init__(self, board: Board, rules: Rules, cmsis_nn: str | None) -> None:
        self._base = [
            *toolchain.cpu_flags(board),
            toolchain.find_toolchain().version,
            emulator.qemu_version(),
            board.twin().name,
            compiler_flag(rules.optimize, rules.instruction_class),
        ]
        self._cmsis_nn = cmsis_nn

    def key(self, call: KernelCall, variant: Variant) -> str:
        own = variant.specialise(call)
        shapes = [(k.role, k.data.dtype.name, k.data.shape) for k in own.constants]
        source = _library_hash(self._cmsis_nn) if own.header.startswith("cmsis_nn/") else ""
        parts = (*self._base, own.function, call.params, own.params, shapes, _header_hash(own.header), source)
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


@functools.cache
def _header_hash(header: str) -> str:
    return _hash("".join(kernel_files((header,)).values()).encode())


@functools.cache
def _library_hash(path: str | None) -> str:
    """Of the sources of CMSIS-NN: checkouts have no version that tells them apart."""
    return _hash(b"".join(source.read_bytes() for source in find_cmsis_nn(path).sources))


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


# ---- the cache -----------------------------------------------------------------------------------------


def _folder() -> Path:
    return toolchain.cache_dir() / "tuning"


def _read(key: str) -> int | None:
    """A figure of the cache; None if it is not there or not readable."""
    try:
        return int((_folder() / key).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _write(key: str, count: int) -> None:
    folder = _folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=folder, delete=False, encoding="ascii") as stream:
            stream.write(str(count))
        os.replace(stream.name, folder / key)
    except OSError as error:
        raise ToolError(
            f"cannot write to the cache: {error.strerror}",
            where=str(folder),
            hint="set MCUGEN_CACHE to a folder that can be written to",
        ) from error
