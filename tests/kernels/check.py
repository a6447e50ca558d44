"""Checks kernels from the command line, for those who write them.

::

    python -m tests.kernels.check --kernel conv2d_s8 --variant dsp_1x1 --on mps2-an386 --cases 500 --seed 1
    python -m tests.kernels.check --kernel conv2d_s8 --on host-gcc              # all variants that run there
    python -m tests.kernels.check --kernel conv2d_s8 --variant dsp_1x1 --on mps2-an386 --case 1000017
    python -m tests.kernels.check --kernel conv2d_s8 --on mps2-an386 --shape in=8x8x64,out=64,kernel=1x1

``--on`` is a board, host-gcc or host-clang. ``--case`` repeats one case. ``--literals`` compiles the kernel
for the parameters of each case, as generated code does (take few cases). ``--shape`` checks and measures one
shape, with literals: for conv2d, depthwise_conv2d, average_pool and max_pool in=HxWxC, out=C, kernel=HxW,
stride=HxW, dilation=HxW, pad=TOPxBOTTOMxLEFTxRIGHT, groups=N; for fully_connected rows=N, in=N, out=N.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from random import Random

from mcugen.errors import McugenError
from mcugen.lowering.variant import Variant
from mcugen.ops.pool2d import AveragePool2D, MaxPool2D
from tests.kernels import cases as kernel_cases
from tests.kernels import matrix, runner
from tests.kernels.cases import Case, Window
from tests.kernels.runner import Harness


def main() -> int:
    options = _parser().parse_args()
    platform = matrix.platform(options.on)
    chosen = [
        v
        for v in matrix.variants_on(platform)
        if options.kernel in ("all", v.kernel) and options.variant in ("all", v.name)
    ]
    if not chosen:
        print(f"no variant '{options.variant}' of kernel '{options.kernel}' runs on {platform}")
        return 2
    return max([_check(variant, options, platform) for variant in chosen])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.kernels.check", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--kernel", default="all")
    parser.add_argument("--variant", default="all")
    parser.add_argument("--on", "--board", default="host-gcc")
    parser.add_argument("--cases", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--case", type=int, help="repeat one case by its seed")
    parser.add_argument("--literals", action="store_true", help="specialise for the parameters of every case")
    parser.add_argument("--shape", help="check one shape with random data")
    return parser


def _check(variant: Variant, options: argparse.Namespace, platform: runner.Platform) -> int:
    chosen = _cases(variant, options)
    if not chosen:
        print(f"{variant.function} on {platform}: no case suits it")
        return 1
    try:
        with tempfile.TemporaryDirectory() as folder:
            report = Harness.build(
                variant,
                platform,
                Path(folder),
                chosen,
                literals=options.literals or options.shape is not None,
            ).run(chosen)
    except McugenError as error:
        print(f"{variant.function} on {platform}: {error}")
        return 1
    for failure in report.failures:
        print(runner.describe(failure, variant, platform))
    verdict = "FAILED" if report.failures else "passed"
    cost = "" if report.instructions is None else f", {report.instructions:.0f} instructions per case"
    macs = sum(case.op.macs(case.tensors) for case in chosen) / len(chosen)
    per_mac = f", {report.instructions / macs:.2f} per MAC" if report.instructions and macs else ""
    print(f"{variant.function} on {platform}: {report.cases} cases {verdict}{cost}{per_mac}")
    return int(bool(report.failures))


def _cases(variant: Variant, options: argparse.Namespace) -> list[Case]:
    if options.case is not None:
        return [kernel_cases.case_of_seed(variant.kernel, options.case)]
    if options.shape is None:
        return kernel_cases.cases(variant, options.cases, options.seed)
    shaped = (
        _of_shape(variant.kernel, options.shape, seed) for seed in range(options.seed, options.seed + 3)
    )
    return [case for case in shaped if case.suits(variant)]


def _of_shape(kernel: str, text: str, seed: int) -> Case:
    r = Random(seed)
    sizes = {
        key: tuple(map(int, value.split("x"))) for key, value in (part.split("=") for part in text.split(","))
    }
    if kernel == "fully_connected_s8":
        return kernel_cases.fully_connected_of(r, sizes.get("rows", (1,))[0], sizes["in"][0], sizes["out"][0])
    in_h, in_w, in_c = sizes["in"]
    window = Window(
        in_h, in_w, in_c, sizes.get("out", (in_c,))[0],
        kernel=_pair(sizes.get("kernel", (1, 1))), stride=_pair(sizes.get("stride", (1, 1))),
        dilation=_pair(sizes.get("dilation", (1, 1))), padding=_four(sizes.get("pad", (0, 0, 0, 0))),
        groups=sizes.get("groups", (1,))[0],
    )  # fmt: skip
    if kernel == "conv2d_s8":
        return kernel_cases.conv2d_of(r, window)
    if kernel == "depthwise_conv2d_s8":
        return kernel_cases.depthwise_of(r, window)
    if kernel in ("average_pool_s8", "max_pool_s8"):
        op = AveragePool2D if kernel == "average_pool_s8" else MaxPool2D
        return kernel_cases.pool_of(r, window, op)
    raise SystemExit(f"--shape is not for {kernel}")


def _pair(values: tuple[int, ...]) -> tuple[int, int]:
    first, second = values
    return first, second


def _four(values: tuple[int, ...]) -> tuple[int, int, int, int]:
    top, bottom, left, right = values
    return top, bottom, left, right


if __name__ == "__main__":
    sys.exit(main())
