"""Which kernel computes a layer: levels of --optimize, cost tables, measurements, explanations."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from mcugen import emulator, toolchain
from mcugen.boards import load_board
from mcugen.compile import CompileOptions, Quantized, compile_for
from mcugen.compiled import Compiled
from mcugen.emit.layers import LayerFunction, own_copies
from mcugen.emit.project import library_files, write_files
from mcugen.errors import InputError, ToolError
from mcugen.explain import explain, trades
from mcugen.firmware import build_runner, run_cases
from mcugen.inputs import generated_cases
from mcugen.interp import evaluate
from mcugen.ir import Graph
from mcugen.lowering import Costs, KernelCall, Rules, lower
from mcugen.lowering.choice import candidates, choose, contenders
from mcugen.lowering.costs import features, load_table, table_costs
from mcugen.lowering.costs.__main__ import BOARDS, fit, nonnegative_least_squares
from mcugen.lowering.costs.layers import layers
from mcugen.lowering.variant import LEVELS, SPEED_ONLY
from mcugen.manifest import manifest_of
from mcugen.ops import Conv2D
from tests.support.graphs import activation, classifier, graph, int8_constant, int32_constant

BOARD = "mps2-an386"


@pytest.fixture
def tools() -> None:
    try:
        toolchain.find_toolchain()
        emulator.find_qemu()
    except ToolError as error:
        pytest.skip(error.message)


def compiled(g: Graph, board: str = BOARD, **options: object) -> Compiled:
    return compile_for(
        Quantized(g, b"", "tflite", (), ()), "m.tflite", load_board(board), CompileOptions(**options)
    )


def tower(count: int = 4) -> Graph:
    """Convolutions of different sizes, all by the same kernel."""
    tensors, ops = [activation("x0", 1, 8, 8, 4)], []
    for i in range(count):
        channels = 4 + 3 * i
        tensors += [
            int8_constant(f"w{i}", (channels + 3, 3, 3, channels), seed=i),
            int32_constant(f"b{i}", [10 * i] * (channels + 3)),
            activation(f"x{i + 1}", 1, 8, 8, channels + 3),
        ]
        ops.append(
            Conv2D(
                inputs=(f"x{i}", f"w{i}", f"b{i}"),
                outputs=(f"x{i + 1}",),
                kernel=(3, 3),
                padding=(1, 1, 1, 1),
            )
        )
    return graph(tensors, ops, "x0", f"x{count}")


def contract(g: Graph) -> KernelCall:
    return g.ops[0].lower(g.tensors)[0]


# ---- candidates and rules ------------------------------------------------------------------------------


@pytest.mark.parametrize("instruction_class", ["v6m", "v7m", "dsp", "mve"])
@pytest.mark.parametrize("level", LEVELS)
def test_every_call_has_a_candidate_of_its_level(instruction_class: str, level: str) -> None:
    rules = Rules(instruction_class, "native", level)
    for layer in layers():
        for call in layer.op.lower(layer.tensors):
            found = candidates(call, rules)
            assert found and all(level in v.levels for v in found)


def test_variants_for_speed_only_are_left_to_that_level() -> None:
    calls = [call for layer in layers() for call in layer.op.lower(layer.tensors)]
    for kind in ("dsp", "mve"):
        usual = [
            v
            for c in calls
            for level in ("size", "balanced")
            for v in candidates(c, Rules(kind, optimize=level))
        ]
        assert not [v for v in usual if v.levels == SPEED_ONLY]
        assert [
            v for c in calls for v in candidates(c, Rules(kind, optimize="speed")) if v.levels == SPEED_ONLY
        ]


def test_auto_resorts_to_the_library_only_where_it_is() -> None:
    call = contract(tower())
    assert not [v for v in candidates(call, Rules("dsp", "auto")) if v.header.startswith("cmsis_nn/")]
    with_library = candidates(call, Rules("dsp", "auto", has_cmsis_nn=True))
    assert [v for v in with_library if v.header.startswith("cmsis_nn/")]
    assert with_library[0] == candidates(call, Rules("dsp"))[0]


def test_the_cheapest_is_taken_if_it_is_cheaper_by_the_margin() -> None:
    call, rules = contract(tower()), Rules("dsp", "auto", has_cmsis_nn=True)
    first, *others = contenders(candidates(call, rules))
    for cost, margin, expected in ((0.5, 0.05, others[0]), (0.97, 0.05, first), (0.97, 0.0, others[0])):
        known = {first.function: 100.0, others[0].function: 100.0 * cost}
        costs = Costs("test", margin, lambda call, v, known=known: known.get(v.function))
        (choice,) = choose([call], rules, costs)
        assert choice.variant == expected
        assert "test" in choice.reason


def test_a_candidate_of_unknown_cost_does_not_replace_the_first() -> None:
    call, rules = contract(tower()), Rules("dsp")
    (choice,) = choose([call], rules, Costs("test", 0.0, lambda call, v: None))
    assert choice.variant == candidates(call, rules)[0]


# ---- sharing of code -----------------------------------------------------------------------------------


def test_size_shares_one_function_and_speed_none() -> None:
    g = tower()
    assert not own_copies(lower(g, Rules("v7m", optimize="size")))
    program = lower(g, Rules("v7m", optimize="speed"))
    assert own_copies(program) == {(call.function, call.params) for call in program.calls}


def test_shared_functions_take_what_differs() -> None:
    call = contract(tower())
    other = call.with_params(in_w=300, in_offset=-7)
    function = LayerFunction.of("f", [call, other, call], [])
    assert dict(function.fields) == {("in_w", None): "uint16_t", ("in_offset", None): "int8_t"}
    record = function.record()
    assert ".in_w = v->in_w," in record["fields"] and ".k_h = 3," in record["fields"]
    assert function.varying(call) != function.varying(other)
    assert LayerFunction.of("f", [call, call], []).varying(call) == []


def test_arrays_differ_by_element() -> None:
    call = KernelCall("k", (("dims", (1, 2)), ("x", 1.5)), ("a",), ("b",), function="f", struct="s")
    function = LayerFunction.of("f", [call, call.with_params(dims=(1, 70_000), x=2.5)], [])
    assert dict(function.fields) == {("dims", 1): "int32_t", ("x", None): "float"}
    assert function.record()["fields"] == [".dims = {1, v->dims_1},", ".x = v->x,"]


@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.usefixtures("tools")
def test_all_levels_compute_the_same(board: str, level: str, tmp_path: Path) -> None:
    for name, g in (("tower", tower()), ("classifier", classifier())):
        c = compiled(g, board, optimize=level)
        manifest, project = manifest_of(c, "library"), tmp_path / name
        assert manifest.optimize == level
        write_files(library_files(c), project)
        elf = build_runner(project, manifest, c.board, project / "runner.elf")
        cases = generated_cases(manifest.inputs)
        for case, outputs in zip(cases, run_cases(elf, manifest, c.board, cases).outputs, strict=True):
            wanted = evaluate(g, dict(case))
            assert all(np.array_equal(outputs[n], wanted[n]) for n in g.outputs)


def test_trades_say_what_each_level_takes() -> None:
    found = {trade.optimize: trade for trade in trades(compiled(tower()))}
    assert found["size"].functions == 1 and found["speed"].functions == 4
    assert all(trade.constants > 0 for trade in found.values())


# ---- cost tables ---------------------------------------------------------------------------------------


def test_nonnegative_least_squares() -> None:
    rng = np.random.default_rng(1)
    a, x = rng.uniform(0, 1, (40, 4)), np.array([3.0, 0.0, 0.5, 20.0])
    assert np.allclose(nonnegative_least_squares(a, a @ x), x, atol=1e-6)
    assert (nonnegative_least_squares(a, -a @ x) == 0).all()


def test_fit_finds_the_cost_of_a_linear_kernel() -> None:
    calls = [
        call for layer in layers() for call in layer.op.lower(layer.tensors) if call.kernel == "conv2d_s8"
    ]
    rows = [
        (features(call), round(500 + 9 * features(call)["outputs"] + 0.75 * features(call)["macs"]))
        for call in calls
    ]
    model = fit(rows)
    assert model.error < 0.01
    assert all(
        abs(model.instructions(c) / count - 1) < 0.05 for c, (_, count) in zip(calls, rows, strict=True)
    )


def test_layers_are_valid_and_cover_all_contracts_with_weights() -> None:
    found = list(layers())
    assert not [problem for layer in found for problem in layer.op.check(layer.tensors)]
    kernels = {call.kernel for layer in found for call in layer.op.lower(layer.tensors)}
    assert {"conv2d_s8", "depthwise_conv2d_s8", "fully_connected_s8", "add_s8", "average_pool_s8"} <= kernels


@pytest.mark.parametrize("board", BOARDS)
def test_committed_tables_know_the_usual_kernels(board: str) -> None:
    core = load_board(board).core
    table, rules = load_table(core), Rules(load_board(board).instruction_class)
    for kernel in ("conv2d_s8", "depthwise_conv2d_s8", "fully_connected_s8"):
        models = [model for name, model in table.items() if name.startswith(f"mcugen_{kernel}")]
        assert models and all(factor >= 0 for model in models for factor in model.coefficients.values())
    call = contract(tower())
    costs = table_costs(core)
    assert costs is not None
    cost = costs.instructions(call, candidates(call, rules)[0])
    macs = features(call)["macs"]
    assert cost is not None and 0.1 * macs < cost < 100 * macs


def test_no_table_for_an_unknown_core() -> None:
    assert table_costs("cortex-m99") is None


# ---- tuning and explaining -----------------------------------------------------------------------------


@pytest.mark.usefixtures("tools")
def test_tuning_measures_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCUGEN_CACHE", str(tmp_path))
    first = compiled(tower(2), tune=True, optimize="speed")
    assert any("measured" in reason for step in first.program.steps for reason in step.reasons)
    figures = {path.name: path.read_text() for path in (tmp_path / "tuning").iterdir()}
    assert figures and all(int(text) > 0 for text in figures.values())
    monkeypatch.setattr("mcugen.measure.build_runner", None)  # nothing is left to be measured
    second = compiled(tower(2), tune=True, optimize="speed")
    assert [c.function for c in second.program.calls] == [c.function for c in first.program.calls]


def test_tuning_for_size_is_refused() -> None:
    with pytest.raises(InputError, match="--tune"):
        compiled(tower(), tune=True, optimize="size")


@pytest.mark.usefixtures("tools")
def test_explanation_has_expected_and_measured_instructions() -> None:
    c = compiled(tower(2))
    explanation = explain(c, CompileOptions())
    assert len(explanation.layers) == 2
    for layer in explanation.layers:
        assert layer.kernel and layer.reason and layer.macs > 0
        assert layer.measured is not None and layer.expected is not None
        assert 0.5 < layer.expected / layer.measured < 2
        assert layer.per_mac == layer.measured / layer.macs
        assert all(a.kernel != layer.kernel for a in layer.alternatives)
    data = explanation.data()
    assert data["layers"][0]["instructions_per_mac"] == explanation.layers[0].per_mac


def test_explanation_without_measuring() -> None:
    explanation = explain(compiled(tower(2)), CompileOptions(), measure=False)
    assert [layer.measured for layer in explanation.layers] == [None, None]
    assert dataclasses.asdict(explanation)["core"] == "cortex-m4"
