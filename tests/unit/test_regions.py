"""--regions: what is understood, what is refused, and what the generated code and the projects make of it."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from mcugen import toolchain
from mcugen.boards import load_board
from mcugen.compile import CompileOptions, Quantized, check_arena, compile_for
from mcugen.compiled import Compiled
from mcugen.emit.model import model_files
from mcugen.emit.outputs import OUTPUTS, WITH_REGIONS
from mcugen.emit.project import project_files
from mcugen.emit.regions import region_names
from mcugen.emit.several import together
from mcugen.errors import DoesNotFitError, InputError
from mcugen.manifest import manifest_of
from mcugen.memory.spread import Bank
from mcugen.regions import banks_of
from tests.memory.residual import residual_graph
from tests.support import graphs

DISCO = load_board("stm32f746g-disco")


def compiled_for(regions: str, board: str = "stm32f746g-disco") -> Compiled:
    quantized = Quantized(residual_graph(), b"", "tflite", ())
    return compile_for(quantized, "residual.tflite", load_board(board), CompileOptions(regions=regions))


def test_the_single_arena_is_the_default() -> None:
    assert banks_of(DISCO, CompileOptions().regions) is None


def test_auto_is_what_the_board_gives() -> None:
    banks = banks_of(DISCO, "auto")
    assert banks is not None and (banks.constants, banks.arena) == (8.0, 5.0)
    assert [(b.name, b.size, b.cost) for b in banks.banks] == [
        ("dtcm", DISCO.room("dtcm"), 1.0),
        ("sram1", DISCO.room("sram1"), 5.0),
        ("sram2", DISCO.room("sram2"), 5.0),
    ]


def test_memories_by_name_with_bytes() -> None:
    banks = banks_of(DISCO, "dtcm=8K, sdram")
    assert banks is not None
    assert [(b.name, b.size) for b in banks.banks] == [("dtcm", 8192), ("sdram", DISCO.room("sdram"))]
    assert banks.banks[1].setup


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ("sram9", "'sram9' is not a memory of the board"),
        ("", "'' is not a memory of the board"),
        ("flash", "'flash' is not a RAM"),
        ("itcm", "'itcm' starts at address 0"),
        ("dtcm,dtcm=4K", "has a name twice"),
        ("dtcm=", "'dtcm=' is not NAME=BYTES"),
        ("dtcm=0", "'dtcm=0' is not NAME=BYTES"),
        ("dtcm=4KB", "'dtcm=4KB' is not NAME=BYTES"),
        ("dtcm=64K", "'dtcm=64K' is more than the 57,088 bytes that dtcm has for it"),
    ],
)
def test_what_is_refused(choice: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        banks_of(DISCO, choice)
    assert message in caught.value.message and caught.value.where == "--regions"


def test_the_interface_has_one_buffer_per_region() -> None:
    files = model_files(compiled_for("dtcm=1700,sram1=8K,sdram"))
    header, source = files["include/residual.h"], files["src/residual.c"]
    for region in ("dtcm", "sram1"):
        assert f"    void *{region};\n    size_t {region}_size;\n" in header
        assert f"    uint8_t *{region};\n" in header
        assert re.search(rf"#define RESIDUAL_{region.upper()}_SIZE \d+u", header)
        assert f"#define RESIDUAL_{region.upper()}_ALIGN 16u" in header
        assert f'".mcugen.{region}"' in source
    assert "ARENA_SIZE" not in header.replace("MCUGEN_ERROR_ARENA_SIZE", "")
    assert "int residual_init(residual_context *context, const residual_memory *memory);" in header


def test_copies_of_constants_are_made_in_init() -> None:
    source = model_files(compiled_for("auto"))["src/residual.c"]
    init = source[source.index("int residual_init") : source.index("void residual_reset_state")]
    assert "memcpy(context->dtcm + 0u, residual_00_weights, 576u);" in init
    assert "COPY_BEGIN" not in source and "(const int8_t *)(dtcm + 0u)" in source


def test_regions_have_names_that_c_allows() -> None:
    """Memories may have the names of keywords, and of what is in the generated code already."""
    compiled = compiled_for("dtcm=1700,sram1=8K")
    spread, plan = compiled.memory.spread, compiled.memory.plan
    assert spread is not None
    names = ("int", "context", "arena", "input_0", "weights", "fine")
    memory = replace(
        compiled.memory,
        plan=replace(plan, peaks=dict.fromkeys(names, 16)),
        spread=replace(spread, banks=tuple(Bank(name, 16, 1.0) for name in names)),
    )
    found = [region.name for region in region_names(replace(compiled, memory=memory))]
    assert found == ["m_int", "context_memory", "arena_memory", "input_0_memory", "weights_memory", "fine"]


def test_manifest_and_linker_scripts_name_the_regions() -> None:
    compiled = compiled_for("dtcm=1700,sram1=8K")
    files = project_files(compiled, "make")
    manifest = json.loads(files["mcugen.json"])
    assert [region["memory"] for region in manifest["regions"]] == ["dtcm", "sram1"]
    assert manifest["arena_bytes"] == sum(region["bytes"] for region in manifest["regions"])
    assert "*(.mcugen.dtcm)\n    } > dtcm" in files["example/stm32f746g-disco.ld"]
    twin = files["example/mps2-an500.ld"]
    assert twin.index("*(.mcugen.dtcm)") < twin.index("> ssram23", twin.index(".arena (NOLOAD)"))
    assert '__attribute__((section(".mcugen.sram1")))' in files["example/main.c"]


def test_a_single_arena_says_nothing_of_regions() -> None:
    compiled = compiled_for("single")
    files = project_files(compiled, "make")
    assert "regions" not in json.loads(files["mcugen.json"])
    assert ".mcugen.dtcm" not in files["example/mps2-an500.ld"]
    assert manifest_of(compiled, "make").regions == ()


def test_memories_that_the_twin_has_are_used() -> None:
    board = load_board("corstone-300")
    absent = toolchain.absent_memories(board, board.twin())
    # The emulator's DTCM holds a larger stack.
    assert "dtcm" in absent and "sram" not in absent and "isram" not in absent
    assert toolchain.absent_memories(board, board) == ()


@pytest.mark.parametrize("kind", [kind for kind in OUTPUTS if kind not in WITH_REGIONS])
def test_projects_with_one_arena_refuse(kind: str) -> None:
    with pytest.raises(InputError) as caught:
        project_files(compiled_for("auto"), kind)
    assert f"'{kind}' projects have a single arena" in caught.value.message
    assert "cmake, make, zephyr" in caught.value.hint


def test_several_models_refuse() -> None:
    with pytest.raises(InputError) as caught:
        together("both", [compiled_for("auto")], concurrent=False)
    assert caught.value.where == "--regions"


def _too_large(board: str, **sizes: int) -> Compiled:
    """A model compiled for a board with smaller memories."""
    found = load_board(board)
    memories = (replace(m, size=sizes.get(m.name, m.size)) for m in found.memories)
    quantized = Quantized(graphs.classifier(), b"", "tflite", ())
    small = replace(found, memories=tuple(memories))
    return compile_for(quantized, "classifier.tflite", small, CompileOptions())


def test_a_model_that_fits_over_several_memories_is_told_so() -> None:
    with pytest.raises(DoesNotFitError) as caught:
        check_arena(_too_large("stm32f746g-disco", sram1=64), CompileOptions())
    assert "--regions auto" in caught.value.hint
    with pytest.raises(DoesNotFitError) as caught:
        check_arena(_too_large("stm32f746g-disco", sram1=64, sram2=64, dtcm=8192), CompileOptions())
    assert "--regions" not in caught.value.hint
