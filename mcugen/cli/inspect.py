"""``mcugen inspect``, ``plan`` and ``explain``: what can be said of a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from mcugen import explain as explaining
from mcugen.boards import load_board
from mcugen.cli.files import write_text
from mcugen.cli.groups import Without, with_groups
from mcugen.cli.options import DEFAULT_BOARD, BoardOpt, CompileFlags, ModelArg, ShapeOpt, shapes
from mcugen.cli.screen import Screen
from mcugen.compile import check_arena, compile_for, inspect_model, load_quantized
from mcugen.errors import DoesNotFitError
from mcugen.report import data, text
from mcugen.report import plan as plans
from mcugen.report.plan_html import plan_html
from mcugen.report.plan_svg import plan_svg


@with_groups
def inspect(
    model: ModelArg, shape: ShapeOpt = None, *, screen: Annotated[Screen, Without("verbose")]
) -> None:
    """Show operators, shapes, quantization, MACs, weights, peak RAM, and what is unsupported."""
    inspected = inspect_model(model, shapes(shape))
    screen.notes(inspected.notes)
    screen.show(*text.inspect_summary(inspected.graph, inspected.peak))
    screen.show(text.inspect_table(inspected.graph, inspected.problems))
    screen.give(data.inspect_data(inspected.graph, inspected.problems, inspected.peak))


@with_groups
def plan(
    model: ModelArg,
    board: BoardOpt = DEFAULT_BOARD,
    html: Annotated[Optional[Path], typer.Option(help="Draw the arena over time as a page.")] = None,
    svg: Annotated[Optional[Path], typer.Option(help="Draw the arena over time as an SVG file.")] = None,
    *,
    flags: CompileFlags,
    screen: Screen,
) -> None:
    """Show where everything lies in the arena, and when."""
    target = load_board(board)
    options = flags.options()
    with screen.working() as progress:
        quantized = load_quantized(model, options, progress)
        compiled = compile_for(quantized, model.name, target, options, progress)
    view = plans.plan_view(compiled)
    write_text(html, plan_html(view) if html else "")
    write_text(svg, plan_svg(view) if svg else "")
    screen.notes(compiled.notes)
    screen.show(*plans.plan_summary(view), plans.plan_table(view))
    if view.shared:
        screen.show(plans.shared_table(view))
    if view.copies:
        screen.show(plans.copies_table(view))
    screen.give(plans.plan_data(view))
    try:
        check_arena(compiled, options)
    except DoesNotFitError as error:
        # After the plan, which is what shows why.
        screen.error(error)
        raise typer.Exit(error.exit_code) from error


@with_groups
def explain(
    model: ModelArg,
    board: BoardOpt = DEFAULT_BOARD,
    measure: Annotated[
        bool, typer.Option("--measure/--no-measure", help="Run the layers in the emulator.")
    ] = True,
    *,
    flags: CompileFlags,
    screen: Screen,
) -> None:
    """Show which kernel computes each layer, why, what it costs, and what others would."""
    target = load_board(board)
    options = flags.options()
    with screen.working() as progress:
        quantized = load_quantized(model, options, progress)
        compiled = compile_for(quantized, model.name, target, options, progress)
        progress("measuring the layers")
        explanation = explaining.explain(compiled, options, measure=measure)
    screen.notes(compiled.notes)
    screen.show(text.explain_table(explanation), *text.explain_summary(explanation))
    screen.give(explanation.data())
