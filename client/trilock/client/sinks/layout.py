"""What trilock keeps in a sink's database: the contract of writer and server.

Per database, in tables of trilock's own (`Dialect.own` names them):

    fence     one row for each sink and epoch: its state, its shape, how far
              merge and undo are. Locked by every batch, exclusively by a close.
    intent    one row for each epoch whose fence is about to change; it turns new
              batches away at once, so that they cannot starve the close.
    batch     one row for each batch that was written.

Per sink with keys and epoch, two tables that say together exactly what the
epoch did, in whichever state it is:

    staging   what the epoch wrote last, for each key: same shape as the table
    image     what the table held before the epoch wrote the key, and how the
              epoch's row got into the table, if it did

A row of the table is the epoch's own while it equals the staging row, and
somebody else's as soon as it does not. An append-only sink has no image.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Final, Self

LAYOUT_VERSION: Final = 1
"""Raised when writers of an older version would do harm."""

PREFIX: Final = "trilock__"
"""Starts the name of every column and table of trilock's own."""

RELEASE_COLUMN: Final = "trilock_release"
"""A text column of this name is filled with what `release_name` says."""

_MAX_IDENTIFIER: Final = 63
"""Bytes; PostgreSQL cuts longer names, which could make two names one."""


class EpochState(StrEnum):
    """What the fence row of one epoch says to a writer that holds the epoch."""

    STAGED = "STAGED"
    """Write to the staging table."""
    MERGING = "MERGING"
    """Being finalized: wait a moment, then look again."""
    DIRECT = "DIRECT"
    """Write to the table itself."""
    CLOSED = "CLOSED"
    """WRITER_FENCED, for good."""


class ImageMode(StrEnum):
    """How the epoch's row of one key got into the table, if it did."""

    STAGED = "STAGED"
    """By the merge, once that has come to it; not at all before."""
    KEPT = "KEPT"
    """Not at all: somebody else had written the key since it was staged."""
    DIRECT = "DIRECT"
    """By the writer."""
    LEFT = "LEFT"
    """It did, but the undo found somebody else's row there and left it."""


class ColumnName(StrEnum):
    """Columns of the image table beside those of the sink's table."""

    SEQ = f"{PREFIX}seq"
    """Grows in the order in which keys were first written; merge and undo go by it."""
    EXISTED = f"{PREFIX}existed"
    """1 if the table had a row of the key before."""
    MODE = f"{PREFIX}mode"
    """An `ImageMode`."""
    BATCH = f"{PREFIX}batch"
    """Number of the batch that wrote the key last."""


class LayoutVersionError(Exception):
    """The tables in the database were made by another version of trilock."""

    def __init__(self, *, found: int) -> None:
        super().__init__(
            f"the database's layout has version {found}, this trilock knows {LAYOUT_VERSION}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A table, as the database spells it."""

    schema: str | None
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapeColumn:
    """A column that a writer may give a value to."""

    name: str
    type: str
    """As the database declares it."""
    default: str | None
    """SQL expression."""
    collation: str | None
    """SQLite only: how the unique index of the keys compares."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One sink in one epoch, complete enough to write without asking anybody.

    Generated columns and ids that the database gives out are not part of it:
    nobody writes them, and no two tables agree on them.
    """

    table: Relation
    staging: Relation
    image: Relation | None
    """None for an append-only sink."""
    keys: tuple[str, ...]
    """Empty for an append-only sink."""
    columns: tuple[ShapeColumn, ...]
    release: str
    """What `release_name` says, for `RELEASE_COLUMN`."""
    triggers: bool
    """Whether triggers of the table may change what is written."""

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names."""
        return tuple(column.name for column in self.columns)

    def to_json(self) -> str:
        """Return the form that the fence row keeps."""
        return json.dumps({"version": LAYOUT_VERSION, **asdict(self)}, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the shape that `to_json` wrote.

        Raises:
            LayoutVersionError: Another version wrote it.
        """
        form = json.loads(text)
        version = form.pop("version")
        if version != LAYOUT_VERSION:
            raise LayoutVersionError(found=version)
        return cls(
            table=Relation(**form["table"]),
            staging=Relation(**form["staging"]),
            image=Relation(**form["image"]) if form["image"] else None,
            keys=tuple(form["keys"]),
            columns=tuple(ShapeColumn(**column) for column in form["columns"]),
            release=form["release"],
            triggers=form["triggers"],
        )


def staging_name(table: str, *, sink: str, epoch: int) -> str:
    """Return the name of a staging table: the table's, recognisably, and unique."""
    suffix = f"__trilock_{_tag(sink)}_{epoch}"
    room = _MAX_IDENTIFIER - len(suffix)
    # Cutting bytes may cut a character in half, which `ignore` then drops.
    return table.encode()[:room].decode(errors="ignore") + suffix


def image_name(*, sink: str, epoch: int) -> str:
    """Return the name of an image table, without the prefix or schema of trilock's own."""
    return f"image_{_tag(sink)}_{epoch}"


def incoming_name(shape: Shape) -> str:
    """Return the name of the temporary table that a batch is loaded into."""
    digest = hashlib.sha256(f"{shape.staging.schema}.{shape.staging.name}".encode()).hexdigest()
    return f"{PREFIX}incoming_{digest[:16]}"


def release_name(sink: str, *, epoch: int) -> str:
    """Return what tells the rows of *epoch* from all others, led by its release's name.

    A server that was restored from a copy gives the names of releases again.
    """
    model = sink.split("/sinks/", maxsplit=1)[0]
    return f"{model}/releases/{release_number(epoch)}@{epoch}"


def release_number(epoch: int) -> int:
    """Return the number of the release that *epoch* was made for: its lowest 20 bits."""
    return epoch & 0xFFFFF


def _tag(sink: str) -> str:
    return hashlib.sha256(sink.encode()).hexdigest()[:8]
