"""Why a table cannot be a sink, all reasons at once."""

from trilock.client.sinks.layout import PREFIX, RELEASE_COLUMN
from trilock.server.domain.sink import SinkColumn
from trilock.server.sinks.catalog import Table


def problems_of(table: Table, *, keys: tuple[str, ...]) -> list[str]:
    """Return why *table* cannot be a sink with *keys*."""
    problems = list(table.problems)
    names = {column.name for column in table.columns}
    missing = [key for key in keys if key not in names]
    problems += [f"it has no column {key!r}" for key in missing]
    if len(set(keys)) != len(keys):
        problems.append(f"a key column is named twice: {list(keys)}")
    if keys and not missing and frozenset(keys) not in table.unique:
        problems.append(f"no unique index over exactly {sorted(keys)}")
    problems += [
        f"column {name!r}: names that start with {PREFIX!r} are trilock's own"
        for name in sorted(names)
        if name.startswith(PREFIX)
    ]
    for column in table.columns:
        if column.name == RELEASE_COLUMN and not _holds_text(column.type):
            problems.append(f"column {RELEASE_COLUMN!r} is {column.type}, it must hold text")
    if not table.writable:
        problems.append("it has no column to write")
    return problems


def _holds_text(declared: str) -> bool:
    return any(word in declared.lower() for word in ("text", "char"))


def alterations_of(registered: tuple[SinkColumn, ...], found: tuple[SinkColumn, ...]) -> list[str]:
    """Return how the columns differ from those that were registered."""
    then = {column.name: column for column in registered}
    now = {column.name: column for column in found}
    return [
        *(f"column {name!r} is gone since it was registered" for name in then if name not in now),
        *(f"column {name!r} was added since it was registered" for name in now if name not in then),
        *(
            f"column {name!r} was {_spelled(then[name])}, is {_spelled(now[name])}"
            for name in then
            if name in now and then[name] != now[name]
        ),
    ]


def _spelled(column: SinkColumn) -> str:
    return f"{column.type}{'' if column.nullable else ' NOT NULL'}"
