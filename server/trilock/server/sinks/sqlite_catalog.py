"""SQLite: a sink's database is a file, and never trilock's own."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from trilock.client.sinks.layout import PREFIX, ColumnName, Relation, Shape, ShapeColumn
from trilock.client.sinks.session import RefusedError, Session
from trilock.client.sinks.sqlite import SqliteDialect, SqliteSession
from trilock.server.domain.errors import SinkError
from trilock.server.domain.sink import SinkColumn
from trilock.server.sinks.catalog import Table
from trilock.server.sinks.fences import own_tables

_LOCK_SECONDS: Final = 5.0
"""How long a batch or a range of a merge may hold the file before it counts as gone."""

# SQLite keeps the text of CREATE TABLE, with the name as it was typed.
_CREATE_TABLE: Final = re.compile(
    r"""CREATE\ TABLE\s+(?:"(?:[^"]|"")*"|`(?:[^`]|``)*`|'(?:[^']|'')*'|\[[^\]]*\]|[^\s("]+)""",
    re.VERBOSE,
)

_LIVE_VIEW: Final = re.compile(r"/\* trilock live view of (\S+) \*/")


class SqliteCatalog:
    """Implements Catalog."""

    def __init__(self, path: str, *, forbidden: Path | None) -> None:
        self._path = path
        self.plane = f"sink database {Path(path).name!r}"
        if forbidden is not None and Path(path).resolve() == forbidden.resolve():
            raise SinkError(
                sink=self.plane, problems=["it is trilock's own file, which is never a sink"]
            )

    def connect(self) -> Session:
        """See Catalog."""
        return SqliteSession(self._path, timeout=_LOCK_SECONDS, urgent=True)

    def find(self, session: Session, *, table: str, keys: tuple[str, ...]) -> Table | None:
        """See Catalog."""
        found = session.rows(
            "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = :name", {"name": table}
        )
        if not found:
            return None
        columns = session.rows(
            'SELECT name, type, "notnull", dflt_value, pk, hidden '
            "FROM pragma_table_xinfo(:name, 'main') ORDER BY cid",
            {"name": table},
        )
        indexes = _indexes(session, table)
        primary = [name for name, *_, pk, _ in columns if pk]
        unique = {frozenset(primary)} if primary else set()
        unique |= {frozenset(name for name, _ in index) for index, _ in indexes}
        # Such a column is the row's number, which SQLite gives out by itself.
        number = {
            name
            for name, kind, *_, pk, _ in columns
            if pk and len(primary) == 1 and kind.upper() == "INTEGER"
        } - {name for index, origin in indexes if origin == "pk" for name, _ in index}
        collations = {name: collation for index, _ in indexes for name, collation in index}
        return Table(
            relation=Relation(schema=None, name=table),
            columns=tuple(
                SinkColumn(name=name, type=kind, nullable=not notnull)
                for name, kind, notnull, *_ in columns
            ),
            writable=tuple(
                ShapeColumn(
                    name=name,
                    type=kind,
                    default=default,
                    collation=collations.get(name) if name in keys else None,
                )
                for name, kind, _, default, _, hidden in columns
                if not hidden and (name in keys or name not in number)
            ),
            unique=frozenset(unique),
            triggers=bool(
                session.rows(
                    "SELECT 1 FROM sqlite_master WHERE type = 'trigger' AND tbl_name = :name",
                    {"name": table},
                )
            ),
            problems=("it is a virtual table",) if "VIRTUAL" in found[0][0][:15].upper() else (),
        )

    def missing_rights(self, session: Session, table: Table) -> list[str]:
        """See Catalog."""
        del table
        try:
            with session.transaction():
                pass
        except RefusedError as error:
            return [f"no right to write: {error}"]
        return []

    def prepare(self, session: Session) -> None:
        """See Catalog."""
        for statement in own_tables(
            f"main.{PREFIX}{{}}", number="INTEGER PRIMARY KEY", moment="text"
        ):
            session.execute(statement)

    def prepared(self, session: Session) -> bool:
        """See Catalog."""
        return self.exists(session, Relation(schema=None, name=f"{PREFIX}batch"))

    def make(self, session: Session, table: Table, shape: Shape, *, sink: str, epoch: int) -> None:
        """See Catalog."""
        del sink, epoch
        quote, name = SqliteDialect().quote, shape.staging.name
        ((sql,),) = session.rows(
            "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = :name",
            {"name": table.relation.name},
        )
        copy, count = _CREATE_TABLE.subn(lambda _: f"CREATE TABLE main.{quote(name)}", sql, count=1)
        if not count:
            raise RefusedError("its CREATE TABLE statement cannot be copied")
        session.execute(copy)
        for number, (index, origin) in enumerate(_indexes(session, table.relation.name)):
            # Those of constraints came with the statement.
            if origin == "c":
                columns = ", ".join(f"{quote(c)} COLLATE {quote(how)}" for c, how in index)
                session.execute(
                    f"CREATE UNIQUE INDEX main.{quote(f'{name}_{number}')} "
                    f"ON {quote(name)} ({columns})"
                )
        if shape.image is not None:
            columns = ", ".join(
                f"{quote(column.name)} {column.type}"
                + (f" COLLATE {quote(column.collation)}" if column.collation else "")
                for column in shape.columns
            )
            keys = ", ".join(map(quote, shape.keys))
            session.execute(
                f"CREATE TABLE main.{quote(shape.image.name)} "
                f"({columns}, {ColumnName.SEQ} INTEGER PRIMARY KEY, "
                f"{ColumnName.EXISTED} integer NOT NULL, {ColumnName.MODE} text NOT NULL, "
                f"{ColumnName.BATCH} integer NOT NULL, UNIQUE ({keys}))"
            )

    def drop(self, session: Session, shape: Shape, *, sink: str, epoch: int) -> None:
        """See Catalog."""
        del sink, epoch
        for relation in (shape.staging, shape.image):
            if relation is not None:
                session.execute(f"DROP TABLE IF EXISTS {session.dialect.relation(relation)}")

    def exists(self, session: Session, relation: Relation) -> bool:
        """See Catalog."""
        return bool(
            session.rows(
                "SELECT 1 FROM sqlite_master WHERE type IN ('table', 'view') AND name = :name",
                {"name": relation.name},
            )
        )

    def add_column(self, session: Session, table: Table, name: str) -> None:
        """See Catalog."""
        dialect = session.dialect
        session.execute(
            f"ALTER TABLE {dialect.relation(table.relation)} ADD COLUMN {dialect.quote(name)} text"
        )

    def view_owner(self, session: Session, view: Relation) -> str | None:
        """See Catalog."""
        found = session.rows(
            "SELECT sql FROM sqlite_master WHERE type = 'view' AND name = :name",
            {"name": view.name},
        )
        marked = _LIVE_VIEW.search(found[0][0]) if found else None
        return marked.group(1) if marked else None

    def make_view(
        self,
        session: Session,
        view: Relation,
        query: str,
        *,
        columns: Sequence[str],
        sink: str,
        table: Relation,
    ) -> None:
        """See Catalog."""
        del columns, table
        self.drop_view(session, view)
        # SQLite keeps the text as it is, comments too.
        session.execute(
            f"CREATE VIEW {session.dialect.relation(view)} AS "
            f"/* trilock live view of {sink} */ {query}"
        )

    def drop_view(self, session: Session, view: Relation) -> None:
        """See Catalog."""
        session.execute(f"DROP VIEW IF EXISTS {session.dialect.relation(view)}")

    def before_merge(self, session: Session, shape: Shape) -> None:
        """See Catalog."""
        # ANALYZE would change the plans of everybody else's statements as well.

    def take_fence(self, session: Session, change: Callable[[], None], *, patience: float) -> None:
        """See Catalog."""
        # BEGIN IMMEDIATE waits for the batch that is open; nobody's session can be ended.
        del patience
        with session.transaction():
            change()


def _indexes(session: Session, table: str) -> list[tuple[list[tuple[str, str]], str]]:
    """Return the columns with their collation, and the origin, of each usable unique index."""
    found = session.rows(
        "SELECT name, origin FROM pragma_index_list(:name, 'main') "
        'WHERE "unique" AND NOT partial ORDER BY seq DESC',
        {"name": table},
    )
    indexes = [
        (
            session.rows(
                "SELECT cid, name, coll FROM pragma_index_xinfo(:name, 'main') "
                "WHERE key ORDER BY seqno",
                {"name": name},
            ),
            origin,
        )
        for name, origin in found
    ]
    return [
        ([(name, collation) for _, name, collation in columns], origin)
        for columns, origin in indexes
        # Below zero: an expression, or the row's number.
        if all(cid >= 0 for cid, _, _ in columns)
    ]
