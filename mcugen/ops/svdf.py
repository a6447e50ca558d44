"""SVDF: a rank-decomposed filter over time, with state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mcugen import fixedpoint as fx
from mcugen.ir import Array, Constraint, DType, Op, Shape, Tensors
from mcugen.lowering.call import Constant, KernelCall
from mcugen.ops import common


def _weights_ok(op: Op, t: Tensors) -> bool:
    feature, time, state = (t[n] for n in (op.inputs[1], op.inputs[2], op.inputs[4]))
    constant = feature.data is not None and time.data is not None
    quantized = all(x.quant is not None and len(x.quant.scale) == 1 for x in (feature, time, state))
    symmetric = quantized and feature.zero_point == 0 and time.zero_point == 0
    types = (
        feature.dtype is DType.INT8 and time.dtype is state.dtype and state.dtype in (DType.INT8, DType.INT16)
    )
    return constant and symmetric and types


@dataclass(frozen=True, kw_only=True)
class Svdf(Op):
    """Per filter f, the state (a shift register of ``memory`` values) takes in a new value,
    ``requantize(sum_i w_f[f,i] (x[i] - zx))``; then, summing over the rank's filters and over time,
    ``y[u] = saturate(requantize(bias[u] + sum w_t[f,t] (state[f,t] - zs)))``.

    Inputs are (x [batch, n], feature weights [filters, n], time weights [filters, memory], bias or "", state
    [batch, filters * memory]). The whole state moves down by one element first, so that the newest value of each
    filter is overwritten last. Source: TFLM's reference EvalIntegerSvdf.
    """

    kind: ClassVar[str] = "Svdf"
    constraints: ClassVar[tuple[Constraint, ...]] = (
        common.INT8_IO,
        Constraint(
            "feature weights are constant int8 and time weights constant of the state's type (int8 or int16), "
            "each with one scale and zero point 0",
            _weights_ok,
        ),
        common.constant_int32_bias(3),
    )

    rank: int

    @property
    def states(self) -> tuple[str, ...]:
        return (self.inputs[4],)

    def infer(self, *shapes: Shape) -> tuple[Shape, ...]:
        x, feature, time, _, state = shapes
        consistent = x[1] == feature[1] and feature[0] == time[0] and feature[0] % self.rank == 0
        if not consistent or state != (x[0], feature[0] * time[1]):
            raise ValueError(f"input {x}, weights {feature} and {time}, state {state} do not match")
        common.require_bias_size(shapes, 3, feature[0] // self.rank)
        return ((x[0], feature[0] // self.rank),)

    def multipliers(self, t: Tensors) -> tuple[tuple[int, int], tuple[int, int]]:
        """(multiplier, shift) into the state and into the output; TFLM computes both in float32."""
        x, feature, time, state = (np.float32(t[self.inputs[i]].scale) for i in (0, 1, 2, 4))
        into_state = float(x * feature / state)
        into_output = float(state * time / np.float32(t[self.outputs[0]].scale))
        return common.requantize_multiplier(into_state), common.requantize_multiplier(into_output)

    def evaluate(self, tensors: Tensors, *arrays: Array) -> tuple[Array, ...]:
        x, feature, time, bias, state = arrays
        state_tensor, y = tensors[self.inputs[4]], tensors[self.outputs[0]]
        into_state, into_output = self.multipliers(tensors)
        flat = state.reshape(-1).astype(np.int64)
        moved = np.concatenate([flat[1:], flat[-1:]]).reshape(x.shape[0], time.shape[0], time.shape[1])
        dot = (x.astype(np.int64) - tensors[self.inputs[0]].zero_point) @ feature.T.astype(np.int64)
        newest = fx.multiply_by_quantized_multiplier(dot, *into_state)
        moved[:, :, -1] = np.clip(newest, *state_tensor.dtype.bounds) + state_tensor.zero_point
        new_state = moved.astype(state_tensor.dtype.numpy)
        filtered = ((new_state.astype(np.int64) - state_tensor.zero_point) * time.astype(np.int64)).sum(
            axis=2
        )
        total = filtered.reshape(x.shape[0], -1, self.rank).sum(axis=2)
        if bias.size:
            total = total + bias
        out = common.requantize(total, *into_output, y, y.dtype.bounds)
        return out.reshape(y.shape), new_state.reshape(state.shape)

    def lower(self, tensors: Tensors) -> tuple[KernelCall, ...]:
        x, feature, time, state = (tensors[self.inputs[i]] for i in (0, 1, 2, 4))
        y = tensors[self.outputs[0]]
        assert feature.data is not None and time.data is not None
        (m1, s1), (m2, s2) = self.multipliers(tensors)
        return (
            KernelCall(
                kernel="svdf_s8_state8" if state.dtype is DType.INT8 else "svdf_s8_state16",
                params=(
                    ("batch", x.shape[0]), ("in_n", x.shape[1]), ("filters", feature.shape[0]),
                    ("memory", time.shape[1]), ("rank", self.rank),
                    ("in_offset", -x.zero_point), ("state_offset", state.zero_point), ("out_offset", y.zero_point),
                    ("state_multiplier", m1), ("state_shift", s1), ("out_multiplier", m2), ("out_shift", s2),
                ),
                inputs=self.inputs[:1],
                states=self.states,
                outputs=self.outputs,
                constants=(
                    Constant("weights_feature", feature.data),
                    Constant("weights_time", time.data),
                    Constant("bias", common.integer_bias(common.optional(tensors, self, 3), y.shape[1])),
                ),
                label=f"{x.shape[1]}_to_{y.shape[1]}",
            ),
        )  # fmt: skip

    def macs(self, tensors: Tensors) -> int:
        feature, time = tensors[self.inputs[1]], tensors[self.inputs[2]]
        return tensors[self.inputs[0]].shape[0] * (feature.elements + time.elements)
