"""A small world for the engine: registers as outside systems, and everything else real.

The pivot, the releases, the journal and the database are the product's own; only
what is outside is made up, so that it can be refused, lost, broken and counted.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, Final, Protocol

from sqlalchemy import event
from sqlmodel import Session, SQLModel, col, select

from tests.support.values import (
    ALIAS,
    MODEL,
    bundle_ref,
    feature_capture,
    model_version,
    pipeline_commit,
    release_ref,
)
from trilock.server.convergence.converger import Converger
from trilock.server.convergence.finish import finish_release
from trilock.server.convergence.projection import Projection
from trilock.server.domain.errors import PlaneUnavailableError, PreconditionError
from trilock.server.domain.names import AliasRef, ReleaseRef, alias_name
from trilock.server.domain.operation import (
    Json,
    JsonValue,
    Operation,
    OperationKind,
    Plan,
    PlannedStep,
)
from trilock.server.domain.release import Cause, LiveRow
from trilock.server.operations.journal import Journal
from trilock.server.operations.runner import Runner
from trilock.server.operations.step import Checkpoint, Part
from trilock.server.operations.steps.begin_finalize import BeginFinalize
from trilock.server.operations.steps.switch_live import SwitchLive
from trilock.server.store.bundles import record_bundle_row
from trilock.server.store.counters import begin_generation
from trilock.server.store.database import Database
from trilock.server.store.insert import insert_if_absent
from trilock.server.store.releases import get_live, reserve_release
from trilock.server.store.schemas import record_schema
from trilock.server.store.tables import CounterRow, OperationEventRow

NOBODY: Final = Cause(principal="ann", reason="because")
PLANES: Final = ("model_alias", "feature_mirror")
CANDIDATE: Final = AliasRef(MODEL, alias_name("candidate"))


class Outside(Protocol):
    """Outside systems: named registers, of which each holds a text."""

    def read(self, register: str) -> str: ...

    def write(self, register: str, value: str) -> None: ...


class MemoryOutside:
    """In memory. Survives every crash of trilock that is only acted."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.writes: list[tuple[str, str]] = []
        self.down: set[str] = set()

    def read(self, register: str) -> str:
        self._answer(register)
        return self.values.get(register, "old")

    def write(self, register: str, value: str) -> None:
        self._answer(register)
        self.values[register] = value
        self.writes.append((register, value))

    def _answer(self, register: str) -> None:
        if register in self.down:
            raise PlaneUnavailableError(plane=register, what="timed out")


class FolderOutside:
    """In files. Survives a real SIGKILL."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, register: str) -> str:
        file = self._folder / f"{register}.txt"
        return file.read_text() if file.exists() else "old"

    def write(self, register: str, value: str) -> None:
        written = self._folder / f"{register}.{threading.get_ident()}.part"
        written.write_text(value)
        written.replace(self._folder / f"{register}.txt")


class SetRegister:
    """Sets args["register"] to args["value"]. args["trouble"] says what goes wrong."""

    name: ClassVar[str] = "set_register"
    timeout: ClassVar[float] = 1.0

    def __init__(self, outside: Outside, at: Checkpoint) -> None:
        self._outside = outside
        self._at = at

    def look(self, args: Json) -> JsonValue:
        return {"value": self._outside.read(args["register"])}

    def want(self, args: Json) -> JsonValue:
        return {"value": args["value"]}

    def apply(self, args: Json, *, before: JsonValue) -> JsonValue:
        match args.get("trouble"):
            case "refused":
                raise PreconditionError("refused")
            case "defect":
                raise ZeroDivisionError("a defect")
            case "ignored":
                return "written, it says"
            case _:
                pass
        self._write(args, args["value"])
        if args.get("trouble") == "lost":
            raise PreconditionError("written, but the answer was an error")
        return f"was {before['value']}"

    def undo(self, args: Json, *, before: JsonValue) -> None:
        if self._outside.read(args["register"]) == args["value"]:
            self._write(args, before["value"])

    def _write(self, args: Json, value: str) -> None:
        self._at("outside:before")
        self._outside.write(args["register"], value)
        self._at("outside:after")


class CountUp:
    """Adds one to a row of trilock's own database: twice would show."""

    name: ClassVar[str] = "count_up"
    pivot: ClassVar[bool] = False

    def run(self, session: Session, operation: Operation, args: Json) -> JsonValue:
        insert_if_absent(session, CounterRow, name="counted", value=0)
        row = session.get(CounterRow, "counted", with_for_update=True)
        assert row is not None
        row.value += 1
        session.add(row)
        return row.value

    def undo(
        self, session: Session, operation: Operation, args: Json, *, result: JsonValue
    ) -> None:
        row = session.get(CounterRow, "counted", with_for_update=True)
        assert row is not None
        row.value -= 1
        session.add(row)


class Plane:
    """A register that follows the number of the live bundle."""

    shared: ClassVar[bool] = True
    absolute: ClassVar[bool] = True
    holds_release: ClassVar[bool] = False
    timeout: ClassVar[float] = 1.0

    def __init__(self, outside: Outside, at: Checkpoint) -> None:
        self._outside = outside
        self._at = at

    def wanted(self, live: LiveRow) -> str:
        return str(live.bundle.number)

    def observe(self, live: LiveRow) -> str:
        return self._outside.read(self._register(live))

    def apply(self, live: LiveRow) -> None:
        self._at("outside:before")
        self._outside.write(self._register(live), self.wanted(live))
        self._at("outside:after")

    def _register(self, live: LiveRow) -> str:
        kind = "alias" if isinstance(self, ModelAliasPlane) else "mirror"
        return of(kind, live.alias)


class ModelAliasPlane(Plane):
    # Here it stands for the sinks.
    holds_release: ClassVar[bool] = True
    name: ClassVar[str] = "model_alias"


class FeatureMirrorPlane(Plane):
    name: ClassVar[str] = "feature_mirror"


class World:
    """One process's view of the world. A crash is: forget it and make another one."""

    def __init__(
        self,
        database: Database,
        outside: Outside,
        *,
        at: Checkpoint = lambda _: None,
        owner: str = "A",
        ttl: float = 1000.0,
        backoff: Callable[[int], float] = lambda _: 0.0,
        planes: Sequence[str] = PLANES,
    ) -> None:
        self.database = database
        self.journal = Journal(self.database, poll=0.05)
        self.steps: dict[str, Part] = {
            "set_register": SetRegister(outside, at),
            "count_up": CountUp(),
            "switch_live": SwitchLive(),
            "begin_finalize": BeginFinalize(),
        }
        self.runner = Runner(
            self.database,
            self.journal,
            self.steps,
            owner=owner,
            ttl=ttl,
            poll=0.02,
            backoff=backoff,
            at=at,
        )
        self.planes = tuple(planes)
        every: list[Projection] = [ModelAliasPlane(outside, at), FeatureMirrorPlane(outside, at)]
        self.projections = [plane for plane in every if plane.name in planes]
        self.converger = Converger(
            self.database,
            self.journal,
            lambda _: self.projections,
            on_converged=finish_release,
            owner=owner,
            ttl=ttl,
            poll=0.02,
            # A plane that fails is tried again when a test says so.
            backoff=lambda _: 500.0,
            at=at,
        )

    def promote(
        self,
        bundle: int,
        *,
        alias: AliasRef = ALIAS,
        request_id: str = "",
        trouble: str | None = None,
        deadline_seconds: float | None = None,
    ) -> Operation:
        """Submit what a promotion would: two registers, a local step, the pivot."""
        with self.database.write() as session:
            known = self.journal.claim(session, request_id=request_id, request_hash=f"p{bundle}")
            if known is not None:
                return known
            live = get_live(session, alias)
            release = reserve_release(session, MODEL)
            steps = (
                register(of("staging", alias), f"s{bundle}"),
                PlannedStep(step="count_up", args={}, title="count up"),
                register(of("features", alias), f"f{bundle}", trouble=trouble),
                switch(alias, bundle, "PROMOTION", live),
            )
            return self.journal.submit(
                session,
                self._plan(OperationKind.PROMOTE, alias, *steps),
                request_id=request_id,
                request_hash=f"p{bundle}",
                cause=NOBODY,
                release=release.ref,
                scopes=(str(alias),),
                deadline_seconds=deadline_seconds,
            )

    def roll_back(self, bundle: int, *, alias: AliasRef = ALIAS, request_id: str = "") -> Operation:
        """Submit what a rollback would: the pivot alone; it pre-empts."""
        with self.database.write() as session:
            known = self.journal.claim(session, request_id=request_id, request_hash=f"r{bundle}")
            if known is not None:
                return known
            live = get_live(session, alias)
            return self.journal.submit(
                session,
                self._plan(OperationKind.ROLL_BACK, alias, switch(alias, bundle, "ROLLBACK", live)),
                request_id=request_id,
                request_hash=f"r{bundle}",
                cause=NOBODY,
                release=reserve_release(session, MODEL).ref,
                scopes=(str(alias),),
                preempts=True,
            )

    def finalize(self, *, request_id: str = "") -> Operation:
        """Submit what finalize would: its pivot alone."""
        with self.database.write() as session:
            live = get_live(session, ALIAS)
            assert live is not None
            step = PlannedStep(
                step="begin_finalize",
                args={"alias": str(ALIAS), "release": str(live.release)},
                title="end the soak",
            )
            return self.journal.submit(
                session,
                self._plan(OperationKind.FINALIZE, ALIAS, step),
                request_id=request_id,
                request_hash="f",
                cause=NOBODY,
                release=live.release,
                scopes=(str(ALIAS),),
            )

    def _plan(self, kind: OperationKind, alias: AliasRef, *steps: PlannedStep) -> Plan:
        return plan(kind, alias, *steps, converges=self.planes)

    def run(self) -> None:
        """Drive everything that is due, in this thread."""
        self.runner.run_due()
        self.converger.run_due()

    def live(self, alias: AliasRef = ALIAS) -> LiveRow | None:
        with self.database.read() as session:
            return get_live(session, alias)

    def counted(self) -> int:
        with self.database.read() as session:
            row = session.get(CounterRow, "counted")
            return 0 if row is None else row.value


def of(kind: str, alias: AliasRef) -> str:
    """Return the register of *kind* that belongs to *alias*."""
    return kind if alias == ALIAS else f"{kind}-{alias.alias}"


def register(name: str, value: str, *, trouble: str | None = None) -> PlannedStep:
    args = {"register": name, "value": value}
    if trouble is not None:
        args["trouble"] = trouble
    return PlannedStep(step="set_register", args=args, title=f"set {name} to {value}")


def switch(alias: AliasRef, bundle: int, kind: str, live: LiveRow | None) -> PlannedStep:
    expected = None if live is None else str(live.release)
    return PlannedStep(
        step="switch_live",
        args={
            "alias": str(alias),
            "bundle": str(bundle_ref(bundle)),
            "kind": kind,
            "expected": expected,
            "target": expected if kind == "PROMOTION" else None,
            "restores": None if kind == "PROMOTION" else str(ReleaseRef(MODEL, 1)),
            "epoch": 0,
        },
        title=f"switch {alias}",
    )


def plan(
    kind: OperationKind,
    alias: AliasRef,
    *steps: PlannedStep,
    converges: tuple[str, ...] = (),
) -> Plan:
    return Plan(
        id="0123456789abcdef", kind=kind, alias=alias, etag="", steps=steps, converges=converges
    )


def populate(database: Database, *, bundles: int = 3) -> None:
    """Make the tables, and record bundles 1, 2, ..."""
    SQLModel.metadata.create_all(database.engine)
    with database.write() as session:
        begin_generation(session)
        schema, _ = record_schema(
            session,
            feature_capture(),
            contract_digest="c" * 64,
            semantics_digest="5" * 64,
            docs_digest="d" * 64,
            creator="ann",
        )
        for number in range(1, bundles + 1):
            record_bundle_row(
                session,
                model=MODEL,
                model_version=model_version(str(number)),
                feature_schema=schema,
                pipeline_commit=pipeline_commit(),
                serving_config={},
                report={},
                creator="ann",
            )


def hasty(database: Database) -> Database:
    """Have *database* not wait for the disk: here processes die, not machines."""
    event.listen(
        database.engine,
        "connect",
        lambda connection, _: connection.execute("PRAGMA synchronous=OFF"),
    )
    return database


@contextmanager
def started(world: World) -> Iterator[World]:
    """Run the threads of *world* while the block runs."""
    world.runner.start()
    world.converger.start()
    try:
        yield world
    finally:
        assert world.runner.stop(10)
        assert world.converger.stop(10)


def stop_at(world: World, site: str, act: Callable[[], object], *, times: int = 1) -> None:
    """Have *act* called when the runner comes to *site* for the *times*-th time."""
    left = [times]

    def at(name: str) -> None:
        left[0] -= name == site
        if name == site and left[0] == 0:
            act()

    world.runner._at = at


def submit(world: World, *steps: PlannedStep) -> Operation:
    with world.database.write() as session:
        return world.journal.submit(
            session,
            plan(OperationKind.PROMOTE, ALIAS, *steps),
            request_id="",
            request_hash="",
            cause=NOBODY,
            release=release_ref(9),
            scopes=(str(ALIAS),),
        )


def kinds(world: World, operation: Operation) -> list[str]:
    query = (
        select(OperationEventRow.kind)
        .where(OperationEventRow.operation == operation.id)
        .order_by(col(OperationEventRow.id))
    )
    with world.database.read() as session:
        return list(session.exec(query))
