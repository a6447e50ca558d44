"""Operators that move elements, against TFLM, byte for byte."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mcugen.ir import DType, QuantParams, Shape, Tensor
from tests.support import draws
from tests.support.compare import assert_same_as_tflm
from tests.support.draws import Case
from tests.support.tflite_builder import Operator

_TYPES = (DType.INT8, DType.INT16, DType.FLOAT32)


@st.composite
def _formats(draw: st.DrawFn, *types: DType) -> tuple[DType, QuantParams | None]:
    dtype = draw(st.sampled_from(types or _TYPES))
    return dtype, None if dtype in (DType.FLOAT32, DType.INT32) else draw(draws.quants(dtype))


def _pair(x: Shape, y: Shape, form: tuple[DType, QuantParams | None]) -> tuple[Tensor, Tensor]:
    return draws.activation("x", x, form[1], form[0]), draws.activation("y", y, form[1], form[0])


@st.composite
def _reshapes(draw: st.DrawFn) -> Case:
    shape = draw(draws.shapes())
    count, target = math.prod(shape), []
    for _ in range(draw(st.integers(0, 2))):
        divisors = [d for d in range(1, count + 1) if count % d == 0]
        target.append(draw(st.sampled_from(divisors)))
        count //= target[-1]
    x, y = _pair(shape, (*target, count), draw(_formats()))
    wanted = [*target, -1] if draw(st.booleans()) else [*target, count]
    operator = Operator("RESHAPE", ("x", "shape"), ("y",), "ReshapeOptions", {"new_shape": tuple(wanted)})
    return draws.case(operator, [x, draws.int32s("shape", wanted), y], draw(draws.steps([x])))


@given(_reshapes())
def test_reshape(case: Case) -> None:
    assert_same_as_tflm(*case)


@given(draws.shapes(1, 4, 3), st.data())
def test_squeeze(shape: Shape, data: st.DataObject) -> None:
    ones = [i for i, n in enumerate(shape) if n == 1]
    chosen = tuple(i for i in ones if data.draw(st.booleans())) or tuple(ones)
    x, y = _pair(shape, tuple(n for i, n in enumerate(shape) if i not in chosen), data.draw(_formats()))
    assume(y.shape)
    operator = Operator("SQUEEZE", ("x",), ("y",), "SqueezeOptions", {"squeeze_dims": chosen})
    assert_same_as_tflm(*draws.case(operator, [x, y], data.draw(draws.steps([x]))))


@given(draws.shapes(1, 4, 3), st.data())
def test_expand_dims(shape: Shape, data: st.DataObject) -> None:
    axis = data.draw(st.integers(0, len(shape)))
    x, y = _pair(shape, (*shape[:axis], 1, *shape[axis:]), data.draw(_formats()))
    operator = Operator("EXPAND_DIMS", ("x", "axis"), ("y",))
    assert_same_as_tflm(
        *draws.case(operator, [x, draws.int32s("axis", [axis]), y], data.draw(draws.steps([x])))
    )


@st.composite
def _pads(draw: st.DrawFn, with_value: bool) -> Case:
    shape = draw(draws.shapes(1, 4))
    widths = [(draw(st.integers(0, 3)), draw(st.integers(0, 3))) for _ in shape]
    form = draw(_formats(DType.INT8, DType.INT16, DType.INT32, DType.FLOAT32))
    if not with_value and form[0] is DType.INT32:
        form = (DType.FLOAT32, None)
    x, y = _pair(shape, tuple(b + n + a for (b, a), n in zip(widths, shape, strict=True)), form)
    tensors, inputs = [x, draws.constant("widths", np.array(widths, dtype=np.int32)), y], ("x", "widths")
    if with_value:
        tensors.append(draws.constant("value", draw(draws.arrays((1,), form[0])), form[1]))
        inputs += ("value",)
    operator = Operator("PADV2" if with_value else "PAD", inputs, ("y",))
    return draws.case(operator, tensors, draw(draws.steps([x])))


@given(_pads(with_value=False))
def test_pad(case: Case) -> None:
    assert_same_as_tflm(*case)


@given(_pads(with_value=True))
def test_padv2(case: Case) -> None:
    assert_same_as_tflm(*case)


@st.composite
def _concatenations(draw: st.DrawFn) -> Case:
    shape, (dtype, quant) = draw(draws.shapes()), draw(_formats())
    axis, sizes = (
        draw(st.integers(0, len(shape) - 1)),
        draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)),
    )
    xs = []
    for i, n in enumerate(sizes):
        part = (*shape[:axis], n, *shape[axis + 1 :])
        xs.append(draws.activation(f"x{i}", part, quant, dtype))
    y = draws.activation("y", (*shape[:axis], sum(sizes), *shape[axis + 1 :]), quant, dtype)
    signed = draw(st.sampled_from([axis, axis - len(shape)]))
    operator = Operator(
        "CONCATENATION", tuple(x.name for x in xs), ("y",), "ConcatenationOptions", {"axis": signed}
    )
    return draws.case(operator, [*xs, y], draw(draws.steps(xs)))


@given(_concatenations())
def test_concatenation(case: Case) -> None:
    assert_same_as_tflm(*case)


@st.composite
def _splits(draw: st.DrawFn, uneven: bool) -> Case:
    shape, (dtype, quant) = draw(draws.shapes()), draw(_formats())
    axis, count = draw(st.integers(0, len(shape) - 1)), draw(st.integers(1, 4))
    size = st.integers(1, 3)
    sizes = [draw(size) for _ in range(count)] if uneven else [draw(size)] * count
    x = draws.activation("x", (*shape[:axis], sum(sizes), *shape[axis + 1 :]), quant, dtype)
    ys = [
        draws.activation(f"y{i}", (*shape[:axis], n, *shape[axis + 1 :]), quant, dtype)
        for i, n in enumerate(sizes)
    ]
    names = tuple(y.name for y in ys)
    along = draws.int32s("axis", [axis])
    if uneven:
        operator = Operator("SPLIT_V", ("x", "sizes", "axis"), names, "SplitVOptions", {"num_splits": count})
        return draws.case(operator, [x, draws.int32s("sizes", sizes), along, *ys], draw(draws.steps([x])))
    operator = Operator("SPLIT", ("axis", "x"), names, "SplitOptions", {"num_splits": count})
    return draws.case(operator, [along, x, *ys], draw(draws.steps([x])))


@given(_splits(uneven=False))
def test_split(case: Case) -> None:
    assert_same_as_tflm(*case)


@given(_splits(uneven=True))
def test_split_v(case: Case) -> None:
    assert_same_as_tflm(*case)


@given(draws.shapes(1, 5, 5), st.data())
def test_slice(shape: Shape, data: st.DataObject) -> None:
    begin = [data.draw(st.integers(0, n - 1)) for n in shape]
    size = [data.draw(st.integers(1, n - b)) for n, b in zip(shape, begin, strict=True)]
    written = [
        data.draw(st.sampled_from([s, -1])) if b + s == n else s
        for n, b, s in zip(shape, begin, size, strict=True)
    ]
    x, y = _pair(shape, tuple(size), data.draw(_formats(*_TYPES)))
    tensors = [x, draws.int32s("begin", begin), draws.int32s("size", written), y]
    operator = Operator("SLICE", ("x", "begin", "size"), ("y",))
    assert_same_as_tflm(*draws.case(operator, tensors, data.draw(draws.steps([x]))))


@st.composite
def _strided_slices(draw: st.DrawFn) -> Case:
    shape = draw(draws.shapes(1, 4, 5))  # TFLM has no more dimensions here
    begins, ends, strides, out = [], [], [], []
    masks = {"begin_mask": 0, "end_mask": 0, "shrink_axis_mask": 0}
    for axis, n in enumerate(shape):
        begin, end = draw(st.integers(-n - 2, n + 2)), draw(st.integers(-n - 2, n + 2))
        stride = draw(st.sampled_from([1, 1, 1, 2, 3, -1, -2]))
        if draw(st.integers(0, 4)) == 0:
            begin, stride = draw(st.integers(-n, n - 1)), 1
            masks["shrink_axis_mask"] |= 1 << axis
        else:
            free_begin, free_end = draw(st.booleans()), draw(st.booleans())
            masks["begin_mask"] |= free_begin << axis
            masks["end_mask"] |= free_end << axis
            chosen = range(n)[slice(None if free_begin else begin, None if free_end else end, stride)]
            assume(len(chosen) > 0)
            out.append(len(chosen))
        begins.append(begin)
        ends.append(end)
        strides.append(stride)
    assume(out)
    x, y = _pair(shape, tuple(out), draw(_formats()))
    vectors = [draws.int32s(n, v) for n, v in (("begin", begins), ("end", ends), ("strides", strides))]
    operator = Operator(
        "STRIDED_SLICE", ("x", "begin", "end", "strides"), ("y",), "StridedSliceOptions", masks
    )
    return draws.case(operator, [x, *vectors, y], draw(draws.steps([x])))


@given(_strided_slices())
def test_strided_slice(case: Case) -> None:
    assert_same_as_tflm(*case)


@given(draws.shapes(1, 5, 5), st.data())
def test_transpose(shape: Shape, data: st.DataObject) -> None:
    perm = data.draw(st.permutations(range(len(shape))))
    x, y = _pair(shape, tuple(shape[p] for p in perm), data.draw(_formats()))
    operator = Operator("TRANSPOSE", ("x", "perm"), ("y",), "TransposeOptions")
    assert_same_as_tflm(
        *draws.case(operator, [x, draws.int32s("perm", perm), y], data.draw(draws.steps([x])))
    )


@pytest.mark.parametrize("table", ["TransposeOptions", ""])
def test_missing_options_mean_the_defaults(table: str) -> None:
    x, y = _pair((2, 3), (3, 2), (DType.FLOAT32, None))
    operator = Operator("TRANSPOSE", ("x", "perm"), ("y",), table)
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert_same_as_tflm(*draws.case(operator, [x, draws.int32s("perm", [1, 0]), y], [[values]]))
