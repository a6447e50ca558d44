"""What kernels cost on a core: tables of measurements, condensed to a small linear model per variant.

A table is a JSON file beside this one, ``<core>.json``, made by ``python -m mcugen.lowering.costs``. It holds for
every C function the coefficients of ``instructions = sum(coefficient[i] * feature[i])`` over the features of its
contract (`features`), the error of the fit, and how many layers were measured.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mcugen.lowering.call import KernelCall
from mcugen.lowering.choice import Costs
from mcugen.lowering.variant import Variant

FOLDER = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Model:
    """The cost of one C function.

    coefficients: by feature. error: the median of the relative errors of the fit; layers: how many it had.
    """

    coefficients: Mapping[str, float]
    error: float
    layers: int

    def instructions(self, call: KernelCall) -> float:
        """Of one contract call."""
        values = features(call)
        return sum(factor * values[name] for name, factor in self.coefficients.items())


Table = Mapping[str, Model]


def features(call: KernelCall) -> dict[str, float]:
    """What the cost of a contract call may depend on, by name; "call" is 1."""
    found = _FEATURES.get(call.kernel, _elements)(call)
    return {"call": 1.0, **{name: float(value) for name, value in found.items()}}


def _window(call: KernelCall) -> dict[str, int]:
    """Of kernels that slide a window. border: values of windows outside the input, had they been read."""
    p = dict(call.params)
    pixels, taps = _int(p["out_h"]) * _int(p["out_w"]), _int(p["k_h"]) * _int(p["k_w"])
    inside = math.prod(_taps_inside(p, axis, side) for axis, side in (("h", "pad_top"), ("w", "pad_left")))
    return {
        "pixels": pixels,
        "outputs": pixels * _int(p["out_c"]),
        "rows": _int(p["out_h"]),
        "window": pixels * taps * _int(p["in_c"]),
        "border": (pixels * taps - inside) * _int(p["in_c"]),
    }


def _int(value: object) -> int:
    assert isinstance(value, int)
    return value


def _taps_inside(p: Mapping[str, object], axis: str, side: str) -> int:
    """The taps of all windows along one axis that lie inside the input."""
    size, step = _int(p[f"in_{axis}"]), _int(p.get(f"dilation_{axis}", 1))
    starts = (i * _int(p[f"stride_{axis}"]) - _int(p[side]) for i in range(_int(p[f"out_{axis}"])))
    return sum(0 <= start + k * step < size for start in starts for k in range(_int(p[f"k_{axis}"])))


def _pool(call: KernelCall) -> dict[str, int]:
    found = _window(call)
    return {
        "pixels": found["pixels"],
        "rows": found["rows"],
        "outputs": found["outputs"],
        "inside": found["window"] - found["border"],
        "outside": found["border"],
        "taps": found["pixels"] * call.param("k_h") * call.param("k_w"),
    }


def _convolution(call: KernelCall) -> dict[str, int]:
    """ragged: pieces of the windows that do not end at a word."""
    found = _window(call)
    run = call.param("k_w") * call.param("in_c")
    per_output = call.param("k_h") * call.param("k_w") * call.param("in_c") // call.param("groups")
    return {
        **found,
        "ragged": found["pixels"] * call.param("k_h") * (run % 4),
        "macs": found["outputs"] * per_output,
        "channel_macs": call.param("out_c") * per_output,
    }


def _depthwise(call: KernelCall) -> dict[str, int]:
    found = _window(call)
    taps = call.param("k_h") * call.param("k_w")
    return {
        "pixels": found["pixels"],
        "outputs": found["outputs"],
        "lines": call.param("out_c") * call.param("out_h"),
        "columns": call.param("out_c") * call.param("out_w"),
        "channels": call.param("out_c"),
        "inputs": call.param("in_h") * call.param("in_w") * call.param("in_c"),
        "border": found["border"],
        "macs": found["outputs"] * taps,
    }


def _fully_connected(call: KernelCall) -> dict[str, int]:
    rows, in_n, out_n = call.param("rows"), call.param("in_n"), call.param("out_n")
    return {"rows": rows, "inputs": rows * in_n, "outputs": rows * out_n, "macs": rows * in_n * out_n}


def _binary(call: KernelCall) -> dict[str, int]:
    dims = call.param("dims")
    return {"elements": math.prod(dims), "runs": math.prod(dims[:-1])}


def _mean(call: KernelCall) -> dict[str, int]:
    kept = math.prod(call.param("kept"))
    return {"outputs": kept, "elements": kept * math.prod(call.param("reduced"))}


def _softmax(call: KernelCall) -> dict[str, int]:
    return {"rows": call.param("rows"), "elements": call.param("rows") * call.param("depth")}


def _pad(call: KernelCall) -> dict[str, int]:
    out = math.prod(call.param("out_dims"))
    return {
        "outputs": out,
        "elements": math.prod(call.param("in_dims")),
        "runs": out // call.param("out_dims")[-1],
    }


def _gather(call: KernelCall) -> dict[str, int]:
    dims = call.param("dims")
    return {"outputs": math.prod(dims), "runs": math.prod(dims[:-1])}


def _copy_rows(call: KernelCall) -> dict[str, int]:
    return {"rows": call.param("rows"), "bytes": call.param("rows") * call.param("row_bytes")}


def _svdf(call: KernelCall) -> dict[str, int]:
    filters = call.param("batch") * call.param("filters")
    return {
        "filters": filters,
        "feature_macs": filters * call.param("in_n"),
        "time_macs": filters * call.param("memory"),
    }


def _elements(call: KernelCall) -> dict[str, int]:
    return {"elements": call.param("n")}


_FEATURES: Mapping[str, Callable[[KernelCall], dict[str, int]]] = {
    "conv2d_s8": _convolution,
    "depthwise_conv2d_s8": _depthwise,
    "fully_connected_s8": _fully_connected,
    "add_s8": _binary,
    "sub_s8": _binary,
    "mul_s8": _binary,
    "average_pool_s8": _pool,
    "max_pool_s8": _pool,
    "mean_s8": _mean,
    "softmax_s8": _softmax,
    "softmax_s8_s16": _softmax,
    "pad": _pad,
    "gather": _gather,
    "copy_rows": _copy_rows,
    "svdf_s8_state8": _svdf,
    "svdf_s8_state16": _svdf,
}


@functools.cache
def load_table(core: str) -> Table:
    """The models of a core by C function; empty for a core that was not measured."""
    path = FOLDER / f"{core}.json"
    if not path.is_file():
        return {}
    functions = json.loads(path.read_text(encoding="utf-8"))["functions"]
    return {name: Model(**entry) for name, entry in functions.items()}


# A candidate must be better than the preferred one by more than most errors of the table.
MARGIN = 0.15


def table_costs(core: str) -> Costs | None:
    """The costs in a core's table, or None when it has none."""
    table = load_table(core)

    def instructions(call: KernelCall, variant: Variant) -> float | None:
        model = table.get(variant.function)
        return model.instructions(call) if model else None

    return Costs("cost table", MARGIN, instructions) if table else None
