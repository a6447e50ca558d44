"""What is shown, and where."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.status import Status

from mcugen.compile import Progress
from mcugen.errors import McugenError


@dataclass(frozen=True)
class Screen:
    """Where words go: results to stdout, progress and errors to stderr; JSON or quiet silence them.

    A group of options.
    """

    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")] = False
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print each step.")] = False

    @property
    def out(self) -> Console:
        return Console(highlight=False, soft_wrap=not sys.stdout.isatty(), width=_width())

    @property
    def err(self) -> Console:
        return Console(stderr=True, highlight=False, soft_wrap=True)

    def show(self, *items: Any) -> None:
        """Prints for people, unless quiet or JSON."""
        if not self.quiet and not self.as_json:
            for item in items:
                self.out.print(item, markup=not isinstance(item, str))

    def give(self, value: Any) -> None:
        """Prints JSON if asked for."""
        if self.as_json:
            print(json.dumps(value, indent=2))

    def notes(self, notes: Sequence[str]) -> None:
        if not self.quiet and not self.as_json:
            for note in notes:
                self.err.print(f"note: {note}", markup=False, style="yellow")

    def error(self, error: McugenError) -> None:
        """Prints what is wrong, whatever was asked to be quiet."""
        self.err.print(f"error: {error}", markup=False, style="red")
        if error.hint:
            self.err.print(f"hint: {error.hint}", markup=False)

    def working(self) -> AbstractContextManager[Progress]:
        """Progress of a long step: a spinner on a terminal, lines with --verbose, else nothing."""
        if self.verbose:
            return nullcontext(lambda message: self.err.print(message, markup=False))
        if self.quiet or self.as_json or not sys.stderr.isatty():
            return nullcontext(lambda message: None)
        return _Spinner(self.err.status("starting"))


class _Spinner(AbstractContextManager[Progress]):
    def __init__(self, status: Status) -> None:
        self._status = status

    def __enter__(self) -> Progress:
        self._status.start()
        return lambda message: self._status.update(message)

    def __exit__(self, *_: object) -> None:
        self._status.stop()


def _width() -> int | None:
    """Tables keep their full width when piped."""
    return None if sys.stdout.isatty() else 200
