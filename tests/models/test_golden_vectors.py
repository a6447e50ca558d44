"""Every TFLite model of the zoo: exact, close, or refused, as listed here; a model that changes sides fails."""

from __future__ import annotations

import re
import zlib
from collections import Counter

import numpy as np
import pytest

from mcugen.compile import CompileOptions, load_quantized
from mcugen.errors import McugenError, UnsupportedModelError
from mcugen.frontends.tflite import load_tflite
from mcugen.interp import Interpreter
from mcugen.ir import Array, Graph
from tests.support.compare import assert_equal_bytes
from tests.support.zoo import Entry, Zoo

EXACT = (
    "ad01_int8",
    "ad01_int8_float_io",
    "catdog_float_io",
    "cfu_hps_presence_int8",
    "cfu_mobilenetv2_160_035_int8",
    "coral_split_concat_uint8",
    "emlearn_mnist_cnn_int8",
    "hello_world_int8",
    "ic_resnet8_int8",
    "ic_resnet8_large_int8",
    "keyword_scrambled_8bit",
    "keyword_scrambled_int16x8",
    "kws_ref_int8",
    "mcunet_vww_float_io",
    "micro_kws_m_int8",
    "micro_speech_int8",
    "mlzoo_kws_cnn_small_int8",
    "mltk_audio_example1_int8",
    "mltk_autoencoder_float_io",
    "mltk_fingerprint_int8",
    "mltk_kws_alexa_int8",
    "mltk_kws_mobilenetv2_int8",
    "mltk_kws_on_off_int8",
    "mltk_kws_pacman_v3_int8",
    "mltk_magic_wand_float_io",
    "mltk_rock_paper_scissors_float_io",
    "person_detect_int8",
    "simple_add_int8",
    "svdf_rescaled_int8",
    "sww_ref_int8",
    "tinymaix_cifar10_int8",
    "tinymaix_mobilenetv1_025_96_int8",
    "vww_96_int8",
)

# Largest difference over largest output. The two with int8 weights in float layers are compared with an engine that
# also quantizes their activations.
FLOAT = {
    "ad01_dynamic_range": 0.05,
    "ad01_float": 1e-5,
    "emlearn_mnist_cnn_float": 1e-5,
    "hello_world_float": 1e-4,
    "ic_resnet8_float": 1e-4,
    "kws_ref_float": 0.05,
    "micro_kws_m_float": 1e-4,
    "mltk_autoencoder_float": 1e-5,
    "mltk_kws_alexa_float": 1e-4,
    "mltk_rock_paper_scissors_float": 1e-4,
    "tinymaix_cifar10_float": 1e-4,
    "vww_96_float": 1e-5,
}

# The operators that the refusal must name, all of them.
_SIGNAL = {
    f"CUSTOM 'Signal{name}'"
    for name in (
        "Energy",
        "FftAutoScale",
        "FilterBank",
        "FilterBankLog",
        "FilterBankSpectralSubtraction",
        "FilterBankSquareRoot",
        "PCAN",
        "Rfft",
        "Window",
    )
}
_LSTM = {"UNIDIRECTIONAL_SEQUENCE_LSTM"}
REFUSED = {
    "audio_preprocessor_float": {*_SIGNAL, "CAST"},
    "audio_preprocessor_int8": {*_SIGNAL, "CAST", "DIV", "MAXIMUM", "MINIMUM"},
    "coral_lstm_mnist_uint8_io": _LSTM,
    "coral_mobilenetv1_025_128_uint8": {"AVERAGE_POOL_2D", "CONV_2D", "DEPTHWISE_CONV_2D", "SOFTMAX"},
    "dtln_noise_suppression_int8": _LSTM,
    "efinix_face_landmark_int8": {"MAXIMUM"},
    "micro_speech_lstm_int8": _LSTM,
    "mnist_lenet300_logsoftmax": {"LOG_SOFTMAX"},
    "mnist_lstm_float": _LSTM,
    "mnist_lstm_int8": _LSTM,
    "mww_okay_nabu_v2": {"ASSIGN_VARIABLE", "CALL_ONCE", "READ_VARIABLE", "VAR_HANDLE"},
    "negative_unknown_custom_op": {"CUSTOM 'fake-op-double'"},
    "person_detect_vela": {"CUSTOM 'ethos-u'"},
}

# Inferences per model: all eight, unless they are large.
_MACS_PER_TEST = 300_000_000


def _cases(entry: Entry) -> range:
    return range(max(1, min(8, _MACS_PER_TEST // max(1, entry.record["macs"]))))


def _inputs(graph: Graph, golden: dict[str, Array], case: int) -> dict[str, Array]:
    return {name: golden[f"in{i}"][case] for i, name in enumerate(graph.inputs)}


def _load(entry: Entry) -> Graph:
    return load_tflite(entry.path.read_bytes(), "model").graph


def test_every_model_of_the_zoo_is_listed(zoo: Zoo) -> None:
    names = [*EXACT, *FLOAT, *REFUSED]
    assert sorted(names) == sorted(str(e.record["name"]) for e in zoo.entries())


@pytest.mark.parametrize("name", EXACT)
def test_outputs_and_inner_layers(zoo: Zoo, name: str) -> None:
    """Outputs byte for byte, and each layer by its checksum."""
    entry = zoo.entry(name)
    graph, golden = _load(entry), entry.golden()
    for case in _cases(entry):
        values = Interpreter(graph).run(_inputs(graph, golden, case))
        for i, output in enumerate(graph.outputs):
            assert_equal_bytes(
                values[output], golden[f"out{i}"][case], f"output {i} of case {golden['cases'][case]}"
            )
        if "op_crc32" in golden:
            _assert_layers(graph, values, golden["op_crc32"][case])


def _assert_layers(graph: Graph, values: dict[str, Array], checksums: Array) -> None:
    for op in graph.ops:
        number = re.search(r"#(\d+) ", op.origin)
        assert number, f"no operator number in '{op.origin}'"
        found = zlib.crc32(np.ascontiguousarray(values[op.outputs[0]]).tobytes())
        assert found == checksums[int(number[1])], f"the first layer that differs: {op.origin}"


@pytest.mark.parametrize("name", EXACT)
def test_passes_keep_the_outputs(zoo: Zoo, name: str) -> None:
    """The graph that is compiled gives what the imported one gives."""
    entry = zoo.entry(name)
    graph, golden = load_quantized(entry.path, CompileOptions()).graph, entry.golden()
    for case in list(_cases(entry))[:2]:
        values = Interpreter(graph).run(_inputs(graph, golden, case))
        for i, output in enumerate(graph.outputs):
            assert_equal_bytes(
                values[output], golden[f"out{i}"][case], f"output {i} of case {golden['cases'][case]}"
            )


@pytest.mark.parametrize(
    "name", ["keyword_scrambled_8bit", "keyword_scrambled_int16x8", "svdf_rescaled_int8"]
)
def test_state_lives_on_between_inferences(zoo: Zoo, name: str) -> None:
    entry = zoo.entry(name)
    assert entry.stateful
    graph, golden = _load(entry), entry.golden()
    interpreter = Interpreter(graph)
    for _ in range(2):
        for case in range(8):
            values = interpreter.run(_inputs(graph, golden, case))
            for i, output in enumerate(graph.outputs):
                assert_equal_bytes(
                    values[output], golden[f"seq_out{i}"][case], f"output {i} of inference {case}"
                )
        interpreter.reset()


def test_every_stateful_model_is_tested_as_such(zoo: Zoo) -> None:
    stateful = {str(e.record["name"]) for e in zoo.entries() if e.stateful}
    assert stateful & set(EXACT) == {
        "keyword_scrambled_8bit",
        "keyword_scrambled_int16x8",
        "svdf_rescaled_int8",
    }


@pytest.mark.parametrize("name", FLOAT)
def test_float_models_are_close(zoo: Zoo, name: str) -> None:
    entry = zoo.entry(name)
    graph, golden = _load(entry), entry.golden()
    for case in range(8):
        values = Interpreter(graph).run(_inputs(graph, golden, case))
        for i, output in enumerate(graph.outputs):
            expected = golden[f"out{i}"][case]
            assert values[output].dtype == np.float32 and values[output].shape == expected.shape
            assert np.abs(values[output] - expected).max() <= FLOAT[name] * np.abs(golden[f"out{i}"]).max()


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_name_every_operator(zoo: Zoo, name: str) -> None:
    entry = zoo.entry(name)
    with pytest.raises(UnsupportedModelError) as caught:
        load_quantized(entry.path, CompileOptions())
    lines = caught.value.message.splitlines()
    assert {re.sub(r" #\d+ .*", "", line) for line in lines} == REFUSED[name]
    assert all(": " in line for line in lines) and caught.value.where == str(entry.path) and caught.value.hint


# The int16 models of one operator each, of seanet: those of these folders are supported.
_SEANET_SUPPORTED = {"pad": 19, "strided_slice": 34, "quantize": 1}


def test_single_operator_models(zoo: Zoo) -> None:
    """Exact, or refused with an error of mcugen's; none changes sides."""
    exact: Counter[str] = Counter()
    files = sorted((zoo.root / "models" / "tflm" / "seanet").rglob("*.tflite"))
    assert len(files) > 100
    for path in files:
        try:
            graph = load_quantized(path, CompileOptions()).graph
        except McugenError:
            continue
        with np.load(zoo.root / "vectors" / "seanet" / path.parent.name / f"{path.stem}.npz") as golden:
            x, y = graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]
            found = Interpreter(graph).run({x.name: golden["input0"].reshape(x.shape)})[y.name]
            assert_equal_bytes(found, golden["golden"].reshape(y.shape), path.stem)
        exact[path.parent.name] += 1
    assert exact == _SEANET_SUPPORTED
