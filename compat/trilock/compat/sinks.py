"""What a model writes, against the columns of the tables it is written to.

MLflow never enforces outputs, so this is our own table: families of SQL types as
PostgreSQL and SQLite name them. Outputs without a name are not judged, because
only the writer knows which column they go to.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Final

from trilock.compat.signature import ModelScalar, Signature, Spec, TensorSpec
from trilock.compat.subject import Subject


@unique
class Fit(StrEnum):
    """How an output meets its column."""

    GOOD = "GOOD"
    NARROWER = "NARROWER"
    """The right kind of type, but not every value fits."""
    WRONG = "WRONG"
    ABSENT = "ABSENT"
    """No sink has such a column."""
    UNKNOWN = "UNKNOWN"
    """The SQL type, or the output's, is in no family we know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """One named output of the model, and the column of one sink it goes to."""

    name: str
    output: str
    sink: str | None
    """None where no sink has such a column."""
    sql_type: str | None
    fit: Fit


def outputs(signature: Signature | None) -> Mapping[str, str]:
    """Return the type of each output; outputs without a name count by their position."""
    specs = () if signature is None else signature.outputs
    return {
        spec.name if spec.name is not None else f"output {index}": _type_text(spec)
        for index, spec in enumerate(specs)
    }


def writings(subject: Subject) -> Iterator[Writing]:
    """Yield how every named output of the subject's model meets its sinks."""
    sinks = {
        sink: {name.lower(): type_ for name, type_ in columns.items()}
        for sink, columns in (subject.sink_columns or {}).items()
        if columns
    }
    if not sinks or subject.signature is None:
        return
    for spec in subject.signature.outputs:
        if spec.name is not None:
            yield from _writings(spec, spec.name, sinks)


def _writings(spec: Spec, name: str, sinks: Mapping[str, Mapping[str, str]]) -> Iterator[Writing]:
    # Each sink is judged by itself; one that lacks the column is not written it.
    found = {
        sink: columns[name.lower()] for sink, columns in sinks.items() if name.lower() in columns
    }
    output = _type_text(spec)
    if not found:
        yield Writing(name=name, output=output, sink=None, sql_type=None, fit=Fit.ABSENT)
    for sink, sql_type in found.items():
        fit = _fit(spec, sql_type=sql_type)
        yield Writing(name=name, output=output, sink=sink, sql_type=sql_type, fit=fit)


def _type_text(spec: Spec) -> str:
    return str(spec) if isinstance(spec, TensorSpec) else str(spec.type)


_TENSORS: Final[Mapping[str, ModelScalar]] = {
    "bool": ModelScalar.BOOLEAN,
    "int8": ModelScalar.INTEGER,
    "int16": ModelScalar.INTEGER,
    "int32": ModelScalar.INTEGER,
    "uint8": ModelScalar.INTEGER,
    "uint16": ModelScalar.INTEGER,
    "int64": ModelScalar.LONG,
    "uint32": ModelScalar.LONG,
    "float16": ModelScalar.FLOAT,
    "float32": ModelScalar.FLOAT,
    "float64": ModelScalar.DOUBLE,
    "str": ModelScalar.STRING,
    "bytes": ModelScalar.BINARY,
    "datetime64[ns]": ModelScalar.DATETIME,
}
"""The scalar that one row of a one-dimensional tensor is."""

_FAMILIES: Final[Mapping[str, frozenset[str]]] = {
    family: frozenset(names.split(","))
    for family, names in {
        "bool": "boolean,bool",
        "int16": "smallint,int2,tinyint,smallserial",
        "int32": "integer,int,int4,mediumint,serial",
        "int64": "bigint,int8,bigserial",
        "float32": "real,float4",
        "float64": "double precision,double,float,float8",
        "decimal": "numeric,decimal",
        "text": "text,varchar,character varying,char,character,bpchar,nvarchar,clob",
        "bytes": "bytea,blob,binary,varbinary",
        "time": "timestamp,timestamp without time zone,timestamp with time zone,timestamptz,"
        "datetime,date",
    }.items()
}

_GOOD: Final[Mapping[ModelScalar, frozenset[str]]] = {
    ModelScalar.BOOLEAN: frozenset({"bool"}),
    ModelScalar.INTEGER: frozenset({"int32", "int64", "decimal", "float64"}),
    ModelScalar.LONG: frozenset({"int64", "decimal"}),
    ModelScalar.FLOAT: frozenset({"float32", "float64", "decimal"}),
    ModelScalar.DOUBLE: frozenset({"float64", "decimal"}),
    ModelScalar.STRING: frozenset({"text"}),
    ModelScalar.BINARY: frozenset({"bytes"}),
    ModelScalar.DATETIME: frozenset({"time"}),
}
_NARROWER: Final[Mapping[ModelScalar, frozenset[str]]] = {
    ModelScalar.INTEGER: frozenset({"int16", "float32"}),
    ModelScalar.LONG: frozenset({"int32", "int16", "float64", "float32"}),
    ModelScalar.DOUBLE: frozenset({"float32"}),
}


def _fit(spec: Spec, *, sql_type: str) -> Fit:
    scalar = _scalar(spec)
    family = _family(sql_type)
    if scalar is None or family is None:
        return Fit.UNKNOWN
    if family in _GOOD[scalar]:
        return Fit.GOOD
    return Fit.NARROWER if family in _NARROWER.get(scalar, ()) else Fit.WRONG


def _scalar(spec: Spec) -> ModelScalar | None:
    if isinstance(spec, TensorSpec):
        return _TENSORS.get(spec.dtype) if spec.shape in {(-1,), (-1, 1)} else None
    return spec.type if isinstance(spec.type, ModelScalar) else None


def _family(sql_type: str) -> str | None:
    # `character varying(80)`, `timestamp(6) with time zone`: sizes say nothing of the kind.
    name = re.sub(r"\s*\([^)]*\)", "", sql_type).strip().lower()
    return next((family for family, names in _FAMILIES.items() if name in names), None)
