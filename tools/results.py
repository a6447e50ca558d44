"""Writes docs/RESULTS.md: runs the commands that it shows and turns what they print into tables.

    python tools/results.py                       # everything, an hour; make results
    python tools/results.py --section speed       # one section anew, the others are kept

The models and vectors come from the folder MCUGEN_ZOO (default ../shared/models) and the one beside it, CMSIS-NN from
CMSIS_NN_ROOT; without it what needs CMSIS-NN is left out.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs" / "RESULTS.md"
ZOO = Path(os.environ.get("MCUGEN_ZOO") or ROOT.parent / "shared" / "models").resolve()
HAS_CMSIS_NN = bool(os.environ.get("CMSIS_NN_ROOT"))

BOARDS = {
    "m0": "mps2-m0",
    "m3": "mps2-an385",
    "m4": "mps2-an386",
    "m7": "mps2-an500",
    "m33": "mps2-an505",
    "m55": "mps3-an547",
}
# One board per instruction set.
KINDS_OF_CORES = ("mps2-m0", "mps2-an385", "mps2-an386", "mps3-an547")
TINY = ("vww_96_int8", "ic_resnet8_int8", "kws_ref_int8", "ad01_int8")
LEVELS = ("size", "balanced", "speed")
Result = Mapping[str, Any]
Table = list[str]


def toml(name: str) -> dict[str, Any]:
    return tomllib.loads((ROOT / "tools" / name).read_text(encoding="utf-8"))


BASELINES = toml("baselines.toml")
M55_BEST = BASELINES.pop("m55_best")
TARGETS = toml("targets.toml")


# ---- running -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Command:
    """A command of a section: ``shown`` has $MCUGEN_ZOO and $VECTORS where ``words`` have folders."""

    words: tuple[str, ...]

    @property
    def shown(self) -> str:
        text = (
            " ".join(self.words)
            .replace(str(ZOO.parent / "vectors"), "$VECTORS")
            .replace(str(ZOO), "$MCUGEN_ZOO")
        )
        return "mcugen" + text.removeprefix(f"{sys.executable} -m mcugen")

    def run(self, allowed: Iterable[int] = (0,)) -> str:
        """What it prints. Ends the program if it fails."""
        print(f"running {self.shown[:150]}", file=sys.stderr)
        result = subprocess.run(self.words, capture_output=True, text=True, cwd=ROOT, check=False)
        if result.returncode not in allowed:
            sys.exit(f"failed: {self.shown}\n{result.stdout[-2000:]}{result.stderr[-2000:]}")
        return result.stdout


def mcugen(*words: str | Path) -> Command:
    return Command((sys.executable, "-m", "mcugen", *map(str, words)))


def boards(names: Iterable[str]) -> list[str]:
    return [word for name in names for word in ("-b", name)]


def shown(*commands: str) -> Table:
    return ["```sh", *commands, "```", ""]


# ---- which models work ---------------------------------------------------------------------------------


def integer_models() -> dict[str, list[Path]]:
    """The zoo's integer TFLite models by folder."""
    found: dict[str, list[Path]] = {}
    for record in json.loads((ZOO / "INDEX.json").read_text(encoding="utf-8")):
        path = ZOO.parent / record["file"]
        integers = {"INT8", "UINT8", "INT16"} & set(record.get("dtypes", ()))
        if record["format"] == "tflite" and integers and "seanet" not in record["file"]:
            found.setdefault(path.parent.name, []).append(path)
    return {folder: sorted(paths) for folder, paths in sorted(found.items())}


def verified(kernels: str, level: str, names: Sequence[str], jobs: int) -> Table:
    """One table of all folders, and the commands."""
    commands, rows, head = [], [], []
    for folder, paths in integer_models().items():
        with tempfile.TemporaryDirectory() as temporary:
            report = Path(temporary) / "table.md"
            options = ("--inputs", ZOO.parent / "vectors" / "golden" / folder, "--kernels", kernels)
            command = mcugen("verify", *paths, *options, "--optimize", level, *boards(names))
            Command((*command.words, "--jobs", str(jobs), "--quiet", "--markdown", str(report))).run(
                (0, 5, 6)
            )
            lines = report.read_text(encoding="utf-8").splitlines()
        commands.append(
            command.shown.replace(" ".join(map(str, _short(paths))), f"$MCUGEN_ZOO/{folder}/<int8 models>")
        )
        head, rows = lines[:2], rows + lines[2:]
    cores = _with_cores(head[0], names)
    return [*shown(*commands), cores, head[1], *rows, ""]


def _short(paths: Iterable[Path]) -> list[str]:
    return [f"$MCUGEN_ZOO/{path.relative_to(ZOO).as_posix()}" for path in paths]


def _with_cores(line: str, names: Iterable[str]) -> str:
    """A table's head with cores for boards."""
    cores = {board: core.upper() for core, board in BOARDS.items()}
    for name in names:
        line = line.replace(f" {name} ", f" {cores[name]} ")
    return line


def models_section(jobs: int) -> Table:
    lines = [
        "Every output byte of the firmware in the emulator is compared with the interpreter and with the golden",
        "vectors of the zoo (made by TFLM's reference kernels). Refused: before any code is made, with the reason.",
        "",
        "### Native kernels",
        "",
        *verified("native", "balanced", tuple(BOARDS.values()), jobs),
    ]
    if HAS_CMSIS_NN:
        lines += ["### CMSIS-NN", "", *verified("cmsis-nn", "balanced", tuple(BOARDS.values()), jobs)]
    return lines


def levels_section(jobs: int) -> Table:
    lines = ["The same with the other levels, on one core of each kind.", ""]
    for level in ("size", "speed", "ram"):
        lines += [f"### `--optimize {level}`", "", *verified("native", level, KINDS_OF_CORES, jobs)]
    return lines


# ---- accuracy ------------------------------------------------------------------------------------------


def accuracy_section(jobs: int) -> Table:
    command = Command((sys.executable, str(ROOT / "tools" / "accuracy.py")))
    return [
        "Float models, quantized by mcugen, on labelled samples: onnxruntime on the float model against the int8",
        "firmware in the emulator.",
        "",
        *shown("python tools/accuracy.py"),
        *(line for line in command.run().splitlines() if line.startswith("|")),
        "",
    ]


# ---- speed and memory ----------------------------------------------------------------------------------


def zoo_file(model: str) -> Path:
    return next(path for path in ZOO.rglob(f"{model}.tflite"))


def bench(
    jobs: int, models: Iterable[str], names: Iterable[str], *options: str
) -> tuple[Command, list[Result]]:
    """The command, and its results."""
    command = mcugen("bench", *map(zoo_file, models), *boards(names), *options)
    printed = Command((*command.words, "--jobs", str(jobs), "--json")).run()
    return command, json.loads(printed)["results"]


def peer(model: str, core: str) -> int:
    """Instructions of TFLM + CMSIS-NN, the lower of its two builds."""
    usual = int(BASELINES[model][core])
    return min(usual, M55_BEST.get(model, usual)) if core == "m55" else usual


def geometric_mean(values: Iterable[float]) -> float:
    logs = [math.log(value) for value in values]
    return math.exp(sum(logs) / len(logs))


def by_key(results: Iterable[Result]) -> dict[tuple[str, str, str, str], Result]:
    return {(r["model"], r["board"], r["kernels"], r["optimize"]): r for r in results}


def speed_section(jobs: int) -> Table:
    levels = [word for level in LEVELS for word in ("--optimize", level)]
    command, found = bench(jobs, BASELINES, BOARDS.values(), *levels)
    commands = [command.shown]
    if HAS_CMSIS_NN:
        command, library = bench(jobs, BASELINES, BOARDS.values(), "--kernels", "cmsis-nn")
        commands, found = [*commands, command.shown], found + library
    results = by_key(found)
    lines = [
        "Instructions executed by one inference in QEMU (`-icount shift=0`), which are not cycles. The ratio says how",
        "many times fewer they are than those of TFLM + CMSIS-NN (tools/baselines.toml). Means are geometric, over the",
        "four models of MLPerf Tiny. *CMSIS-NN in mcugen* is the same generated program calling CMSIS-NN.",
        "",
        *shown(*commands),
    ]
    for core, board in BOARDS.items():
        lines += [f"### Cortex-{core.upper()}", "", *speed_table(core, board, results), ""]
    return [*lines, *plot_links(), *memory_tables(results)]


def speed_table(core: str, board: str, results: Mapping[tuple[str, str, str, str], Result]) -> Table:
    columns = [("native", "balanced"), ("native", "speed"), ("native", "size")]
    columns += [("cmsis-nn", "balanced")] if HAS_CMSIS_NN else []
    titles = ["balanced", "speed", "size", "CMSIS-NN in mcugen"][: len(columns)]
    lines = [
        f"| model | TFLM + CMSIS-NN | {' | '.join(f'{title} | ratio' for title in titles)} | target |",
        "|---|--:|" + "--:|--:|" * len(columns) + "---|",
    ]
    ratios: dict[tuple[str, str], list[float]] = {column: [] for column in columns}
    for model in BASELINES:
        cells = []
        for column in columns:
            count = results[(model, board, *column)]["instructions"]
            ratio = peer(model, core) / count
            cells.append(f"{count:,} | {ratio:.2f}")
            if model in TINY:
                ratios[column].append(ratio)
        lines.append(f"| {model} | {peer(model, core):,} | {' | '.join(cells)} | {target(core, model)} |")
    means = " | ".join(f" | **{geometric_mean(ratios[column]):.2f}**" for column in columns)
    return [*lines, f"| **mean** | | {means} | {target(core, 'ratio')} |"]


def target(core: str, key: str) -> str:
    """The targets of a core for a model, by level."""
    found = []
    for level, values in TARGETS.get(core, {}).items():
        if key in values:
            bound = f"at least {values[key]}" if key == "ratio" else f"{values[key] / 1e6:g} M"
            found.append(bound if level == "balanced" else f"{level} {bound}")
    return ", ".join(found)


def plot_links() -> Table:
    names = [f"layers-cortex-{core}.svg" for core in ("m4", "m55")]
    there = [
        f"![Instructions per layer, {name[7:-4]}]({name})"
        for name in names
        if (TARGET.parent / name).is_file()
    ]
    command = shown("python tools/plot_layers.py")
    return ["### Layer by layer", "", *command, *there, ""] if there else []


def memory_tables(results: Mapping[tuple[str, str, str, str], Result]) -> Table:
    lines = [
        "### Memory",
        "",
        "Bytes. Code is everything in flash but weights and tables; TFLM's flash is its code and the model file.",
        "",
    ]
    for index, core in enumerate(("m4", "m55")):
        lines += [
            f"Cortex-{core.upper()}:",
            "",
            "| model | | arena | code | weights | flash | stack |",
            "|---|---|--:|--:|--:|--:|--:|",
        ]
        for model, baseline in BASELINES.items():
            code, file = baseline["code"][index], baseline["file"]
            stack = f"{baseline['stack']:,}" if core == "m4" else ""
            lines.append(
                f"| {model} | TFLM | {baseline['arena'][index]:,} | {code:,} | | {code + file:,} | {stack} |"
            )
            for level in LEVELS:
                r = results[(model, BOARDS[core], "native", level)]
                flash = r["code_bytes"] + r["weight_bytes"]
                figures = (r["arena_bytes"], r["code_bytes"], r["weight_bytes"], flash, r["stack_bytes"])
                lines.append(f"| | {level} | {' | '.join(f'{figure:,}' for figure in figures)} |")
        lines.append("")
    return lines


# ---- arena ---------------------------------------------------------------------------------------------

ARENA_CORES = ("m4", "m7", "m55")
# The column of the baselines: TFLM was measured on M4 and M55.
ARENA_COLUMNS = {"m4": 0, "m7": 0, "m55": 1}


def arena_section(jobs: int) -> Table:
    levels = ("--optimize", "balanced", "--optimize", "ram")
    command, found = bench(jobs, TARGETS["arena"]["balanced"], map(BOARDS.get, ARENA_CORES), *levels)
    results = by_key(found)
    lines = [
        "Bytes of the arena: activations, working memory, inputs and outputs. Time is how many times the instructions",
        "of balanced `--optimize ram` takes. Computing row by row saves memory, never instructions: everywhere else it",
        "is at least 1.",
        "",
        *shown(command.shown),
    ]
    for core in ARENA_CORES:
        lines += [f"### Cortex-{core.upper()}", "", *arena_table(core, results), ""]
    return [*lines, *by_rows(jobs), *lower_bounds(), *instances()]


IMAGES = ("vww_96_int8", "ic_resnet8_int8", "person_detect_int8")


def by_rows(jobs: int) -> Table:
    """Arenas of models whose input the caller gives by rows."""
    command, found = bench(jobs, IMAGES, map(BOARDS.get, ARENA_CORES), "--input", "stream:rows")
    lines = [
        "### Inputs by rows",
        "",
        *shown(command.shown),
        f"| model | {' | '.join(f'Cortex-{core.upper()}, bytes | instructions' for core in ARENA_CORES)} |",
        "|---|" + "--:|--:|" * len(ARENA_CORES),
    ]
    results = by_key(found)
    for model in IMAGES:
        cells = [results[model, BOARDS[core], "native", "balanced"] for core in ARENA_CORES]
        figures = (f"{r['arena_bytes']:,} | {r['instructions']:,}" for r in cells)
        lines.append(f"| {model} | {' | '.join(figures)} |")
    return [*lines, ""]


def arena_table(core: str, results: Mapping[tuple[str, str, str, str], Result]) -> Table:
    lines = [
        "| model | TFLM | balanced | target | ram | target | time |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for model, bound in TARGETS["arena"]["balanced"].items():
        usual, least = (results[model, BOARDS[core], "native", level] for level in ("balanced", "ram"))
        tflm = f"{BASELINES[model]['arena'][ARENA_COLUMNS[core]]:,}"
        cells = (usual["arena_bytes"], bound, least["arena_bytes"], TARGETS["arena"]["ram"][model])
        time = least["instructions"] / usual["instructions"]
        lines.append(f"| {model} | {tflm} | {' | '.join(f'{cell:,}' for cell in cells)} | {time:.2f} |")
    return lines


def planned(path: Path, *options: str) -> Mapping[str, Any]:
    words = (sys.executable, "-m", "mcugen.memory", str(path), *options, "--json")
    result: Mapping[str, Any] = json.loads(Command(words).run())
    return result


def lower_bounds() -> Table:
    """Plans of the zoo's models without overlaps."""
    paths = sorted((ZOO.parent / "vectors" / "memplan" / "models").glob("*.csv"))
    plans = {path.stem: planned(path) for path in paths}
    above = [f"{name} by {plan['gap']:,} bytes" for name, plan in plans.items() if plan["gap"]]
    slowest = max(plan["seconds"] for plan in plans.values())
    return [
        "### Plans without overlaps",
        "",
        *shown("python -m mcugen.memory $VECTORS/memplan/models/<model>.csv"),
        f"Of {len(plans)} models of the zoo, {len(plans) - len(above)} are planned at the live-set lower bound"
        + (f" ({', '.join(above)} above it)" if above else "")
        + f"; the slowest takes {slowest:.2f} s.",
        "",
    ]


def instances() -> Table:
    """minimalloc's hard instances."""
    lines = [
        "### Hard instances",
        "",
        *shown("python -m mcugen.memory $VECTORS/memplan/minimalloc/<instance>.csv --capacity 1048576"),
        "| instance | peak | capacity | seconds |",
        "|---|--:|--:|--:|",
    ]
    for path in sorted((ZOO.parent / "vectors" / "memplan" / "minimalloc").glob("*.1048576.csv")):
        plan = planned(path, "--capacity", "1048576")
        lines.append(f"| {path.name[0]} | {plan['peak']:,} | 1,048,576 | {plan['seconds']:.1f} |")
    return [*lines, ""]


# ---- cycles --------------------------------------------------------------------------------------------


def cycles_section(jobs: int) -> Table:
    levels = ("--optimize", "balanced", "--optimize", "speed")
    command, found = bench(jobs, TINY, ("mps2-an386", "mps3-an547"), *levels, "--cycles")
    results = by_key(found)
    lines = [
        "Modelled, not measured: cycles of a Cortex-M4 by the timings of its Technical Reference Manual with zero wait",
        "states, from how often QEMU executed each instruction. Published: the best of MLPerf Tiny, real boards, clock",
        "times latency. For the Cortex-M55 weighted instructions: an instruction on 128 bits counts as two, a gather",
        "load or scatter store once per element.",
        "",
        *shown(command.shown),
        "| model | balanced, M cycles | speed, M cycles | published, M cycles | M55 balanced, weighted | M55 speed |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for model in TINY:
        cycles = [
            results[model, "mps2-an386", "native", level]["modelled_cycles"] / 1e6 for level in levels[1::2]
        ]
        weighted = [
            results[model, "mps3-an547", "native", level]["weighted_instructions"] for level in levels[1::2]
        ]
        lines.append(
            f"| {model} | {' | '.join(f'{c:.3f}' for c in cycles)} | {TARGETS['cycles'][model]} "
            f"| {' | '.join(f'{w:,}' for w in weighted)} |"
        )
    return [*lines, ""]


# ---- the document --------------------------------------------------------------------------------------

SECTIONS: Mapping[str, tuple[str, Callable[[int], Table]]] = {
    "models": ("Which models run, and where", models_section),
    "levels": ("Which models run at other levels", levels_section),
    "accuracy": ("Accuracy", accuracy_section),
    "speed": ("Speed and memory", speed_section),
    "cycles": ("Modelled cycles", cycles_section),
    "arena": ("The smallest arena", arena_section),
}

_HEAD = """# Results

Written by `python tools/results.py`; do not edit. `$MCUGEN_ZOO` is the folder of the models, `$VECTORS` that of their
golden vectors. Boards are QEMU machines: {boards}.
Tools: {tools}.
"""


def head() -> str:
    machines = ", ".join(f"{core.upper()} is {board}" for core, board in BOARDS.items())
    checks = json.loads(mcugen("doctor", "--json").run())
    versions = [
        str(check["found"])
        for check in checks
        if check["name"] in ("compiler", "emulator") and check["found"]
    ]
    return _HEAD.format(boards=machines, tools="; ".join(_without_folder(v) for v in versions))


def _without_folder(text: str) -> str:
    """What a tool says of itself, less where it lies on this computer."""
    return re.sub(r"\s*\(?/\S+", "", text).strip()


def kept() -> dict[str, str]:
    """The sections that the document has now."""
    if not TARGET.is_file():
        return {}
    parts = re.split(r"^<!-- (\w+) -->\n", TARGET.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--section", action="append", choices=list(SECTIONS), help="default all")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    if not (ZOO / "INDEX.json").is_file():
        sys.exit("the model zoo is not here: set MCUGEN_ZOO")
    texts = kept()
    for name in arguments.section or SECTIONS:
        title, write = SECTIONS[name]
        texts[name] = "\n".join([f"## {title}", "", *write(arguments.jobs)])
    parts = [f"<!-- {name} -->\n{texts[name]}" for name in SECTIONS if name in texts]
    TARGET.write_text("\n".join([head(), *(part.rstrip("\n") + "\n" for part in parts)]), encoding="utf-8")
    print(f"wrote {TARGET.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
