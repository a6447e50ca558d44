"""From bytes to a checked ONNX model, and its inputs with all dimensions known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import onnx
import onnx.inliner
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import ModelProto, TensorProto, ValueInfoProto, numpy_helper

from mcugen.errors import InputError, ModelFormatError, UnsupportedModelError
from mcugen.frontends.onnx.builder import check_size
from mcugen.frontends.onnx.node import STANDARD_DOMAINS
from mcugen.frontends.onnx.values import Const
from mcugen.ir import Shape

MIN_OPSET = 11


@dataclass(frozen=True)
class Input:
    """A model input with its final shape; ``note`` is "" or what was decided about it."""

    name: str
    shape: Shape
    note: str


def parse(data: bytes, file: str) -> ModelProto:
    """The model.

    Raises ModelFormatError for what is not an ONNX model, UnsupportedModelError for an old opset.
    """
    try:
        model = ModelProto.FromString(data)
    except DecodeError as error:
        raise ModelFormatError("the file is not an ONNX model, or truncated", where=file) from error
    if not model.graph.node or not model.graph.output:
        raise ModelFormatError("the file contains no ONNX graph", where=file)
    if model.functions:
        model = _inlined(model, file)
    opset = opsets(model).get("", 0)
    if opset < MIN_OPSET:
        message = f"the model uses opset {opset}; {MIN_OPSET} and newer are supported"
        raise UnsupportedModelError(message, where=file, hint="convert it with onnx.version_converter")
    return model


def _inlined(model: ModelProto, file: str) -> ModelProto:
    """The model with the bodies of its own functions in place of their calls."""
    try:
        return onnx.inliner.inline_local_functions(model)
    except (RuntimeError, ValueError, TypeError, DecodeError) as error:
        raise ModelFormatError(
            f"the functions of the model cannot be inlined: {error}", where=file
        ) from error


def opsets(model: ModelProto) -> dict[str, int]:
    """The operator set versions by domain, ONNX's own under ""."""
    return {"" if o.domain in STANDARD_DOMAINS else o.domain: o.version for o in model.opset_import}


def constants(model: ModelProto, file: str) -> dict[str, Const]:
    """The initializers. Raises ModelFormatError for data that is missing or does not fit its shape."""
    found = {}
    if model.graph.sparse_initializer:
        raise UnsupportedModelError("sparse initializers are not supported", where=file)
    for tensor in model.graph.initializer:
        where = f"{file}: initializer '{tensor.name}'"
        if tensor.data_location == TensorProto.EXTERNAL:
            hint = "save the model in one file: onnx.save(onnx.load(path), new_path)"
            raise ModelFormatError("its data lies in another file", where=where, hint=hint)
        shape = tuple(tensor.dims)
        if 0 not in shape:
            check_size(where, shape)
        try:
            found[tensor.name] = Const(tensor.name, numpy_helper.to_array(tensor))
        except (ValueError, TypeError, KeyError, RuntimeError) as error:
            raise ModelFormatError(f"its data does not fit shape {shape}", where=where) from error
    return found


def inputs(
    model: ModelProto, known: Mapping[str, Const], shapes: Mapping[str, Shape], file: str
) -> list[Input]:
    """The inputs that are not initializers. Raises InputError for dimensions that nobody gives."""
    protos = [i for i in model.graph.input if i.name not in known]
    names = [i.name for i in protos]
    for name in shapes:
        if name not in names:
            hint = f"inputs are: {', '.join(names)}"
            raise InputError(f"the model has no input '{name}'", where="--shape", hint=hint)
    return [_input(proto, shapes.get(proto.name), file) for proto in protos]


def _input(proto: ValueInfoProto, given: Shape | None, file: str) -> Input:
    where = f"{file}: input '{proto.name}'"
    kind = proto.type.tensor_type
    if kind.elem_type != TensorProto.FLOAT:
        known = kind.elem_type in TensorProto.DataType.values()
        text = (
            TensorProto.DataType.Name(kind.elem_type).lower() if known and kind.elem_type else "not a tensor"
        )
        raise UnsupportedModelError(f"inputs of ONNX models are float32, this one is {text}", where=where)
    declared: list[int | str] = [d.dim_value or str(d.dim_param) or "?" for d in kind.shape.dim]
    if given is not None:
        _check_given(given, declared, kind.HasField("shape"), where)
        check_size(where, given)
        return Input(proto.name, given, "")
    shape, note = _fixed(proto.name, declared, kind.HasField("shape"), where)
    check_size(where, shape)
    return Input(proto.name, shape, note)


def _check_given(given: Shape, declared: list[int | str], has_shape: bool, where: str) -> None:
    fits = len(given) == len(declared) and all(
        isinstance(d, str) or d == n for n, d in zip(given, declared, strict=True)
    )
    if has_shape and not fits:
        dims = ",".join(map(str, declared))
        raise InputError(
            f"{','.join(map(str, given))} does not fit the model's {dims}", where=f"--shape for {where}"
        )


def _fixed(name: str, declared: list[int | str], has_shape: bool, where: str) -> tuple[Shape, str]:
    """The declared shape, a dynamic batch made 1."""
    sizes = [1 if i == 0 and isinstance(d, str) else d for i, d in enumerate(declared)]
    fixed = tuple(d for d in sizes if not isinstance(d, str))
    if not has_shape or len(fixed) < len(sizes):
        example = ",".join(str(d) if isinstance(d, int) else "96" for d in sizes) or "1,3,96,96"
        dims = f"dynamic dimensions ({', '.join(map(str, declared))})" if has_shape else "no shape"
        hint = f"give all of them: --shape {name}={example}"
        raise InputError(f"the input has {dims}", where=where, hint=hint)
    note = f"input '{name}': dynamic batch set to 1" if sizes != declared else ""
    return fixed, note
