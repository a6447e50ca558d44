"""Puts the demonstration's real output into README.md: python tools/update_readme.py [--check]."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
BEGIN, END = "<!-- demo -->\n```\n", "```\n<!-- /demo -->\n"


def demo_output() -> str:
    """What `make demo` prints, without spaces at the ends of lines."""
    command = [sys.executable, "examples/digits/demo.py"]
    result = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    lines = (line.rstrip() for line in result.stdout.splitlines())
    return "\n".join(lines).strip("\n") + "\n"


def updated(readme: str) -> str:
    """The text of the README with the demonstration's output as it is now."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + demo_output() + END + after


def main() -> None:
    current = README.read_text(encoding="utf-8")
    wanted = updated(current)
    if "--check" in sys.argv:
        sys.exit(
            0 if current == wanted else "README.md shows an old demonstration: python tools/update_readme.py"
        )
    README.write_text(wanted, encoding="utf-8")


if __name__ == "__main__":
    main()
