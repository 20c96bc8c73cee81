"""A function in PostgreSQL that writes one batch as the Python writer does.

For writers in any language: `SELECT trilock.write(sink, epoch, batch_id, rows)`
with the rows as a JSON array of objects. Its statements are those of the
writer, so what holds for one holds for the other: it is fenced, it stages, it
can be undone. Each epoch has a function of its own; `trilock.write` finds it.
"""

# What is formatted into statements is identifiers, quoted by the dialect, and text
# quoted by `_literal`.
# ruff: noqa: S608

import hashlib
from collections.abc import Iterable
from typing import Final

from trilock.client.sinks.layout import (
    PREFIX,
    RELEASE_COLUMN,
    EpochState,
    Shape,
    ShapeColumn,
    incoming_name,
)
from trilock.client.sinks.postgres import SCHEMA, PostgresDialect
from trilock.client.sinks.statements import BatchSql, FenceSql, Fragments

FENCED: Final = "TL001"
"""SQLSTATE of WRITER_FENCED."""
MERGING: Final = "TL002"
"""SQLSTATE while the epoch is being finalized: try again in a moment."""
NOT_OPEN: Final = "TL003"
"""SQLSTATE where trilock has not opened the sink for the epoch."""


class _FunctionDialect(PostgresDialect):
    """PostgreSQL inside PL/pgSQL: parameters are variables, a percent sign is one."""

    def quote(self, name: str) -> str:
        """See Dialect."""
        return '"' + name.replace('"', '""') + '"'

    def param(self, name: str) -> str:
        """See Dialect."""
        # No column of a sink starts with the prefix, so that none is taken for it.
        return f"{PREFIX}{name}"


def dispatcher() -> str:
    """Return the statement that makes `trilock.write`."""
    return f"""
CREATE OR REPLACE FUNCTION {SCHEMA}.write(sink text, epoch bigint, batch_id text, rows jsonb)
RETURNS bigint LANGUAGE plpgsql AS $trilock$
DECLARE
    -- As writer_name has it.
    writer CONSTANT text := '{PREFIX}write_' || epoch || '_'
        || left(encode(sha256(convert_to(sink, 'UTF8')), 'hex'), 8);
    written bigint;
BEGIN
    IF to_regprocedure(format('{SCHEMA}.%I(text, jsonb)', writer)) IS NOT NULL THEN
        EXECUTE format('SELECT {SCHEMA}.%I($1, $2)', writer) USING batch_id, rows INTO written;
        RETURN written;
    ELSIF EXISTS (SELECT FROM {SCHEMA}.fence f WHERE f.sink = write.sink
                  AND f.epoch = write.epoch AND f.state = '{EpochState.CLOSED}') THEN
        RAISE EXCEPTION 'WRITER_FENCED: % is closed for epoch %', sink, epoch
            USING ERRCODE = '{FENCED}';
    END IF;
    RAISE EXCEPTION '% is not open for epoch %', sink, epoch USING ERRCODE = '{NOT_OPEN}';
END $trilock$"""


def writer_name(sink: str, *, epoch: int) -> str:
    """Return the name of the function that writes for one epoch."""
    return f"{SCHEMA}.{PREFIX}write_{epoch}_{hashlib.sha256(sink.encode()).hexdigest()[:8]}"


def writer_function(shape: Shape, *, sink: str, epoch: int) -> str:
    """Return the statement that makes the function of one epoch."""
    dialect = _FunctionDialect()
    fences, f = FenceSql(dialect), Fragments(dialect, shape)
    var = dialect.param
    incoming = dialect.quote(incoming_name(shape))
    return f"""
CREATE OR REPLACE FUNCTION {writer_name(sink, epoch=epoch)}
    ({var("batch_id")} text, {var("batch")} jsonb)
RETURNS bigint LANGUAGE plpgsql AS $trilock$
DECLARE
    {var("sink")} CONSTANT text := {_literal(sink)};
    {var("epoch")} CONSTANT bigint := {epoch};
    {var("rows")} CONSTANT bigint := jsonb_array_length({var("batch")});
    {var("mode")} text;
    {var("shape")} text;
    {var("number")} bigint;
    {var("unknown")} text;
    {var("locked")} bigint;
    {var("replaced")} bigint := 0;
    {var("inserted")} bigint := 0;
BEGIN
    -- A statement after a lock has to see what was committed before it.
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'trilock.write needs a transaction that is READ COMMITTED';
    END IF;
    {_into(fences.enter, var("mode"), var("shape"))};
    IF NOT FOUND THEN
        {_into(fences.intended, var("mode"))};
    END IF;
    IF {var("mode")} = '{EpochState.CLOSED}' THEN
        RAISE EXCEPTION 'WRITER_FENCED: % is closed for epoch %', {var("sink")}, {var("epoch")}
            USING ERRCODE = '{FENCED}';
    ELSIF {var("shape")} IS NULL OR {var("mode")} = '{EpochState.MERGING}' THEN
        RAISE EXCEPTION '% is being finalized for epoch %: try again', {var("sink")}, {var("epoch")}
            USING ERRCODE = '{MERGING}';
    END IF;
    {fences.claim} INTO {var("number")};
    IF {var("number")} IS NULL THEN
        {_into(fences.claimed, var("locked"))};
        IF {var("locked")} <> {var("rows")} THEN
            RAISE EXCEPTION 'batch % was written with % rows, this one has %; use a new batch id',
                {var("batch_id")}, {var("locked")}, {var("rows")}
                USING ERRCODE = 'unique_violation';
        END IF;
        RETURN {var("rows")};
    END IF;
    SELECT string_agg(DISTINCT k, ', ') INTO {var("unknown")}
    FROM jsonb_array_elements({var("batch")}) e, jsonb_object_keys(e) k
    WHERE k <> ALL ({_array(name for name in shape.names if name != RELEASE_COLUMN)});
    IF {var("unknown")} IS NOT NULL THEN
        RAISE EXCEPTION 'column % cannot be written', {var("unknown")}
            USING ERRCODE = 'undefined_column';
    END IF;
    CREATE TEMPORARY TABLE IF NOT EXISTS {incoming} (LIKE {f.staging} INCLUDING DEFAULTS
        INCLUDING IDENTITY INCLUDING GENERATED INCLUDING CONSTRAINTS) ON COMMIT DELETE ROWS;
    DELETE FROM {f.incoming};
    INSERT INTO {f.incoming} ({f.names()})
    SELECT {", ".join(_value(dialect, shape, column) for column in shape.columns)}
    FROM jsonb_array_elements({var("batch")}) e,
         jsonb_populate_record(NULL::{f.staging}, e) r;
{_apply(dialect, shape)}
    RETURN {var("rows")};
END $trilock$"""


def _apply(dialect: _FunctionDialect, shape: Shape) -> str:
    """Return what `trilock.client.sinks.writer` does with a batch that is loaded."""
    sql, var = BatchSql(dialect, shape), dialect.param
    if not shape.keys:
        return f"""
    IF {var("mode")} = '{EpochState.STAGED}' THEN {sql.append[EpochState.STAGED]};
    ELSE {sql.append[EpochState.DIRECT]};
    END IF;"""
    resync = f"{sql.resync};" if shape.triggers else ""
    return f"""
    IF ({sql.null_key}) > 0 THEN
        RAISE EXCEPTION 'a key is NULL' USING ERRCODE = 'not_null_violation';
    ELSIF EXISTS ({sql.duplicate_key}) THEN
        RAISE EXCEPTION 'a key is in the batch twice' USING ERRCODE = 'unique_violation';
    END IF;
    IF {var("mode")} = '{EpochState.STAGED}' THEN
        {sql.capture};
        {sql.stage};
    ELSE
        {var("locked")} := ({sql.lock});
        {sql.capture};
        {sql.recapture};
        {sql.stage};
        {sql.replace};
        GET DIAGNOSTICS {var("replaced")} = ROW_COUNT;
        {sql.insert};
        GET DIAGNOSTICS {var("inserted")} = ROW_COUNT;
        IF ({var("replaced")}, {var("inserted")})
           IS DISTINCT FROM ({var("locked")}, {var("rows")} - {var("locked")}) THEN
            RAISE EXCEPTION 'rows of the batch''s keys appeared while it was written: try again'
                USING ERRCODE = 'serialization_failure';
        END IF;
        {resync}
    END IF;"""


def _value(dialect: _FunctionDialect, shape: Shape, column: ShapeColumn) -> str:
    """Return what a row gives to *column*: its default where it gives nothing."""
    name = f"r.{dialect.quote(column.name)}"
    if column.name == RELEASE_COLUMN:
        return _literal(shape.release)
    if column.default is None:
        return name
    return f"CASE WHEN e ? {_literal(column.name)} THEN {name} ELSE {column.default} END"


def _into(query: str, *variables: str) -> str:
    """Return *query* with the first row going into variables."""
    head, select, rest = query.partition(" FROM ")
    return f"{head} INTO {', '.join(variables)}{select}{rest}"


def _array(names: Iterable[str]) -> str:
    return f"ARRAY[{', '.join(map(_literal, names))}]::text[]"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
