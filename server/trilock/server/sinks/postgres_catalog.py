"""PostgreSQL: a stopped writer must not stop a rollback, so its session is ended."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from trilock.client.sinks.layout import ColumnName, Relation, Shape, ShapeColumn
from trilock.client.sinks.postgres import SCHEMA, PostgresDialect, PostgresSession
from trilock.client.sinks.session import LockTimeoutError, LostError, Session, SessionError
from trilock.server.domain.sink import SinkColumn
from trilock.server.sinks.catalog import Table
from trilock.server.sinks.fences import own_tables
from trilock.server.sinks.postgres_function import dispatcher, writer_function, writer_name

_TIMEOUT_SECONDS: Final = 2.0
_END_SECONDS: Final = 5.0
"""How long the sessions that were ended may take to go."""
_POLL_SECONDS: Final = 0.02

_FIND: Final = """
    SELECT c.oid, n.nspname, c.relname, c.relkind, c.relhassubclass, row_security_active(c.oid),
           EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = c.oid AND NOT g.tgisinternal)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relname = %(name)s AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
      AND CASE WHEN %(schema)s::text IS NULL THEN pg_table_is_visible(c.oid)
               ELSE n.nspname = %(schema)s END
"""
_COLUMNS: Final = """
    SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
           a.attgenerated <> '' OR a.attidentity = 'a',
           a.attidentity <> '' OR coalesce(pg_get_expr(d.adbin, d.adrelid), '') LIKE 'nextval(%%',
           pg_get_expr(d.adbin, d.adrelid), a.attgenerated <> ''
    FROM pg_attribute a LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
    WHERE a.attrelid = %(oid)s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
# ON CONFLICT takes no index that is deferrable, partial or of expressions.
_UNIQUE: Final = """
    SELECT array_agg(a.attname::text)
    FROM pg_index x CROSS JOIN unnest(x.indkey) WITH ORDINALITY k (attnum, position)
    JOIN pg_attribute a ON (a.attrelid, a.attnum) = (x.indrelid, k.attnum)
    WHERE x.indrelid = %(oid)s AND x.indisunique AND x.indisvalid AND x.indimmediate
      AND x.indpred IS NULL AND x.indexprs IS NULL AND k.position <= x.indnkeyatts
    GROUP BY x.indexrelid
"""
_RIGHTS: Final = """
    SELECT p FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) p
    WHERE NOT has_table_privilege(%(table)s::regclass, p)
"""
_WRITERS_OUT_OF_REACH: Final = """
    SELECT r.rolname FROM pg_roles r
    WHERE r.rolcanlogin AND NOT r.rolsuper
      AND has_table_privilege(r.oid, %(table)s::regclass, 'INSERT')
      AND NOT pg_has_role(r.oid, 'USAGE') AND NOT pg_has_role('pg_signal_backend', 'USAGE')
    ORDER BY r.rolname
"""
_WRITERS: Final = """
    SELECT DISTINCT CASE WHEN x.grantee = 0 THEN NULL ELSE x.grantee::regrole::text END
    FROM pg_class c CROSS JOIN aclexplode(c.relacl) x
    WHERE c.oid = %(table)s::regclass AND x.privilege_type = 'INSERT' AND x.grantee <> c.relowner
"""
_READERS: Final = _WRITERS.replace("'INSERT'", "'SELECT'")

_LIVE_VIEW: Final = "trilock live view of "
_VIEW_MS: Final = 150
_ALTER_MS: Final = 2000

# 0 is a prepared transaction, which has no session.
_END_BLOCKERS: Final = (
    "SELECT pg_terminate_backend(p) FROM unnest(pg_blocking_pids(%(pid)s)) p WHERE p <> 0"
)


class PostgresCatalog:
    """Implements Catalog."""

    def __init__(self, url: str) -> None:
        self._url = url
        # Neither user nor password, and nothing of a query: it may hold both.
        database = url.partition("://")[2].partition("?")[0].rpartition("/")[2]
        self.plane = f"sink database {database!r}"
        self._dialect = PostgresDialect()

    def connect(self) -> PostgresSession:
        """See Catalog."""
        return PostgresSession(self._url, name="trilock server", timeout=_TIMEOUT_SECONDS)

    def find(self, session: Session, *, table: str, keys: tuple[str, ...]) -> Table | None:
        """See Catalog."""
        schema, _, name = table.partition(".")
        # A dot may as well be part of the name.
        found = session.rows(_FIND, {"schema": None, "name": table}) or session.rows(
            _FIND, {"schema": schema, "name": name}
        )
        if not found:
            return None
        oid, schema, name, kind, inherited, secured, triggers = found[0]
        columns = session.rows(_COLUMNS, {"oid": oid})
        problems = [
            f"key column {column!r} is generated: no writer can give it"
            for column, _, _, generated, *_ in columns
            if generated and column in keys
        ]
        if kind not in {"r", "p"}:
            problems.append("it is not a table")
        if kind == "r" and inherited:
            problems.append("other tables inherit from it")
        if secured:
            problems.append("row level security hides rows of it from trilock")
        return Table(
            relation=Relation(schema=schema, name=name),
            columns=tuple(
                SinkColumn(name=column, type=kind, nullable=not notnull)
                for column, kind, notnull, *_ in columns
            ),
            writable=tuple(
                ShapeColumn(name=column, type=kind, default=default, collation=None)
                for column, kind, _, _, given_out, default, generated in columns
                if not generated and (column in keys or not given_out)
            ),
            unique=frozenset(frozenset(index) for (index,) in session.rows(_UNIQUE, {"oid": oid})),
            triggers=triggers,
            problems=tuple(problems),
        )

    def missing_rights(self, session: Session, table: Table) -> list[str]:
        """See Catalog."""
        which = {"table": self._literal(table.relation)}
        missing = [f"no right to {right} it" for (right,) in session.rows(_RIGHTS, which)]
        ((beside, own, database),) = session.rows(
            "SELECT has_schema_privilege(%(schema)s, 'CREATE'), "
            "(SELECT has_schema_privilege(oid, 'CREATE') FROM pg_namespace "
            " WHERE nspname = %(own)s), "
            "has_database_privilege(current_database(), 'CREATE')",
            {"schema": table.relation.schema, "own": SCHEMA},
        )
        if not beside:
            missing.append(f"no right to CREATE tables in schema {table.relation.schema!r}")
        if own is None and not database:
            missing.append(f"no right to CREATE the schema {SCHEMA!r} in the database")
        if own is False:
            missing.append(f"no right to CREATE tables in schema {SCHEMA!r}")
        for (role,) in session.rows(_WRITERS_OUT_OF_REACH, which):
            missing.append(
                f"no right to end the sessions of {role!r}, which may write to it; "
                "grant pg_signal_backend"
            )
        return missing

    def prepare(self, session: Session) -> None:
        """See Catalog."""
        if self.prepared(session):
            return
        # IF NOT EXISTS alone lets two that do it at once fail.
        session.rows("SELECT pg_advisory_xact_lock(hashtext('trilock sinks'))")
        session.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
        for statement in own_tables(
            f"{SCHEMA}.{{}}",
            number="bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
            moment="timestamptz",
        ):
            session.execute(statement)
        session.execute(dispatcher().replace("%", "%%"))

    def prepared(self, session: Session) -> bool:
        """See Catalog."""
        return self.exists(session, Relation(schema=SCHEMA, name="batch"))

    def make(self, session: Session, table: Table, shape: Shape, *, sink: str, epoch: int) -> None:
        """See Catalog."""
        relation, quote = self._dialect.relation, self._dialect.quote
        staging = relation(shape.staging)
        session.execute(f"CREATE TABLE {staging} (LIKE {relation(table.relation)} INCLUDING ALL)")
        made = [staging]
        if shape.image is not None:
            image = relation(shape.image)
            names = ", ".join(map(quote, shape.names))
            keys = ", ".join(map(quote, shape.keys))
            # Not LIKE: that would make columns NOT NULL, and there are keys without a row.
            session.execute(
                f"CREATE TABLE {image} AS SELECT {names} "  # noqa: S608 - quoted identifiers
                f"FROM {relation(table.relation)} WITH NO DATA"
            )
            session.execute(
                f"ALTER TABLE {image} "
                f"ADD {ColumnName.SEQ} bigint GENERATED ALWAYS AS IDENTITY UNIQUE, "
                f"ADD {ColumnName.EXISTED} smallint NOT NULL, "
                f"ADD {ColumnName.MODE} text NOT NULL, ADD {ColumnName.BATCH} bigint NOT NULL, "
                f"ADD UNIQUE ({keys})"
            )
            made.append(image)
        self._grant(session, table, made)
        # A percent sign is doubled, as in every statement of this dialect.
        session.execute(writer_function(shape, sink=sink, epoch=epoch).replace("%", "%%"))

    def drop(self, session: Session, shape: Shape, *, sink: str, epoch: int) -> None:
        """See Catalog."""
        session.execute(f"DROP FUNCTION IF EXISTS {writer_name(sink, epoch=epoch)}")
        for relation in (shape.staging, shape.image):
            if relation is not None:
                session.execute(f"DROP TABLE IF EXISTS {self._dialect.relation(relation)}")

    def _grant(self, session: Session, table: Table, made: list[str]) -> None:
        """Let whoever may write the table write what was made beside it."""
        own = self._dialect.own
        for (role,) in session.rows(_WRITERS, {"table": self._literal(table.relation)}):
            to = role or "PUBLIC"
            session.execute(f"GRANT USAGE ON SCHEMA {SCHEMA} TO {to}")
            session.execute(f"GRANT SELECT, INSERT, UPDATE ON {', '.join(made)} TO {to}")
            session.execute(f"GRANT SELECT, INSERT ON {own('batch')} TO {to}")
            session.execute(f"GRANT SELECT ON {own('fence')}, {own('intent')} TO {to}")
            # FOR SHARE asks for the right to update some column; this one is never read.
            session.execute(f"GRANT UPDATE (opened) ON {own('fence')} TO {to}")

    def exists(self, session: Session, relation: Relation) -> bool:
        """See Catalog."""
        return bool(
            session.rows(
                "SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
                "WHERE n.nspname = %(schema)s AND c.relname = %(name)s",
                {"schema": relation.schema, "name": relation.name},
            )
        )

    def add_column(self, session: Session, table: Table, name: str) -> None:
        """See Catalog."""
        session.execute(f"SET LOCAL lock_timeout = '{_ALTER_MS}ms'")
        session.execute(
            f"ALTER TABLE {self._dialect.relation(table.relation)} "
            f"ADD COLUMN {self._dialect.quote(name)} text"
        )

    def view_owner(self, session: Session, view: Relation) -> str | None:
        """See Catalog."""
        found = session.rows(
            "SELECT obj_description(c.oid, 'pg_class') FROM pg_class c "
            "JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE c.relkind = 'v' AND n.nspname = %(schema)s AND c.relname = %(name)s",
            {"schema": view.schema, "name": view.name},
        )
        comment = found[0][0] if found else None
        if comment is None or not comment.startswith(_LIVE_VIEW):
            return None
        return str(comment).removeprefix(_LIVE_VIEW)

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
        name = self._dialect.relation(view)
        # A reader that takes long would hold up every later one behind this statement.
        session.execute(f"SET LOCAL lock_timeout = '{_VIEW_MS}ms'")
        there = [
            column
            for (column,) in session.rows(
                "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%(view)s) "
                "AND attnum > 0 ORDER BY attnum",
                {"view": self._literal(view)},
            )
        ]
        if there != list(columns[: len(there)]):
            # REPLACE can add columns at the end, and nothing else.
            self.drop_view(session, view)
        session.execute(f"CREATE OR REPLACE VIEW {name} AS {query}")
        session.execute(f"COMMENT ON VIEW {name} IS '{_LIVE_VIEW}{sink}'")
        for (role,) in session.rows(_READERS, {"table": self._literal(table)}):
            session.execute(f"GRANT SELECT ON {name} TO {role or 'PUBLIC'}")
        session.execute("SET LOCAL lock_timeout = DEFAULT")

    def drop_view(self, session: Session, view: Relation) -> None:
        """See Catalog."""
        session.execute(f"DROP VIEW IF EXISTS {self._dialect.relation(view)}")

    def before_merge(self, session: Session, shape: Shape) -> None:
        """See Catalog."""
        tables = [shape.staging] if shape.image is None else [shape.staging, shape.image]
        session.execute(f"ANALYZE {', '.join(map(self._dialect.relation, tables))}")

    def take_fence(self, session: Session, change: Callable[[], None], *, patience: float) -> None:
        """See Catalog."""
        try:
            self._changed(session, change, seconds=patience)
        except LockTimeoutError:
            with self._ending_holders(session):
                self._changed(session, change, seconds=_END_SECONDS)

    def _changed(self, session: Session, change: Callable[[], None], *, seconds: float) -> None:
        with session.transaction():
            session.execute(f"SET LOCAL lock_timeout = '{round(seconds * 1000)}ms'")
            change()

    @contextmanager
    def _ending_holders(self, session: Session) -> Iterator[None]:
        """End, all the while, the sessions that *session* waits for."""
        done = threading.Event()
        failed: list[SessionError] = []
        ((pid,),) = session.rows("SELECT pg_backend_pid()")

        def end_them() -> None:
            try:
                other = self.connect()
            except SessionError as error:
                failed.append(error)
                return
            try:
                while not done.wait(_POLL_SECONDS):
                    other.rows(_END_BLOCKERS, {"pid": pid})
            except SessionError as error:
                failed.append(error)
            finally:
                other.close()

        helper = threading.Thread(target=end_them, name="trilock-end-holders", daemon=True)
        helper.start()
        try:
            yield
        except LockTimeoutError as error:
            why = failed[0] if failed else "a prepared transaction may be one of them"
            raise LostError(f"those that hold the fence cannot be ended: {why}") from error
        finally:
            done.set()
            helper.join()

    def _literal(self, relation: Relation) -> str:
        """Return the table's name as a parameter for `::regclass`."""
        return self._dialect.relation(relation).replace("%%", "%")
