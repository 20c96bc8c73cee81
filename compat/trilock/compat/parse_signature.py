"""From the JSON texts of an MLmodel file to a `Signature`; no MLflow needed.

Takes what MLflow takes and refuses what it refuses (`mlflow/types/schema.py`):
a signature that MLflow could not load would not have served either.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from trilock.compat.errors import MalformedSignatureError
from trilock.compat.signature import (
    AnyType,
    ColumnSpec,
    ModelArray,
    ModelMap,
    ModelObject,
    ModelScalar,
    ModelType,
    ParamSpec,
    Property,
    Signature,
    SparkVector,
    Spec,
    TensorSpec,
)

_MAX_DEPTH: Final = 64
_SCALARS: Final[Mapping[str, ModelScalar]] = {scalar.value: scalar for scalar in ModelScalar}
_COMPLEX: Final = frozenset({"array", "object", "map", "any", "sparkml_vector"})


def parse_signature(
    *, inputs: str | None, outputs: str | None, params: str | None
) -> Signature | None:
    """Return the signature that an MLmodel file declares.

    Args:
        inputs: `signature.inputs`, a JSON text; None if the model has no signature.
        outputs: `signature.outputs`.
        params: `signature.params`.

    Returns:
        None if there are no inputs: nothing can be said about what the model reads.

    Raises:
        MalformedSignatureError: A text is not what MLflow writes. The error names the place.
    """
    if inputs is None:
        return None
    return Signature(
        inputs=_specs(inputs, place="inputs"),
        outputs=() if outputs is None else _specs(outputs, place="outputs"),
        params=() if params is None else _params(params),
    )


def _specs(text: str, *, place: str) -> tuple[Spec, ...]:
    entries = _list(text, place=place)
    if not entries:
        raise MalformedSignatureError(place=place, problem="the list is empty")
    specs = tuple(_spec(entry, place=f"{place}[{index}]") for index, entry in enumerate(entries))
    if len({spec.name is None for spec in specs}) > 1:
        raise MalformedSignatureError(place=place, problem="some have a name and some have none")
    if len({isinstance(spec, TensorSpec) for spec in specs}) > 1:
        raise MalformedSignatureError(place=place, problem="columns and tensors are mixed")
    if specs[0].name is None:
        if isinstance(specs[0], TensorSpec) and len(specs) > 1:
            raise MalformedSignatureError(place=place, problem="several tensors without a name")
        if any(not spec.required and not _absent_required(spec) for spec in specs):
            raise MalformedSignatureError(place=place, problem="an optional column without a name")
    return specs


def _absent_required(spec: Spec) -> bool:
    # MLflow reads a complex column without "required" as None, which is neither
    # optional for its constructor nor required for its enforcement.
    return isinstance(spec, ColumnSpec) and not isinstance(spec.type, ModelScalar)


def _spec(entry: object, *, place: str) -> Spec:
    fields = _object(entry, place=place)
    name = fields.get("name")
    if name is not None and not isinstance(name, str):
        raise MalformedSignatureError(place=f"{place}.name", problem=f"{name!r} is not a text")
    if fields.get("type") == "tensor":
        return _tensor(fields, name=name, place=place)
    type_ = _type(fields, place=place, depth=0)
    required = fields.get("required", fields.get("type") not in _COMPLEX)
    return ColumnSpec(name=name, type=type_, required=bool(required))


def _tensor(fields: Mapping[str, Any], *, name: str | None, place: str) -> TensorSpec:
    tensor = _object(fields.get("tensor-spec"), place=f"{place}.tensor-spec")
    dtype, shape = tensor.get("dtype"), tensor.get("shape")
    if not isinstance(dtype, str) or not dtype:
        raise MalformedSignatureError(
            place=f"{place}.tensor-spec.dtype", problem=f"{dtype!r} is not a numpy type"
        )
    return TensorSpec(
        name=name, dtype=dtype, shape=_shape(shape, place=f"{place}.tensor-spec.shape")
    )


def _shape(value: object, *, place: str) -> tuple[int, ...]:
    if not isinstance(value, list) or any(type(size) is not int for size in value):
        raise MalformedSignatureError(place=place, problem=f"{value!r} is not a list of sizes")
    return tuple(value)


def _type(fields: Mapping[str, Any], *, place: str, depth: int) -> ModelType:
    if depth > _MAX_DEPTH:
        raise MalformedSignatureError(place=place, problem="the type is nested too deeply")
    kind = fields.get("type")
    parse = _PARSERS.get(kind) if isinstance(kind, str) else None
    if parse is not None:
        return parse(fields, place, depth + 1)
    if isinstance(kind, str) and kind in _SCALARS:
        return _SCALARS[kind]
    raise MalformedSignatureError(place=f"{place}.type", problem=f"unknown type {kind!r}")


def _array(fields: Mapping[str, Any], place: str, depth: int) -> ModelType:
    items = f"{place}.items"
    return ModelArray(_type(_object(fields.get("items"), place=items), place=items, depth=depth))


def _map(fields: Mapping[str, Any], place: str, depth: int) -> ModelType:
    values = f"{place}.values"
    return ModelMap(_type(_object(fields.get("values"), place=values), place=values, depth=depth))


def _struct(fields: Mapping[str, Any], place: str, depth: int) -> ModelType:
    place = f"{place}.properties"
    properties = _object(fields.get("properties"), place=place)
    if not properties:
        raise MalformedSignatureError(place=place, problem="an object without properties")
    return ModelObject(
        tuple(
            _property(name, properties[name], place=f"{place}.{name}", depth=depth)
            for name in sorted(properties)
        )
    )


def _property(name: str, entry: object, *, place: str, depth: int) -> Property:
    fields = _object(entry, place=place)
    return Property(
        name=name,
        type=_type(fields, place=place, depth=depth),
        required=bool(fields.get("required", True)),
    )


_PARSERS: Final[Mapping[str, Callable[[Mapping[str, Any], str, int], ModelType]]] = {
    "array": _array,
    "object": _struct,
    "map": _map,
    "any": lambda _fields, _place, _depth: AnyType(),
    "sparkml_vector": lambda _fields, _place, _depth: SparkVector(),
}


def _params(text: str) -> tuple[ParamSpec, ...]:
    params = tuple(
        _param(_object(entry, place=f"params[{index}]"), place=f"params[{index}]")
        for index, entry in enumerate(_list(text, place="params"))
    )
    names = [param.name for param in params]
    if len(set(names)) < len(names):
        raise MalformedSignatureError(place="params", problem="a name occurs twice")
    return params


def _param(fields: Mapping[str, Any], *, place: str) -> ParamSpec:
    for key in ("name", "default"):
        if key not in fields:
            raise MalformedSignatureError(place=place, problem=f"no {key!r}")
    # MLflow accepted "dtype" before it wrote "type".
    typed = {**fields, "type": fields.get("type") or fields.get("dtype")}
    shape = fields.get("shape")
    return ParamSpec(
        name=str(fields["name"]),
        type=_type(typed, place=place, depth=0),
        default=fields["default"],
        shape=None if shape is None else _shape(shape, place=f"{place}.shape"),
    )


def _list(text: str, *, place: str) -> list[Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise MalformedSignatureError(place=place, problem=f"not JSON: {error}") from error
    except RecursionError as error:
        raise MalformedSignatureError(place=place, problem="nested too deeply") from error
    if not isinstance(value, list):
        raise MalformedSignatureError(place=place, problem="not a JSON array")
    return value


def _object(value: object, *, place: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise MalformedSignatureError(place=place, problem=f"{value!r} is not a JSON object")
    return value
