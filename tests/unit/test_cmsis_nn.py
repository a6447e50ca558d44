"""The CMSIS-NN provider: what applies, what calls are made of, scratch sizes against the library's."""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mcugen.cmsis_nn_source import CALLED, CmsisNn, find_cmsis_nn
from mcugen.ir import DType, QuantParams, Tensor, Tensors
from mcugen.lowering import cmsis_nn
from mcugen.lowering.call import KernelCall
from mcugen.lowering.variant import INSTRUCTION_CLASSES, InstructionClass
from mcugen.ops import (
    AveragePool2D,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    Mul,
    Pad,
    Softmax,
    Svdf,
    Transpose,
)
from mcugen.resources import resource_dir

HEADERS = resource_dir("firmware") / "kernels" / "cmsis_nn"


def int8(name: str, shape: tuple[int, ...], data: np.ndarray | None = None, zero_point: int = 0) -> Tensor:
    return Tensor(name, DType.INT8, shape, QuantParams.per_tensor(0.05, zero_point), data)


def weights(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-127, 128, shape, dtype=np.int8)


def lowered(op: Conv2D | DepthwiseConv2D, in_shape: tuple[int, ...], w_shape: tuple[int, ...]) -> KernelCall:
    w = weights(w_shape)
    tensors = {"x": int8("x", in_shape, zero_point=-3), "w": int8("w", w_shape, w)}
    tensors["y"] = int8("y", op.infer(in_shape, w_shape)[0])
    return op.lower(tensors)[0]


def conv(
    in_shape: tuple[int, int, int],
    out_c: int,
    kernel: tuple[int, int],
    stride: tuple[int, int] = (1, 1),
    padding: tuple[int, int, int, int] = (0, 0, 0, 0),
    dilation: tuple[int, int] = (1, 1),
    groups: int = 1,
) -> KernelCall:
    op = Conv2D(
        inputs=("x", "w", ""), outputs=("y",), kernel=kernel, stride=stride, padding=padding,
        dilation=dilation, groups=groups,
    )  # fmt: skip
    return lowered(op, (1, *in_shape), (out_c, *kernel, in_shape[2] // groups))


def depthwise(
    in_shape: tuple[int, int, int],
    multiplier: int,
    kernel: tuple[int, int],
    stride: tuple[int, int] = (1, 1),
    padding: tuple[int, int, int, int] = (0, 0, 0, 0),
    dilation: tuple[int, int] = (1, 1),
) -> KernelCall:
    op = DepthwiseConv2D(
        inputs=("x", "w", ""),
        outputs=("y",),
        kernel=kernel,
        stride=stride,
        padding=padding,
        dilation=dilation,
    )
    return lowered(op, (1, *in_shape), (1, *kernel, in_shape[2] * multiplier))


def names(call: KernelCall, instruction_class: InstructionClass) -> list[str]:
    return [variant.name for variant in cmsis_nn.candidates(call, instruction_class)]


# ---- the tables and the headers ------------------------------------------------------------------------


@pytest.mark.parametrize("instruction_class", INSTRUCTION_CLASSES)
def test_every_variant_has_its_adapter(instruction_class: InstructionClass) -> None:
    for variant in cmsis_nn.VARIANTS[instruction_class]:
        header = HEADERS.parent / variant.header
        assert re.search(rf"\b{variant.function}\(", header.read_text()), variant.function
        assert variant.runs_on(instruction_class)


def test_called_functions_are_listed() -> None:
    text = "".join(header.read_text() for header in HEADERS.glob("*.h"))
    assert set(re.findall(r"\b(arm_\w+)\(", text)) == set(CALLED)


# ---- what applies --------------------------------------------------------------------------------------


def test_1x1_with_padding_after_the_input_is_not_given_to_the_1x1_function() -> None:
    inside = conv((5, 5, 8), 4, (1, 1))
    outside = conv((5, 5, 8), 4, (1, 1), padding=(0, 0, 0, 1))
    for instruction_class in INSTRUCTION_CLASSES:
        assert names(inside, instruction_class) == ["cmsis_nn", "cmsis_nn_basic"]
        assert names(outside, instruction_class) == ["cmsis_nn_basic"]


@pytest.mark.parametrize(
    ("width", "kernel", "stride", "left", "right", "exact"),
    [
        (16, 3, 1, 1, 1, True),
        (16, 4, 1, 1, 2, True),
        (16, 3, 2, 0, 1, True),
        (16, 3, 1, 0, 0, True),
        (2, 3, 1, 1, 1, True),  # falls back to the general function
        (4, 3, 2, 1, 1, False),  # refused: less padding is used after the input than before
        (16, 3, 2, 0, 0, False),  # an element is left over after the last window
        (16, 5, 1, 0, 4, False),  # refused: much more after than before
        (9, 3, 3, 2, 2, False),  # the first window in the right padding reaches two elements into it
    ],
)
def test_mve_1xn(width: int, kernel: int, stride: int, left: int, right: int, exact: bool) -> None:
    call = conv((1, width, 8), 4, (1, kernel), (1, stride), (0, 0, left, right))
    assert ("cmsis_nn" in names(call, "mve")) == exact
    assert "cmsis_nn_basic" in names(call, "mve")
    assert "cmsis_nn" in names(call, "dsp")


def test_3x3_depthwise_with_wide_padding_after_the_input() -> None:
    call = depthwise((4, 4, 3), 1, (3, 3), padding=(0, 0, 0, 2))
    assert names(call, "scalar") == names(call, "dsp") == ["cmsis_nn_basic"]
    assert names(call, "mve") == ["cmsis_nn", "cmsis_nn_basic"]


def test_depthwise_of_one_channel_is_a_convolution_on_mve() -> None:
    call = depthwise((49, 40, 1), 8, (10, 8), (2, 2), (4, 5, 3, 3))
    assert names(call, "dsp") == ["cmsis_nn", "cmsis_nn_basic"]
    assert names(call, "mve") == ["cmsis_nn_conv", "cmsis_nn_basic"]
    own = cmsis_nn.candidates(call, "mve")[0].specialise(call)
    assert own.constant("weights").shape == (8, 10, 8, 1)
    assert np.array_equal(own.constant("weights")[..., 0], call.constant("weights")[0].transpose(2, 0, 1))
    assert own.params == call.params


def test_pool_windows_in_the_padding_are_left_to_native() -> None:
    op = AveragePool2D(inputs=("x",), outputs=("y",), kernel=(2, 2), padding=(0, 2, 0, 0))
    tensors = {"x": int8("x", (1, 4, 4, 3)), "y": int8("y", op.infer((1, 4, 4, 3))[0])}
    assert names(op.lower(tensors)[0], "dsp") == []


def test_broadcast_multiplication_needs_runs() -> None:
    def call(a: tuple[int, ...], b: tuple[int, ...]) -> KernelCall:
        op = Mul(inputs=("a", "b"), outputs=("y",))
        tensors = {"a": int8("a", a), "b": int8("b", b), "y": int8("y", op.infer(a, b)[0])}
        return op.lower(tensors)[0]

    assert names(call((1, 4, 4, 8), (1, 1, 1, 8)), "dsp") == ["cmsis_nn"]
    assert names(call((1, 4, 4, 8), (1, 4, 4, 1)), "dsp") == []


# ---- prepared calls ------------------------------------------------------------------------------------


def dense_call(rows: int, in_n: int, out_n: int, zero_point: int) -> KernelCall:
    op = FullyConnected(inputs=("x", "w", "b"), outputs=("y",))
    bias = np.arange(out_n, dtype=np.int32) * 1000
    tensors = {
        "x": int8("x", (rows, in_n), zero_point=zero_point),
        "w": int8("w", (out_n, in_n), weights((out_n, in_n))),
        "b": Tensor("b", DType.INT32, (out_n,), None, bias),
        "y": int8("y", (rows, out_n)),
    }
    return op.lower(tensors)[0]


def test_kernel_sums_stand_in_place_of_the_bias() -> None:
    call = dense_call(2, 5, 3, zero_point=-7)
    own = cmsis_nn.candidates(call, "mve")[0].specialise(call)
    assert [c.role for c in own.constants] == ["weights", "kernel_sums", "multiplier", "shift"]
    sums = call.constant("bias") + 7 * call.constant("weights").astype(np.int32).sum(axis=1)
    assert np.array_equal(own.constant("kernel_sums"), sums)
    assert own.scratch is None
    assert cmsis_nn.candidates(call, "dsp")[0].specialise(call).constants == call.constants


@pytest.mark.parametrize("dtype", [DType.INT8, DType.INT16])
def test_svdf_scratch_holds_filters_and_units(dtype: DType) -> None:
    op = Svdf(inputs=("x", "wf", "wt", "", "s"), outputs=("y",), rank=2)
    time = np.ones((8, 4), dtype=dtype.numpy)
    scale = QuantParams.per_tensor(0.05, 0)
    tensors = {
        "x": int8("x", (2, 10)),
        "wf": int8("wf", (8, 10), weights((8, 10))),
        "wt": Tensor("wt", dtype, (8, 4), scale, time),
        "s": Tensor("s", dtype, (2, 32), scale, np.zeros((2, 32), dtype.numpy), variable=True),
        "y": int8("y", (2, 4)),
    }
    call = op.lower(tensors)[0]
    for instruction_class in INSTRUCTION_CLASSES:
        own = cmsis_nn.candidates(call, instruction_class)[0].specialise(call)
        assert own.scratch == 4 * 2 * (8 + 4)
        sums = instruction_class == "mve" and dtype is DType.INT8
        assert ("kernel_sums" in [c.role for c in own.constants]) == sums


def softmax_call(depth: int) -> KernelCall:
    op = Softmax(inputs=("x",), outputs=("y",))
    y = Tensor("y", DType.INT8, (2, depth), QuantParams.per_tensor(1 / 256, -128))
    return op.lower({"x": int8("x", (2, depth)), "y": y})[0]


def test_long_softmax_is_left_to_native() -> None:
    assert names(softmax_call(511), "dsp") == ["cmsis_nn"]
    assert names(softmax_call(512), "dsp") == []


def test_softmax_needs_no_table() -> None:
    call = softmax_call(10)
    own = cmsis_nn.candidates(call, "scalar")[0].specialise(call)
    assert own.constants == ()
    assert own.param("diff_min") < 0 < own.param("in_multiplier")


small_dims = st.lists(st.integers(1, 4), min_size=1, max_size=5).map(tuple)


@given(dims=small_dims, data=st.data(), dtype=st.sampled_from([DType.INT8, DType.UINT8, DType.INT16]))
@settings(deadline=None)
def test_padding_of_bytes_is_the_padding(dims: tuple[int, ...], data: st.DataObject, dtype: DType) -> None:
    amount = st.lists(st.integers(0, 2), min_size=len(dims), max_size=len(dims)).map(tuple)
    op = Pad(
        inputs=("x",), outputs=("y",), before=data.draw(amount), after=data.draw(amount),
        value=data.draw(st.integers(*dtype.bounds)),
    )  # fmt: skip
    x = np.arange(np.prod(dims)).astype(dtype.numpy).reshape(dims)
    tensors = {"x": Tensor("x", dtype, dims), "y": Tensor("y", dtype, op.infer(dims)[0])}
    call = op.lower(tensors)[0]
    for variant in cmsis_nn.candidates(call, "scalar"):
        p = dict(variant.specialise(call).params)
        widths = tuple(zip(p["before"], p["after"], strict=True))
        padded = np.pad(x.view(np.int8).reshape(p["in_dims"]), widths, constant_values=p["value"])
        assert padded.tobytes() == op.evaluate(tensors, x)[0].tobytes()


@given(dims=small_dims, data=st.data(), dtype=st.sampled_from([DType.INT8, DType.INT16, DType.INT32]))
@settings(deadline=None)
def test_transposition_of_bytes_is_the_transposition(
    dims: tuple[int, ...], data: st.DataObject, dtype: DType
) -> None:
    op = Transpose(inputs=("x",), outputs=("y",), perm=tuple(data.draw(st.permutations(range(len(dims))))))
    x = np.arange(np.prod(dims)).astype(dtype.numpy).reshape(dims)
    tensors: Tensors = {"x": Tensor("x", dtype, dims), "y": Tensor("y", dtype, op.infer(dims)[0])}
    call = op.lower(tensors)[0]
    for variant in cmsis_nn.candidates(call, "scalar"):
        p = dict(variant.specialise(call).params)
        rank = p["rank"]
        moved = x.reshape(-1).view(np.int8).reshape(p["in_dims"][:rank]).transpose(p["permutation"][:rank])
        assert moved.shape == p["out_dims"][:rank]
        assert moved.tobytes() == op.evaluate(tensors, x)[0].tobytes()


# ---- scratch sizes against the library -----------------------------------------------------------------


class Dims(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int32) for name in "nhwc"]


WINDOW_FIELDS = ("stride_w", "stride_h", "pad_w", "pad_h", "dilation_w", "dilation_h", "low", "high")


class ConvParams(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int32) for name in ("in_offset", "out_offset", *WINDOW_FIELDS)]


class DepthwiseParams(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int32) for name in ("in_offset", "out_offset", "mult", *WINDOW_FIELDS)]


SIZE_SOURCES = (
    "ConvolutionFunctions/arm_convolve_get_buffer_sizes_s8.c",
    "ConvolutionFunctions/arm_depthwise_conv_get_buffer_sizes_s8.c",
    "FullyConnectedFunctions/arm_fully_connected_get_buffer_sizes_s8.c",
    "FullyConnectedFunctions/arm_vector_sum_s8.c",
    "PoolingFunctions/arm_avgpool_get_buffer_sizes_s8.c",
)


def installed() -> CmsisNn:
    if not os.environ.get("CMSIS_NN_ROOT"):
        pytest.skip("CMSIS_NN_ROOT is not set: no CMSIS-NN to compare with")
    found = find_cmsis_nn()
    if not found.corrected:
        pytest.skip(f"CMSIS-NN {found.version} computes scratch sizes wrong: its main branch is needed")
    return found


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The library's size functions, compiled for the host: those of each class are there on every target."""
    source = installed()
    target = tmp_path_factory.mktemp("cmsis_nn") / "sizes.so"
    files = [str(source.root / "Source" / name) for name in SIZE_SOURCES]
    includes = [f"-I{folder}" for folder in source.include_dirs]
    subprocess.run(["gcc", "-w", "-O1", "-shared", "-fPIC", *includes, *files, "-o", str(target)], check=True)
    return ctypes.CDLL(str(target))


SUFFIX: dict[InstructionClass, str] = {"scalar": "", "v6m": "", "v7m": "", "dsp": "_dsp", "mve": "_mve"}


def window_dims(call: KernelCall) -> tuple[Dims, Dims]:
    return tuple(Dims(1, *(call.param(f"{side}_{axis}") for axis in "hwc")) for side in ("in", "out"))


def conv_params(call: KernelCall) -> ConvParams:
    p = call.param
    return ConvParams(
        p("in_offset"), p("out_offset"), p("stride_w"), p("stride_h"), p("pad_left"), p("pad_top"),
        p("dilation_w"), p("dilation_h"), p("act_min"), p("act_max"),
    )  # fmt: skip


def library_conv_size(library: ctypes.CDLL, call: KernelCall, name: str, cls: InstructionClass) -> int:
    in_dims, out_dims = window_dims(call)
    filter_dims = Dims(
        call.param("out_c"), call.param("k_h"), call.param("k_w"), call.param("in_c") // call.param("groups")
    )
    if name == "cmsis_nn_basic":
        function = library[f"arm_convolve_s8_get_buffer_size{'_mve' if cls == 'mve' else ''}"]
        return int(function(ctypes.byref(in_dims), ctypes.byref(filter_dims)))
    function = library[f"arm_convolve_wrapper_s8_get_buffer_size{SUFFIX[cls]}"]
    arguments = (conv_params(call), in_dims, filter_dims, out_dims)
    return int(function(*map(ctypes.byref, arguments)))


def library_depthwise_size(library: ctypes.CDLL, call: KernelCall, cls: InstructionClass) -> int:
    c = conv_params(call)
    params = DepthwiseParams(
        c.in_offset, c.out_offset, call.param("multiplier"), c.stride_w, c.stride_h, c.pad_w, c.pad_h,
        c.dilation_w, c.dilation_h, c.low, c.high,
    )  # fmt: skip
    in_dims, out_dims = window_dims(call)
    filter_dims = Dims(1, call.param("k_h"), call.param("k_w"), call.param("out_c"))
    function = library[f"arm_depthwise_conv_wrapper_s8_get_buffer_size{SUFFIX[cls]}"]
    return int(function(*map(ctypes.byref, (params, in_dims, filter_dims, out_dims))))


pair = st.tuples(st.integers(1, 3), st.integers(1, 3))


@st.composite
def convolutions(draw: st.DrawFn) -> KernelCall:
    row = draw(st.booleans())
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    kernel = (1, draw(st.integers(1, 6))) if row else draw(pair)
    in_shape = (
        1 if row else draw(st.integers(1, 9)),
        draw(st.integers(1, 16)),
        draw(st.integers(1, 9)) * groups,
    )
    padding = draw(st.tuples(*(st.integers(0, k - 1) for k in (kernel[0], kernel[0], kernel[1], kernel[1]))))
    dilation = draw(st.sampled_from([(1, 1), (1, 1), (2, 1), (1, 2)]))
    try:
        return conv(in_shape, draw(st.integers(1, 4)) * groups, kernel, draw(pair), padding, dilation, groups)
    except ValueError:
        assume(False)
        raise


@st.composite
def depthwise_convolutions(draw: st.DrawFn) -> KernelCall:
    kernel = draw(st.sampled_from([(3, 3), (1, 1), (2, 3), (5, 2)]))
    in_shape = (draw(st.integers(1, 9)), draw(st.integers(1, 9)), draw(st.integers(1, 140)))
    padding = draw(st.tuples(*(st.integers(0, k - 1) for k in (kernel[0], kernel[0], kernel[1], kernel[1]))))
    dilation = draw(st.sampled_from([(1, 1), (1, 1), (2, 1), (1, 2)]))
    try:
        return depthwise(in_shape, draw(st.sampled_from([1, 1, 2, 4])), kernel, draw(pair), padding, dilation)
    except ValueError:
        assume(False)
        raise


@given(call=convolutions(), cls=st.sampled_from(INSTRUCTION_CLASSES))
@settings(deadline=None, max_examples=500)
def test_convolution_scratch(library: ctypes.CDLL, call: KernelCall, cls: InstructionClass) -> None:
    variants = cmsis_nn.candidates(call, cls)
    assert variants
    for variant in variants:
        assert variant.specialise(call).scratch == library_conv_size(library, call, variant.name, cls)


@given(call=depthwise_convolutions(), cls=st.sampled_from(INSTRUCTION_CLASSES))
@settings(deadline=None, max_examples=300)
def test_depthwise_scratch(library: ctypes.CDLL, call: KernelCall, cls: InstructionClass) -> None:
    for variant in cmsis_nn.candidates(call, cls):
        own = variant.specialise(call)
        if variant.name == "cmsis_nn":
            assert own.scratch == library_depthwise_size(library, call, cls)
        elif variant.name == "cmsis_nn_conv":
            # the library's size holds the transposed weights too
            assert own.scratch == library_depthwise_size(library, call, cls) - own.constant("weights").size
        else:
            assert own.scratch is None


@pytest.mark.parametrize("channels", [1, 5, 64])
@pytest.mark.parametrize("instruction_class", INSTRUCTION_CLASSES)
def test_average_pool_scratch(
    library: ctypes.CDLL, channels: int, instruction_class: InstructionClass
) -> None:
    op = AveragePool2D(inputs=("x",), outputs=("y",), kernel=(2, 2), stride=(2, 2))
    shape = (1, 8, 6, channels)
    call = op.lower({"x": int8("x", shape), "y": int8("y", op.infer(shape)[0])})[0]
    own = cmsis_nn.candidates(call, instruction_class)[0].specialise(call)
    assert own.scratch == library[f"arm_avgpool_s8_get_buffer_size{SUFFIX[instruction_class]}"](3, channels)


@pytest.mark.parametrize("zero_point", [0, -128, 127])
def test_kernel_sums_equal_the_librarys(library: ctypes.CDLL, zero_point: int) -> None:
    call = dense_call(1, 37, 11, zero_point)
    table = cmsis_nn.candidates(call, "mve")[0].specialise(call).constant("kernel_sums")
    assert table.nbytes == library.arm_fully_connected_s8_get_buffer_size_mve(
        ctypes.byref(Dims(37, 1, 1, 11))
    )
    sums = np.zeros(11, dtype=np.int32)
    w, bias = np.ascontiguousarray(call.constant("weights")), call.constant("bias")
    library.arm_vector_sum_s8(
        sums.ctypes, 37, 11, w.ctypes, ctypes.c_int32(call.param("in_offset")), 0, bias.ctypes
    )
    assert np.array_equal(table, sums)


# ---- the adapters as C ---------------------------------------------------------------------------------

WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror")


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_adapters_compile_without_warnings(compiler: str, tmp_path: Path) -> None:
    source = installed()
    unit = tmp_path / "all.c"
    unit.write_text(
        "".join(f'#include "{header}"\n' for header in sorted(HEADERS.glob("*.h"))) + "extern int x;\n"
    )
    includes = [f"-I{folder}" for folder in source.include_dirs]
    command = [compiler, "-std=c11", "-O1", *WARNINGS, "-fsyntax-only", *includes, str(unit)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
