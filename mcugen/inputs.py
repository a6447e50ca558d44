"""Test inputs and outputs: arrays of the user's, in the model file's layout and in real or quantized values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mcugen.errors import InputError
from mcugen.ir import Array, DType, Shape
from mcugen.manifest import TensorEntry
from mcugen.ops.quantize import affine_quantize

Case = Mapping[str, Array]


def user_shape(entry: TensorEntry) -> Shape:
    """The shape in the model file's axis order."""
    if entry.layout is None:
        return entry.shape
    shape = [0] * len(entry.shape)
    for stored, user in enumerate(entry.layout):
        shape[user] = entry.shape[stored]
    return tuple(shape)


def to_user_layout(entry: TensorEntry, array: Array) -> Array:
    """A stored array with its axes in the model file's order."""
    if entry.layout is None:
        return array
    return np.ascontiguousarray(array.transpose(np.argsort(entry.layout)))


@dataclass(frozen=True)
class TestData:
    """Cases of inputs and, where the file has them, the outputs expected; all in stored layout and type."""

    cases: tuple[Case, ...]
    expected: tuple[Case, ...] = ()


def load_test_data(
    path: Path, inputs: Sequence[TensorEntry], outputs: Sequence[TensorEntry] = ()
) -> TestData:
    """Reads .npy (one input) or .npz (by tensor name or in0, in1, ...; expected outputs by name or out0, ...).

    Raises InputError when arrays are missing, do not match the tensors, or differ in their number of cases.
    """
    arrays = _read(path, inputs)
    given = [_cases(path, entry, _find(path, arrays, entry, f"in{i}")) for i, entry in enumerate(inputs)]
    wanted = [
        _cases(path, entry, array)
        for i, entry in enumerate(outputs)
        if (array := _lookup(arrays, entry, f"out{i}")) is not None
    ]
    counts = {len(column) for column in given + wanted}
    if len(counts) != 1:
        raise InputError(
            f"the arrays have {sorted(counts)} cases, the same number is needed", where=str(path)
        )
    expected = _rows(outputs, wanted) if len(wanted) == len(outputs) and outputs else ()
    return TestData(_rows(inputs, given), expected)


def _rows(entries: Sequence[TensorEntry], columns: Sequence[list[Array]]) -> tuple[Case, ...]:
    names = [entry.name for entry in entries]
    return tuple(dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True))


def _read(path: Path, inputs: Sequence[TensorEntry]) -> dict[str, Array]:
    try:
        loaded = np.load(path, allow_pickle=False)
        arrays = {inputs[0].name: loaded} if isinstance(loaded, np.ndarray) else dict(loaded.items())
    except (OSError, ValueError, EOFError, KeyError) as error:
        raise InputError(
            f"cannot read arrays: {error}", where=str(path), hint="give a .npy or .npz file"
        ) from error
    if path.suffix == ".npy" and len(inputs) > 1:
        raise InputError(
            f"one array for {len(inputs)} inputs", where=str(path), hint="give a .npz with in0, in1, ..."
        )
    return arrays


def _lookup(arrays: Mapping[str, Array], entry: TensorEntry, key: str) -> Array | None:
    return arrays.get(entry.name, arrays.get(key))


def _find(path: Path, arrays: Mapping[str, Array], entry: TensorEntry, key: str) -> Array:
    array = _lookup(arrays, entry, key)
    if array is None:
        raise InputError(
            f"no array '{entry.name}' or '{key}'; it has {', '.join(sorted(arrays)[:10]) or 'none'}",
            where=str(path),
        )
    return array


def _cases(path: Path, entry: TensorEntry, array: Array) -> list[Array]:
    """The cases in an array, in stored layout and type."""
    stacked = _stacked(array, entry)
    if stacked is None:
        raise InputError(
            f"array of shape {array.shape} for tensor '{entry.name}' of shape {user_shape(entry)}",
            where=str(path),
            hint="one more leading axis means several cases",
        )
    return [_convert(path, entry, case) for case in stacked]


def _stacked(array: Array, entry: TensorEntry) -> Array | None:
    """[cases, *stored shape], or None when the array fits neither the model file's layout nor the stored one."""
    user = user_shape(entry)
    for shape, stored in ((user, False), (entry.shape, True)):
        per_case = array.reshape(1, *shape) if array.shape == shape else None
        if per_case is None and array.ndim and array.shape[1:] == shape:
            per_case = array
        if per_case is None and array.ndim and shape[:1] == (1,) and array.shape[1:] == shape[1:]:
            per_case = array.reshape(-1, *shape)
        if per_case is not None and per_case.size:
            return (
                per_case
                if stored or entry.layout is None
                else per_case.transpose(0, *(a + 1 for a in entry.layout))
            )
    return None


def _convert(path: Path, entry: TensorEntry, case: Array) -> Array:
    tensor = entry.tensor()
    if case.dtype == tensor.dtype.numpy:
        return np.ascontiguousarray(case)
    if case.dtype.kind == "f" and tensor.dtype is DType.FLOAT32:
        return np.ascontiguousarray(case, dtype=np.float32)
    if case.dtype.kind == "f" and tensor.quant is not None:
        return affine_quantize(case, tensor.scale, tensor.zero_point, tensor.dtype)
    if case.dtype.kind in "iu" and tensor.dtype is not DType.FLOAT32:
        low, high = tensor.dtype.bounds
        if case.size and low <= int(case.min()) and int(case.max()) <= high:
            return np.ascontiguousarray(case.astype(tensor.dtype.numpy))
    raise InputError(
        f"array of type {case.dtype} (values {case.min()} to {case.max()}) "
        f"for tensor '{entry.name}' of type {entry.dtype}",
        where=str(path),
        hint="give real values as floats, or quantized values of the tensor's type",
    )


def generated_cases(inputs: Sequence[TensorEntry], seed: int = 1) -> tuple[Case, ...]:
    """Cases for when the user has none: random over the full range, all minimum, all maximum, a ramp."""
    rng = np.random.default_rng(seed)
    kinds = ("random", "min", "max", "ramp")
    return tuple(
        {entry.name: _generated(entry.tensor().dtype, entry.shape, kind, rng) for entry in inputs}
        for kind in kinds
    )


def _generated(dtype: DType, shape: Shape, kind: str, rng: np.random.Generator) -> Array:
    """Integers over the whole range of their type, floats from -4 to 4."""
    count = math.prod(shape)
    low, high = (-4, 4) if dtype is DType.FLOAT32 else dtype.bounds
    if kind == "random":
        integers = rng.integers(low, high, count, endpoint=True)
        values: Array = rng.uniform(low, high, count) if dtype is DType.FLOAT32 else integers
    elif kind == "ramp":
        values = low + (high - low) * (np.arange(count) % 256) / 255
    else:
        values = np.full(count, low if kind == "min" else high)
    return values.astype(dtype.numpy).reshape(shape)
