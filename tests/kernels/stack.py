"""How much stack kernels take: the bound that the tests hold them to, and the table of what they take.

::

    python -m tests.kernels.stack        # measures all native variants on all boards and writes docs/KERNELS.md
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mcugen import toolchain
from mcugen.errors import McugenError
from mcugen.lowering import native
from mcugen.lowering.variant import Variant
from tests.kernels import cases, matrix
from tests.kernels.runner import Harness, Platform

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "KERNELS.md"
CASES, LITERAL_CASES, SEED = 200, 6, 3

BOUND = 512
# Kernels for MVE keep 512 bytes of accumulators on the stack, and 16 bytes per vector that the compiler moves there.
BOUND_WITH_VECTORS = 1024


def bound(platform: Platform) -> int:
    """The bytes of stack that a kernel may take on a board."""
    vectors = platform.board is not None and platform.board.instruction_class == "mve"
    return BOUND_WITH_VECTORS if vectors else BOUND


@dataclass(frozen=True)
class Use:
    """The most bytes that the cases took on a board."""

    stack_bytes: int
    platform: Platform

    def __str__(self) -> str:
        return f"{self.stack_bytes} of {bound(self.platform)} ({self.platform})"

    @property
    def share(self) -> float:
        return self.stack_bytes / bound(self.platform)


def measure(variant: Variant, platforms: Iterable[str], count: int, *, literals: bool) -> Use:
    """The use that comes nearest to its bound on any of the boards. Raises ToolError if one cannot build it."""
    chosen = cases.cases(variant, count, SEED)
    found = []
    for platform in (matrix.platform(name) for name in platforms if name not in matrix.HOSTS):
        with tempfile.TemporaryDirectory() as folder:
            harness = Harness.build(variant, platform, Path(folder), chosen, literals=literals)
            found.append(Use(harness.run(chosen).stack_bytes, platform))
    return max(found, key=lambda use: use.share)


def document() -> str:
    """docs/KERNELS.md."""
    rows = {}
    for variant in native.VARIANTS:
        if variant.function in rows:
            continue  # the same C function, with another layout of its scratch
        general = measure(variant, matrix.NATIVE_PLATFORMS[variant.requires], CASES, literals=False)
        literal = measure(
            variant, matrix.SPECIALISED_PLATFORMS[variant.requires], LITERAL_CASES, literals=True
        )
        rows[variant.function] = f"| `{variant.function}` | {variant.requires} | {general} | {literal} |"
        print(rows[variant.function], flush=True)
    return "\n".join((_INTRODUCTION.format(compiler=toolchain.find_toolchain().version), *rows.values(), ""))


_INTRODUCTION = f"""# Kernels

Made by `python -m tests.kernels.stack`, with {{compiler}}.

All native kernels with the instruction class that they need at least, and the bytes of stack that a call takes, with
the frames of the functions called and of the caller that sets up the arguments: the most over {CASES} random cases
with parameters unknown to the compiler (`--optimize size` at worst), and over {LITERAL_CASES} with literal ones, on
the board where it comes nearest to the bound. The bound is {BOUND} bytes, on cores with MVE {BOUND_WITH_VECTORS}, where
512 bytes of accumulators are kept on the stack on purpose. `tests/kernels/test_variants.py` fails when a kernel
exceeds it on any of its cases. Working memory that grows with a layer is not on the stack but planned into the arena.

| function | class | general | literal |
|---|---|---|---|"""


def main() -> int:
    try:
        DOCUMENT.write_text(document(), encoding="utf-8")
    except McugenError as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
