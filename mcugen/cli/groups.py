"""Groups of options: a dataclass declares them once, and every command takes them as one parameter."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from typing import Annotated, Any, get_args, get_origin, get_type_hints

_KEYWORD = inspect.Parameter.KEYWORD_ONLY


@dataclass(frozen=True)
class Without:
    """In the annotation of a group: fields that this command has no options for; they keep their defaults."""

    names: tuple[str, ...]

    def __init__(self, *names: str) -> None:
        object.__setattr__(self, "names", names)


@dataclass(frozen=True)
class _Group:
    """A dataclass whose fields are options, all of them with defaults."""

    kind: type[Any]
    left_out: tuple[str, ...]

    def parameters(self) -> list[inspect.Parameter]:
        hints = get_type_hints(self.kind, include_extras=True)
        return [
            inspect.Parameter(field.name, _KEYWORD, default=field.default, annotation=hints[field.name])
            for field in fields(self.kind)
            if field.name not in self.left_out
        ]

    def taken_from(self, values: dict[str, Any]) -> Any:
        """An instance made of the values of its options, which are removed from ``values``."""
        return self.kind(**{p.name: values.pop(p.name) for p in self.parameters()})


def with_groups(command: Callable[..., None]) -> Callable[..., None]:
    """The command as typer sees it: in place of every parameter that is a group, the options of the group."""
    groups: dict[str, _Group] = {}
    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command, eval_str=True).parameters.items():
        group = _group(parameter.annotation)
        if group:
            groups[name] = group
        parameters += group.parameters() if group else [parameter.replace(kind=_KEYWORD)]

    def run(**values: Any) -> None:
        command(**{name: group.taken_from(values) for name, group in groups.items()}, **values)

    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return run


def _group(annotation: Any) -> _Group | None:
    kind, *notes = get_args(annotation) if get_origin(annotation) is Annotated else (annotation,)
    if not is_dataclass(kind) or not isinstance(kind, type):
        return None
    left_out = [note.names for note in notes if isinstance(note, Without)]
    return _Group(kind, left_out[0] if left_out else ())
