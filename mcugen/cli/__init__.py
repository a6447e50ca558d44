"""The command line: the only place that prints or exits. A module per group of commands."""

from __future__ import annotations

import json
import os
import sys
import traceback
from typing import Annotated

import typer

import mcugen
from mcugen.cli import bench, boards, build, inspect, verify
from mcugen.cli.screen import Screen
from mcugen.errors import EXIT_BUG, McugenError
from mcugen.report import data

app = typer.Typer(
    name="mcugen",
    help="Neural networks (ONNX, TFLite) to exact int8 C for Cortex-M.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

# In the order of the help.
for _command in (
    build.build,
    verify.run,
    verify.verify,
    inspect.inspect,
    inspect.plan,
    boards.boards,
    boards.doctor,
    bench.bench,
    inspect.explain,
):
    app.command()(_command)


def _version(value: bool) -> None:
    if value:
        print(f"mcugen {mcugen.__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Neural networks (ONNX, TFLite) to exact int8 C for Cortex-M."""


def main() -> None:
    """Runs the command line; every McugenError becomes one message and its exit code."""
    as_json = "--json" in sys.argv[1:]
    try:
        app()
    except McugenError as error:
        if as_json:
            print(json.dumps(data.error_data(error), indent=2))
        Screen().error(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # The reader of our output went away; keep Python from complaining again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception:
        traceback.print_exc()
        print("this is a bug of mcugen: please report it with the text above", file=sys.stderr)
        sys.exit(EXIT_BUG)
