"""Signatures are read as MLflow writes them, and refused where MLflow would refuse them."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.compat.raws import tensor
from trilock.compat import MalformedSignatureError, Signature, parse_signature
from trilock.compat.signature import ColumnSpec, ModelScalar, TensorSpec


def parsed(inputs: Any, *, outputs: Any = None, params: Any = None) -> Signature:
    found = parse_signature(
        inputs=json.dumps(inputs),
        outputs=None if outputs is None else json.dumps(outputs),
        params=None if params is None else json.dumps(params),
    )
    assert found is not None
    return found


def test_no_inputs_is_no_signature() -> None:
    outputs = json.dumps([{"type": "double"}])

    assert parse_signature(inputs=None, outputs=outputs, params=None) is None


def test_named_columns() -> None:
    inputs = [
        {"type": "double", "name": "temp", "required": True},
        {"type": "long", "name": "hour", "required": False},
        {"type": "string", "name": "carrier"},
    ]

    assert parsed(inputs).inputs == (
        ColumnSpec(name="temp", type=ModelScalar.DOUBLE, required=True),
        ColumnSpec(name="hour", type=ModelScalar.LONG, required=False),
        ColumnSpec(name="carrier", type=ModelScalar.STRING, required=True),
    )


COMPLEX = [
    ({"type": "array", "items": {"type": "long"}}, "Array(long)"),
    (
        {"type": "array", "items": {"type": "array", "items": {"type": "double"}}},
        "Array(Array(double))",
    ),
    (
        {
            "type": "object",
            "properties": {"b": {"type": "string", "required": False}, "a": {"type": "long"}},
        },
        "Object(a: long, b: string (optional))",
    ),
    ({"type": "map", "values": {"type": "any"}}, "Map(Any)"),
    ({"type": "map", "values": {"type": "sparkml_vector"}}, "Map(sparkml_vector)"),
    ({"type": "any"}, "Any"),
    ({"type": "sparkml_vector"}, "sparkml_vector"),
]


@pytest.mark.parametrize(("spec", "text"), COMPLEX, ids=[text for _, text in COMPLEX])
def test_complex_columns(spec: dict[str, Any], text: str) -> None:
    (column,) = parsed([{"name": "x", "required": True, **spec}]).inputs

    assert isinstance(column, ColumnSpec)
    assert str(column.type) == text


def test_a_complex_column_that_does_not_say_is_optional() -> None:
    """MLflow reads the missing key as None, and enforces None as optional."""
    (column,) = parsed([{"name": "x", "type": "any"}]).inputs

    assert not column.required


def test_tensors() -> None:
    found = parsed([tensor("float32", -1, 3)])

    assert found.inputs == (TensorSpec(name=None, dtype="float32", shape=(-1, 3)),)
    assert (found.named, found.tensors) == (False, True)


def test_outputs_and_params() -> None:
    found = parsed(
        [{"type": "double", "name": "temp"}],
        outputs=[tensor("float64", -1)],
        params=[
            {"name": "top", "type": "long", "default": 3, "shape": None},
            {"name": "old", "dtype": "string", "default": "x", "shape": None},
            {"name": "many", "type": "double", "default": [0.5], "shape": [-1]},
        ],
    )

    assert [str(spec) for spec in found.outputs] == ["Tensor(float64, (-1,))"]
    assert [(one.name, one.type, one.default, one.shape) for one in found.params] == [
        ("top", ModelScalar.LONG, 3, None),
        ("old", ModelScalar.STRING, "x", None),
        ("many", ModelScalar.DOUBLE, [0.5], (-1,)),
    ]


def test_duplicates_are_detected() -> None:
    names = ["b", "a", "b", "c", "a"]

    assert parsed([{"name": one, "type": "long"} for one in names]).duplicates() == ("a", "b")


MALFORMED = [
    ('[{"type": "double", "na', "inputs"),
    ("{}", "inputs"),
    ("[]", "inputs"),
    ('["double"]', "inputs[0]"),
    ('[{"name": "x"}]', "inputs[0].type"),
    ('[{"name": "x", "type": "decimal"}]', "inputs[0].type"),
    ('[{"name": 7, "type": "long"}]', "inputs[0].name"),
    ('[{"name": "x", "type": "array"}]', "inputs[0].items"),
    ('[{"name": "x", "type": "array", "items": {"type": "tensor"}}]', "inputs[0].items.type"),
    ('[{"name": "x", "type": "object", "properties": {}}]', "inputs[0].properties"),
    (
        '[{"name": "x", "type": "object", "properties": {"a": {"type": 3}}}]',
        "inputs[0].properties.a.type",
    ),
    ('[{"name": "x", "type": "map"}]', "inputs[0].values"),
    ('[{"name": "x", "type": "long"}, {"type": "long"}]', "inputs"),
    ('[{"type": "long", "required": false}]', "inputs"),
    (json.dumps([tensor("int64", -1), tensor("int64", -1)]), "inputs"),
    (json.dumps([tensor("int64", -1, name="x"), {"name": "y", "type": "long"}]), "inputs"),
    ('[{"type": "tensor"}]', "inputs[0].tensor-spec"),
    ('[{"type": "tensor", "tensor-spec": {"shape": [-1]}}]', "inputs[0].tensor-spec.dtype"),
    (
        '[{"type": "tensor", "tensor-spec": {"dtype": "int64", "shape": ["a"]}}]',
        "inputs[0].tensor-spec.shape",
    ),
    ("[" * 100_000, "inputs"),
]


@pytest.mark.parametrize(("text", "place"), MALFORMED, ids=[text[:70] for text, _ in MALFORMED])
def test_a_malformed_text_is_refused_with_its_place(text: str, place: str) -> None:
    with pytest.raises(MalformedSignatureError) as caught:
        parse_signature(inputs=text, outputs=None, params=None)

    assert caught.value.place == place


def test_a_type_nested_without_end_is_refused() -> None:
    spec: dict[str, Any] = {"type": "long"}
    for _ in range(200):
        spec = {"type": "array", "items": spec}

    with pytest.raises(MalformedSignatureError, match="nested too deeply"):
        parsed([{"name": "x", **spec}])


def test_malformed_params_name_their_place() -> None:
    with pytest.raises(MalformedSignatureError, match=r"params\[0\]: no 'default'"):
        parsed([{"name": "x", "type": "long"}], params=[{"name": "p", "type": "long"}])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["name", "type", "required", "items", "properties", "values", "tensor-spec"]
            ),
            inner
            | st.sampled_from(
                ["long", "array", "object", "map", "any", "tensor", "sparkml_vector"]
            ),
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(text=st.text(max_size=30) | json_values.map(json.dumps))
def test_nothing_else_is_ever_raised(text: str) -> None:
    with suppress(MalformedSignatureError):
        parse_signature(inputs=text, outputs=text, params=text)
