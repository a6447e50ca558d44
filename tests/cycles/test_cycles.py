"""Modelled cycles and weighted instructions of small assembly programs, counted by hand, and of a whole model."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mcugen.bench import BenchJob, BenchResult, as_json, bench, markdown
from mcugen.boards import load_board
from mcugen.compile import CompileOptions
from mcugen.cycles import Cycles, measure_function
from mcugen.cycles.disassembly import parse
from mcugen.cycles.plugin import find_host_compiler
from mcugen.cycles.profile import Block, profile_of
from mcugen.errors import ToolError
from mcugen.toolchain import build_firmware
from tests.support.zoo import Zoo

MAIN = "void measured(void); int main(void) { measured(); measured(); return 0; }\n"
SOURCE = """
    .syntax unified
    .thumb
    .text
    .balign 1024
    .global measured
    .type measured, %function
measured:
{body}
    bx lr
    .ltorg
    .bss
    .balign 8
buffer: .space 64
"""
RETURN = 3
"""Cycles of bx lr."""


@pytest.fixture(autouse=True, scope="module")
def _host_compiler() -> None:
    try:
        find_host_compiler()
    except ToolError as error:
        pytest.skip(f"QEMU's plugin cannot be compiled: {error.message}")


def build(body: str, board: str, folder: Path, main: str = MAIN) -> Path:
    assembly, program = folder / "measured.S", folder / "main.c"
    assembly.write_text(SOURCE.format(body=body.replace(";", "\n")))
    program.write_text(main)
    return build_firmware(load_board(board), [program, assembly], folder / "program.elf")


def run(body: str, board: str, folder: Path) -> Cycles:
    return measure_function(build(body, board, folder), load_board(board), folder, "measured")


BUFFER = "ldr r0, =buffer; movs r2, #0; nop;"  # 4 cycles; the nop keeps the address apart
CASES = {
    # name: body, instructions and cycles without those of bx lr
    "nothing": ("", 0, 0),
    "data processing": ("adds r0, r0, #1; eor.w r1, r2, r3, lsl #3; uxtb r0, r0", 3, 3),
    "multiplications": ("mul r0, r1, r2; smlal r0, r1, r2, r3; smlad r0, r1, r2, r3; smmulr r0, r1, r2", 4, 4),
    "division": ("movs r0, #7; movs r1, #2; sdiv r0, r0, r1", 3, 14),
    "loop": ("movs r0, #10; 1: subs r0, #1; bne 1b", 21, 1 + 10 + 9 * 3 + 1),
    "jump over an instruction": ("cmp r0, r0; beq 1f; nop; 1: nop", 3, 1 + 3 + 1),
    "jump not taken": ("cmp r0, r0; bne 1f; nop; 1: nop", 4, 4),
    "compare and branch": ("movs r0, #0; cbz r0, 1f; nop; 1: cbnz r0, 2f; 2:", 3, 1 + 3 + 1),
    "one load": ("ldr r0, [sp]", 1, 2),
    "three loads": ("ldr r0, [sp]; ldrb.w r1, [sp, #4]; ldrsh.w r2, [sp, #8]", 3, 4),
    "load of an address": ("ldr r0, =buffer; ldr r1, [r0]", 2, 4),
    "load behind computed address": ("mov r0, sp; ldr r1, [r0]", 2, 1 + 3),
    "store": (BUFFER + "str r1, [r0, #4]", 4, 4 + 1),
    "store with register offset": (BUFFER + "str r1, [r0, r2]", 4, 4 + 2),
    "store with register offset behind load": (BUFFER + "ldr r1, [r0]; str r1, [r0, r2]", 5, 4 + 2 + 1),
    "load behind store": (BUFFER + "str r1, [r0]; ldr r3, [r0]", 5, 4 + 1 + 2),
    "doublewords": (BUFFER + "ldrd r2, r3, [r0]; strd r2, r3, [r0]", 5, 4 + 3 + 3),
    "load multiple": (BUFFER + "ldm r0, {r1-r3, ip}; nop; stm r0, {r1-r3}", 6, 4 + 5 + 1 + 4),
    "stack": ("push {r4-r7, lr}; pop.w {r4-r7, lr}", 2, 6 + 6),
    "call": ("push {r4, lr}; bl 1f; pop {r4, pc}; 1:", 3, 3 + 3 + 5),
    "folded it": ("cmp r0, r0; it eq; moveq r1, r2", 3, 2),
    "it": ("cmp.w r0, r0; ite eq; moveq r1, r2; movne r1, r3", 4, 4),
    "floating point": ("vmov s0, r0; vmla.f32 s0, s1, s2; vdiv.f32 s0, s0, s1; vadd.f32 s0, s1, s2", 4, 19),
    "floating-point memory": (BUFFER + "vldr s0, [r0]; vldr d1, [r0]; vpush {s0-s3}; vpop {d0-d1}", 7, 19),
    # a load at the target of a jump is pipelined only when reached from the load in front of it
    "load at a target": (
        BUFFER + "movs r3, #3; ldr r1, [r0]; 1: ldr r2, [r0]; subs r3, #1; bne 1b", 5 + 9, 7 + (1 + 2 + 2) + 3 + 7,
    ),
    # QEMU ends blocks at its pages of 1 KiB, here inside an instruction
    "page boundary": (".rept 511; nop; .endr; add.w r0, r0, #1; nop", 513, 513),
}  # fmt: skip


@pytest.mark.parametrize(("body", "instructions", "cycles"), CASES.values(), ids=CASES.keys())
def test_cortex_m4_cycles(body: str, instructions: int, cycles: int, tmp_path: Path) -> None:
    result = run(body, "mps2-an386", tmp_path)
    # "call" calls the bx lr at the end and returns to its pop: as many bx lr as the others
    assert (result.instructions, result.total) == (instructions + 1, cycles + RETURN)
    assert result.weighted is None


VECTOR_CASES = {
    "arithmetic": ("vadd.i8 q0, q1, q2; vmladava.s8 r0, q0, q1", 2, 4),
    "memory": ("vldrb.u8 q0, [r0]; vldrb.s16 q0, [r0]; vstrw.32 q0, [r0], #16", 3, 6),
    "gather and scatter": (
        "vldrb.u8 q0, [r0, q1]; vldrb.u16 q0, [r0, q1]; vldrw.u32 q0, [r0, q1, uxtw #2]; vstrh.16 q0, [r0, q1]",
        4, 16 + 8 + 4 + 8,
    ),
    "addresses in a vector": ("vmov.i32 q1, #0; vadd.i32 q1, q1, r0; vldrw.u32 q0, [q1, #4]", 3, 2 + 2 + 4),
    "no vector": ("vctp.8 r0; vmov.u8 r1, q0[3]; vmov q0[2], q0[0], r1, r2; vadd.f32 s0, s1, s2", 4, 4),
    "conditional select": ("cmp r0, r1; cinc r1, r2, eq", 2, 2),
    "predicated": ("vctp.8 r2; vpst; vldrbt.u8 q0, [r0, q1]", 3, 2 + 16),
}  # fmt: skip


@pytest.mark.parametrize(("body", "instructions", "weighted"), VECTOR_CASES.values(), ids=VECTOR_CASES.keys())
def test_weighted_vector_instructions(body: str, instructions: int, weighted: int, tmp_path: Path) -> None:
    prepare = "ldr r0, =buffer; movs r2, #4; vmov.i32 q1, #0;"  # 3 instructions, weight 4
    result = run(prepare + body, "mps3-an547", tmp_path)
    assert (result.instructions, result.weighted) == (3 + instructions + 1, 4 + weighted + 1)
    assert result.total is None


def test_other_cores_only_count(tmp_path: Path) -> None:
    result = run("nop", "mps2-an385", tmp_path)
    assert (result.instructions, result.total, result.weighted) == (2, None, None)


def test_costs_are_given_by_function_dearest_first(tmp_path: Path) -> None:
    body = """
        push {r4, lr}
        bl inner
        pop {r4, pc}
        .global inner
        .type inner, %function
inner:  movs r0, #100
1:      subs r0, #1
        bne 1b
    """
    result = run(body, "mps2-an386", tmp_path)
    assert [f.name for f in result.by_function] == ["inner", "measured"]
    assert sum(f.cost for f in result.by_function) == result.total
    assert result.by_function[1].cost == 3 + 3 + 5


def test_a_function_that_is_missing_or_not_called_is_an_error(tmp_path: Path) -> None:
    board = load_board("mps2-an386")
    program = (
        "void measured(void); volatile int never; int main(void) { if (never) { measured(); } return 0; }\n"
    )
    elf = build("nop", board.name, tmp_path, program)
    with pytest.raises(ToolError, match="no function absent"):
        measure_function(elf, board, tmp_path, "absent")
    with pytest.raises(ToolError, match="was not called"):
        measure_function(elf, board, tmp_path, "measured")


def test_a_missing_host_compiler_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(ToolError, match="CC=no-such-compiler") as error:
        find_host_compiler()
    assert "apt install gcc" in error.value.hint


LISTING = """
program.elf:     file format elf32-littlearm

00000010 <first>:
      10:\t2005      \tmovs\tr0, #5
      12:\tf8d3 c004 \tldr.w\tip, [r3, #4]\t@ comment
      16:\tbd10      \tpop\t{r4, pc}

00000018 <second>:
      18:\te7fe      \tb.n\t18 <second>
      1c:\t20000000 \t.word\t0x20000000
"""


def test_reads_what_the_disassembler_prints() -> None:
    program = parse(LISTING)
    assert [(i.address, i.size, i.mnemonic, i.operands, i.function) for i in program.instructions] == [
        (0x10, 2, "movs", "r0, #5", "first"),
        (0x12, 4, "ldr", "ip, [r3, #4]", "first"),
        (0x16, 2, "pop", "{r4, pc}", "first"),
        (0x18, 2, "b", "18 <second>", "second"),
    ]
    assert program.instructions[1].registers == ("r12", "r3")
    assert program.instructions[1].address_registers == {"r3"}


def test_blocks_become_counts_of_instructions() -> None:
    program = parse(LISTING)
    blocks = [Block(0x10, 2, 0x12, 5, 0, 4), Block(0x16, 1, 0x16, 4, 1, 0), Block(0x18, 1, 0x18, 9, 0, 0)]
    profile = profile_of(program, blocks)
    assert profile.executions == (5, 5, 4, 9)
    assert profile.sequential == (0, 5, 4, 1)
    assert profile.jumps == (0, 1, 3, 9)
    with pytest.raises(ToolError, match="not what the disassembler shows"):
        profile_of(program, [Block(0x10, 2, 0x16, 1, 0, 0)])


# ---- a whole model -------------------------------------------------------------------------------------


def kws(zoo: Zoo, **job: object) -> BenchResult:
    model = zoo.root / "models" / "mlperf_tiny" / "kws_ref_int8.tflite"
    return bench(BenchJob(model, "mps2-an386", cycles=True, **job))  # type: ignore[arg-type]


def test_a_model_has_the_same_sane_figure_every_time(zoo: Zoo) -> None:
    result = kws(zoo, options=CompileOptions())
    assert result.modelled_cycles is not None
    assert 1.05 * result.instructions < result.modelled_cycles < 2 * result.instructions
    assert kws(zoo, options=CompileOptions()) == result
    (entry,) = as_json([result])["results"]
    assert list(entry)[-1] == "modelled_cycles"
    assert "modelled cycles" in markdown([result])
    assert f"{result.modelled_cycles:,}" in markdown([result])


def test_cmsis_nn_costs_what_is_known_of_it(zoo: Zoo, cmsis_nn: Path) -> None:
    """About 9.0M cycles; the instructions are those that SysTick counts."""
    result = kws(zoo, options=CompileOptions(kernels="cmsis-nn"), cmsis_nn=os.fspath(cmsis_nn))
    assert result.modelled_cycles == pytest.approx(9.0e6, rel=0.03)
