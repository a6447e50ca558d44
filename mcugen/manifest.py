"""mcugen.json: what a generated project says about itself, for `mcugen run` and for other tools."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mcugen import __version__
from mcugen.compiled import Compiled
from mcugen.emit.regions import has_copies, region_names
from mcugen.errors import InputError
from mcugen.ir import DType, QuantParams, Tensor

FILE_NAME = "mcugen.json"
SCHEMA = 1


@dataclass(frozen=True)
class TensorEntry:
    """An activation: shape and quantization as stored; ``layout`` is the permutation from the model file's axes."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    scale: float | None
    zero_point: int | None
    layout: tuple[int, ...] | None = None

    def tensor(self) -> Tensor:
        quant = None if self.scale is None else QuantParams.per_tensor(self.scale, self.zero_point or 0)
        return Tensor(self.name, DType(self.dtype), self.shape, quant)


@dataclass(frozen=True)
class LayerEntry:
    """A layer of the generated run function, in order."""

    name: str
    op: str
    kernel: str
    macs: int
    outputs: tuple[TensorEntry, ...]


@dataclass(frozen=True)
class RegionEntry:
    """One of several buffers: its name in C, the board's memory it is for, bytes, linker section."""

    name: str
    memory: str
    bytes: int
    section: str


@dataclass(frozen=True)
class Manifest:
    """Paths are relative to the project's folder, with forward slashes.

    arena_bytes: of all regions together. regions: none where all lies in one arena. copies: an inference copies
    between memories, so that there is a hook for that.
    streamed_input: the input that the program around the model gives by rows.
    """

    name: str
    source: str
    sha256: str
    board: str
    project: str
    kernels: str
    instruction_class: str
    uses_cmsis_nn: bool
    external_io: bool
    arena_bytes: int
    scratch_bytes: int
    macs: int
    sources: tuple[str, ...]
    include_dirs: tuple[str, ...]
    inputs: tuple[TensorEntry, ...]
    outputs: tuple[TensorEntry, ...]
    layers: tuple[LayerEntry, ...]
    optimize: str = "balanced"
    regions: tuple[RegionEntry, ...] = ()
    copies: bool = False
    streamed_input: str | None = None
    mcugen: str = __version__
    schema: int = SCHEMA

    @property
    def compiler_flag(self) -> str:
        """How GCC is told to optimize."""
        return compiler_flag(self.optimize, self.instruction_class)

    def text(self) -> str:
        content = asdict(self)
        if not self.regions:
            del content["regions"], content["copies"]
        return json.dumps(content, indent=2) + "\n"


def compiler_flag(optimize: str, instruction_class: str) -> str:
    """How GCC is told to optimize generated code.

    More than -O2 gains nothing, the kernels see to speed themselves. With -Os GCC keeps to the low registers on
    Armv6-M, which are too few for the kernels.
    """
    return "-Os" if optimize == "size" and instruction_class != "v6m" else "-O2"


def manifest_of(compiled: Compiled, project: str) -> Manifest:
    graph, name = compiled.graph, compiled.name
    return Manifest(
        name=name,
        source=compiled.source,
        sha256=compiled.sha256,
        board=compiled.board.name,
        project=project,
        kernels=compiled.program.kernels,
        optimize=compiled.program.optimize,
        instruction_class=compiled.program.instruction_class,
        uses_cmsis_nn=compiled.program.uses_cmsis_nn,
        streamed_input=compiled.program.streamed,
        external_io=bool(compiled.memory.external),
        arena_bytes=compiled.memory.arena_bytes,
        scratch_bytes=compiled.memory.scratch_bytes,
        macs=graph.macs(),
        sources=(f"src/{name}.c", f"src/{name}_weights.c"),
        include_dirs=("include",),
        inputs=tuple(_entry(compiled, n) for n in graph.inputs),
        outputs=tuple(_entry(compiled, n) for n in graph.outputs),
        layers=_layers(compiled),
        regions=tuple(RegionEntry(r.name, r.region, r.bytes, r.section) for r in region_names(compiled)),
        copies=has_copies(compiled),
    )


def _entry(compiled: Compiled, name: str) -> TensorEntry:
    tensor = compiled.graph.tensors[name]
    quantized = (
        tensor.quant is not None and len(tensor.quant.scale) == 1 and tensor.dtype is not DType.FLOAT32
    )
    return TensorEntry(
        name,
        tensor.dtype.value,
        tensor.shape,
        tensor.scale if quantized else None,
        tensor.zero_point if quantized else None,
        compiled.graph.layouts.get(name),
    )


def _layers(compiled: Compiled) -> tuple[LayerEntry, ...]:
    return tuple(
        LayerEntry(
            name=step.title,
            op=step.kind,
            kernel=" ".join(step.kernels),
            macs=step.macs(compiled.graph.tensors),
            outputs=tuple(_entry(compiled, n) for n in step.outputs),
        )
        for step in compiled.program.steps
        if step.calls
    )


def read_manifest(project: Path) -> Manifest:
    """The manifest of a project folder. Raises InputError when there is none or it is not one of ours."""
    path = project / FILE_NAME
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if raw["schema"] != SCHEMA:
            raise InputError(
                f"schema {raw['schema']} of {FILE_NAME}, this mcugen reads {SCHEMA}",
                where=str(path),
                hint="generate the project again with this version",
            )
        if "models" in raw:
            folders = ", ".join(str(project / m["folder"]) for m in raw["models"])
            raise InputError(
                "the project has several models", where=str(project), hint=f"give one of {folders}"
            )
        return _from_json(raw)
    except OSError as error:
        raise InputError(
            f"not a project of mcugen: {error.strerror}",
            where=str(path),
            hint="make one with: mcugen build MODEL",
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{FILE_NAME} is damaged: {error}", where=str(path), hint="generate the project again"
        ) from error


def _from_json(raw: dict[str, Any]) -> Manifest:
    raw = dict(raw)
    for key in ("inputs", "outputs"):
        raw[key] = tuple(_tensor_from_json(t) for t in raw[key])
    raw["layers"] = tuple(
        LayerEntry(**{**layer, "outputs": tuple(_tensor_from_json(t) for t in layer["outputs"])})
        for layer in raw["layers"]
    )
    raw["regions"] = tuple(RegionEntry(**region) for region in raw.get("regions", ()))
    for key in ("sources", "include_dirs"):
        raw[key] = tuple(raw[key])
    return Manifest(**raw)


def _tensor_from_json(raw: dict[str, Any]) -> TensorEntry:
    layout = raw["layout"]
    return TensorEntry(
        **{**raw, "shape": tuple(raw["shape"]), "layout": None if layout is None else tuple(layout)}
    )
