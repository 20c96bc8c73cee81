"""The SQL of one batch, the same text for both databases but for the dialect.

A batch is loaded into a temporary table, *incoming*, and goes from there by
sets. All statements of a batch run in one transaction that holds the fence.
Rows are touched in the order of their keys, so that two writers cannot wait
for each other.
"""

# Every value in these statements is a parameter; what is formatted in is
# identifiers, quoted by the dialect.
# ruff: noqa: S608

from collections.abc import Iterable

from trilock.client.sinks.layout import (
    ColumnName,
    EpochState,
    ImageMode,
    Relation,
    Shape,
    incoming_name,
)
from trilock.client.sinks.session import Dialect


class Fragments:
    """Pieces of SQL about the tables of one shape, under their usual aliases.

    `t` is the table, `s` the staging table, `b` the image, `i` incoming.
    """

    def __init__(self, dialect: Dialect, shape: Shape) -> None:
        self.dialect = dialect
        self.shape = shape
        self.table = dialect.relation(shape.table)
        self.staging = dialect.relation(shape.staging)
        # Append-only sinks have no statement that names the image.
        self.image = dialect.relation(shape.image or Relation(schema=None, name=""))
        self.incoming = dialect.temporary(incoming_name(shape))
        self.seq, self.existed, self.mode, self.batch = map(dialect.quote, ColumnName)
        self.absent = f"t.{dialect.quote(shape.keys[0])} IS NULL" if shape.keys else ""

    def names(self, alias: str = "", *, names: Iterable[str] | None = None) -> str:
        """Return a list of columns, by default of all that are written."""
        prefix = f"{alias}." if alias else ""
        chosen = self.shape.names if names is None else names
        return ", ".join(prefix + self.dialect.quote(name) for name in chosen)

    def keys(self, alias: str) -> str:
        """Return the list of the key columns."""
        return self.names(alias, names=self.shape.keys)

    def on(self, left: str, right: str) -> str:
        """Return the condition that two rows have one key."""
        quote = self.dialect.quote
        return " AND ".join(f"{left}.{quote(k)} = {right}.{quote(k)}" for k in self.shape.keys)

    def assign(self, alias: str) -> str:
        """Return the assignments that make a row equal to the row *alias*."""
        quote = self.dialect.quote
        return ", ".join(f"{quote(name)} = {alias}.{quote(name)}" for name in self.shape.names)

    def same(self, left: str, right: str) -> str:
        """Return the condition that two rows are equal to the last bit."""
        return f"({self.dialect.same(left, right, self.shape.columns)})"

    def before(self) -> str:
        """Return the columns of `t`, or, where it has no row, the key of `i` and NULLs."""
        quote = self.dialect.quote
        return ", ".join(
            f"coalesce(t.{quote(name)}, i.{quote(name)})"
            if name in self.shape.keys
            else f"t.{quote(name)}"
            for name in self.shape.names
        )

    def upsert(self) -> str:
        """Return the end of an INSERT that replaces a row of the same key."""
        return f"ON CONFLICT ({self.names(names=self.shape.keys)}) DO UPDATE SET " + self.assign(
            "excluded"
        )


class FenceSql:
    """Statements about fences and batches; they are the same for every shape."""

    def __init__(self, dialect: Dialect) -> None:
        param = dialect.param
        fence, intent, batch = dialect.own("fence"), dialect.own("intent"), dialect.own("batch")
        which = f"sink = {param('sink')} AND epoch = {param('epoch')}"

        # An intent is looked for before the lock is asked for: whoever came after it
        # must not keep the closer waiting.
        self.enter = (
            f"SELECT f.state, f.shape FROM {fence} f WHERE f.sink = {param('sink')} "
            f"AND f.epoch = {param('epoch')} AND NOT EXISTS (SELECT 1 FROM {intent} x "
            f"WHERE x.sink = f.sink AND x.epoch = f.epoch) {dialect.share}"
        )
        self.intended = (
            f"SELECT state FROM {intent} WHERE {which} "
            f"UNION ALL SELECT state FROM {fence} WHERE {which}"
        )
        self.progress = (
            f"SELECT shape, merged_through, undone_through, undone FROM {fence} WHERE {which}"
        )
        self.claim = (
            f"INSERT INTO {batch} (sink, epoch, batch_id, rows, mode, written) VALUES "
            f"({param('sink')}, {param('epoch')}, {param('batch_id')}, {param('rows')}, "
            f"{param('mode')}, {dialect.now}) ON CONFLICT (sink, epoch, batch_id) DO NOTHING "
            "RETURNING number"
        )
        self.claimed = f"SELECT rows FROM {batch} WHERE {which} AND batch_id = {param('batch_id')}"


class BatchSql:
    """Statements that take a batch from *incoming* to where the fence says."""

    def __init__(self, dialect: Dialect, shape: Shape) -> None:
        f = Fragments(dialect, shape)
        self._f = f
        number = dialect.param("number")

        self.append = {
            EpochState.STAGED: self._append(f.staging),
            EpochState.DIRECT: self._append(f.table),
        }
        if not shape.keys:
            return
        self.null_key = f"SELECT count(*) FROM {f.incoming} i WHERE " + " OR ".join(
            f"i.{dialect.quote(key)} IS NULL" for key in shape.keys
        )
        self.duplicate_key = (
            f"SELECT {f.keys('i')} FROM {f.incoming} i GROUP BY {f.keys('i')} "
            "HAVING count(*) > 1 LIMIT 1"
        )
        # The first write of a key captures what the table held before. Later ones only
        # touch the row, which makes writers of one key take turns from here on.
        self.capture = (
            f"INSERT INTO {f.image} ({f.names()}, {f.existed}, {f.mode}, {f.batch}) "
            f"SELECT {f.before()}, CASE WHEN {f.absent} THEN 0 ELSE 1 END, "
            f"{dialect.param('mode')}, {number} "
            f"FROM {f.incoming} i LEFT JOIN {f.table} t ON {f.on('t', 'i')} "
            f"WHERE true ORDER BY {f.keys('i')} "
            f"ON CONFLICT ({f.names(names=shape.keys)}) "
            f"DO UPDATE SET {f.batch} = excluded.{f.batch}"
        )
        self.stage = (
            f"INSERT INTO {f.staging} ({f.names()}) SELECT {f.names('i')} FROM {f.incoming} i "
            f"WHERE true ORDER BY {f.keys('i')} {f.upsert()}"
        )
        self.lock = (
            f"SELECT count(*) FROM (SELECT 1 FROM {f.table} t JOIN {f.incoming} i "
            f"ON {f.on('t', 'i')} ORDER BY {f.keys('i')} {dialect.lock_rows('t')}) locked"
        )
        self.known = f"SELECT count(*) FROM {f.incoming} i JOIN {f.staging} s ON {f.on('s', 'i')}"
        # A row that is not the epoch's own any more is somebody else's: it is what an
        # undo has to bring back. Runs before `stage`, while `s` is what we wrote last.
        quote = dialect.quote
        taken_over = ", ".join(
            f"{quote(name)} = "
            + (
                f"coalesce(t.{quote(name)}, i.{quote(name)})"
                if name in shape.keys
                else f"t.{quote(name)}"
            )
            for name in shape.names
        )
        self.recapture = (
            f"UPDATE {f.image} AS b SET {taken_over}, "
            f"{f.existed} = CASE WHEN {f.absent} THEN 0 ELSE 1 END, "
            f"{f.mode} = '{ImageMode.DIRECT}' "
            f"FROM {f.incoming} i JOIN {f.staging} s ON {f.on('s', 'i')} "
            f"LEFT JOIN {f.table} t ON {f.on('t', 'i')} "
            f"WHERE {f.on('b', 'i')} AND (b.{f.mode} = '{ImageMode.KEPT}' "
            f"OR {f.absent} OR NOT {f.same('t', 's')})"
        )
        self.replace = (
            f"UPDATE {f.table} AS t SET {f.assign('i')} FROM {f.incoming} i WHERE {f.on('t', 'i')}"
        )
        self.insert = (
            f"INSERT INTO {f.table} ({f.names()}) SELECT {f.names('i')} FROM {f.incoming} i "
            f"WHERE NOT EXISTS (SELECT 1 FROM {f.table} t WHERE {f.on('t', 'i')}) "
            f"ORDER BY {f.keys('i')} ON CONFLICT ({f.names(names=shape.keys)}) DO NOTHING"
        )
        # Triggers of the table may have changed what was written; the staging table has
        # to say what is really there.
        self.resync = (
            f"UPDATE {f.staging} AS s SET {f.assign('t')} FROM {f.incoming} i "
            f"JOIN {f.table} t ON {f.on('t', 'i')} "
            f"WHERE {f.on('s', 'i')} AND NOT {f.same('t', 's')}"
        )

    def misfits(self) -> list[tuple[str, str, str]]:
        """Return name, type and the query for a value that does not fit, for some columns."""
        f = self._f
        conditions = [(column, f.dialect.misfit(column)) for column in f.shape.columns]
        return [
            (
                column.name,
                column.type,
                (
                    f"SELECT {f.dialect.quote(column.name)} FROM {f.incoming} "
                    f"WHERE {condition} LIMIT 1"
                ),
            )
            for column, condition in conditions
            if condition is not None
        ]

    def _append(self, target: str) -> str:
        f = self._f
        return f"INSERT INTO {target} ({f.names()}) SELECT {f.names('i')} FROM {f.incoming} i"
