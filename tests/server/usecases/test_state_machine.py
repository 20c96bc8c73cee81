"""Whatever is asked, whoever edits outside and wherever the process dies: the invariants hold.

Hypothesis draws what happens. A few facts are kept beside trilock: which rows
each release wrote and which bundles were rolled back. All else that is asserted
is what must be so after anything: planes, tables and the live row agree, nothing
is left running, and no release wrote where it may not.
"""

import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlmodel import select

from tests.support.crash import NEVER, Bomb, Crash
from tests.support.values import MODEL
from tests.support.world import World
from trilock.client.sinks import WriterFencedError
from trilock.server.domain.errors import (
    ForeignEditError,
    HeldError,
    NoSafeTargetError,
    PreconditionError,
    StaleEtagError,
    WrongStateError,
)
from trilock.server.domain.names import BundleRef, ReleaseRef
from trilock.server.domain.operation import FINAL_STATES, OperationState
from trilock.server.domain.release import LiveRow, ReleaseKind, ReleaseState
from trilock.server.store.holds import get_hold
from trilock.server.store.releases import get_release
from trilock.server.store.tables import LeaseRow, LockRow, OperationRow
from trilock.server.usecases.lift_hold import lift_hold
from trilock.server.workers.lease import free_all

BUNDLES: Final = 3
FAR: Final = 120
"""More sites than any request has: a crash drawn beyond them does not happen."""

sites = st.one_of(st.just(NEVER), st.integers(1, FAR))
bundles = st.integers(1, BUNDLES)


class Machine(RuleBasedStateMachine):
    """One alias, three bundles, one table, and a client that repeats what was not answered."""

    def __init__(self) -> None:
        super().__init__()
        self.scratch = tempfile.TemporaryDirectory()
        self.folder = Path(self.scratch.name)
        self.bomb = Bomb()
        self.world = World(self.folder, at=self.at)
        self.world.register()
        self.recorded = {
            number: self.world.record(variant=variant)
            for number, variant in enumerate(("celsius", "scaled", "celsius"), start=1)
        }
        self.world.release(self.recorded[1])
        self.rows: dict[int, set[str]] = {}
        """Flights by the release that wrote them."""
        self.rolled_back: set[int] = set()
        self.requests = 0
        self.foreign: int | None = None
        """The bundle to whose version somebody moved MLflow's alias, unless trilock put it back."""

    def at(self, site: str) -> None:
        """Come to a crash site: the bomb is another one for every request."""
        self.bomb(site)

    def teardown(self) -> None:
        self.world.database.close()
        self.scratch.cleanup()

    # What happens.

    @rule(number=bundles, crash=sites)
    def promote(self, number: int, crash: int) -> None:
        before = self.world.live()
        allowed = self.refusals_of_promotion(number)
        request = self.new_request()

        refusal = self.survive(
            crash, lambda: self.world.promote(self.recorded[number], request_id=request)
        )

        live = self.world.live()
        assert (refusal is not None) == bool(allowed)
        assert refusal is None or isinstance(refusal, allowed)
        if refusal is not None:
            assert live == before
        else:
            assert (live.bundle.number, live.state) == (number, ReleaseState.SOAKING)
            assert live.target == before.release
            self.foreign = None
            assert live.release.number > before.release.number

    @rule(number=bundles, press=st.integers(1, FAR))
    def promote_and_roll_back_meanwhile(self, number: int, press: int) -> None:
        before = self.world.live()
        if self.refusals_of_promotion(number):
            return
        pressed: list[int] = []

        def at(_: str) -> None:
            if len(self.bomb.seen) == press:
                with suppress(NoSafeTargetError, StaleEtagError):
                    self.world.roll_back(leaves=before.release, request_id=self.new_request())
                    pressed.append(press)

        request = self.new_request()
        self.bomb = Bomb()
        self.bomb.then = at
        self.world.promote(self.recorded[number], request_id=request)
        self.world.settle()

        live = self.world.live()
        if pressed and self.kind_of(live.release) is ReleaseKind.ROLLBACK:
            self.note_rollback(before, live)
        else:
            assert live.bundle.number == number
            self.foreign = None

    @rule(crash=sites)
    def finalize(self, crash: int) -> None:
        before = self.world.live()
        request = self.new_request()

        refusal = self.survive(crash, lambda: self.world.finalize(request_id=request))

        live = self.world.live()
        assert (live.release, live.bundle) == (before.release, before.bundle)
        if before.state is ReleaseState.SOAKING:
            assert refusal is None
            assert live.state is ReleaseState.FINALIZED
        else:
            assert isinstance(refusal, WrongStateError)
            assert live == before

    @rule(crash=sites)
    def roll_back(self, crash: int) -> None:
        before = self.world.live()
        request = self.new_request()

        refusal = self.survive(
            crash, lambda: self.world.roll_back(leaves=before.release, request_id=request)
        )

        live = self.world.live()
        if refusal is not None:
            assert isinstance(refusal, NoSafeTargetError)
            assert live == before
        elif self.kind_of(before.release) is ReleaseKind.ROLLBACK:
            assert live == before  # pressed again: already done
        else:
            self.note_rollback(before, live)

    @rule()
    def write(self) -> None:
        live = self.world.live()
        flight = f"F{sum(map(len, self.rows.values()))}"
        self.world.write(live.release, **{flight: 1.0})
        self.rows.setdefault(live.release.number, set()).add(flight)

    @precondition(lambda self: self.rolled_back)
    @rule()
    def write_late(self) -> None:
        for number in self.rolled_back:
            with pytest.raises(WriterFencedError):
                self.world.write(ReleaseRef(MODEL, number), late=9.0)

    @rule(number=bundles)
    def move_the_alias_outside(self, number: int) -> None:
        version = self.recorded[number].model_version.version
        self.world.registry.set_alias(model="delay", alias="production", version=version)
        self.foreign = None if number == self.world.live().bundle.number else number

    @rule()
    def start_again(self) -> None:
        self.restart()

    # What must be so after anything.

    @invariant()
    def planes_agree_with_the_live_row(self) -> None:
        live = self.world.live()
        bundle = self.recorded[live.bundle.number]
        if self.foreign is None:
            assert self.world.alias() == bundle.model_version.version
        variant = "scaled" if live.bundle.number == 2 else "celsius"
        assert ("humidity" in self.world.mirrored()) == (variant == "scaled")

    @invariant()
    def a_table_has_the_rows_of_final_releases_only(self) -> None:
        live = self.world.live()
        soaking = {live.release.number} if live.state is ReleaseState.SOAKING else set()
        apart = soaking | self.rolled_back
        expected = {f for n, flights in self.rows.items() if n not in apart for f in flights}
        assert set(self.world.table()) == expected

    @invariant()
    def nothing_is_left_running(self) -> None:
        with self.world.database.read() as session:
            states = session.exec(select(OperationRow.state)).all()
            assert session.exec(select(LockRow)).all() == []
            assert [row for row in session.exec(select(LeaseRow)) if row.until_ms] == []
        assert {OperationState(state) for state in states} <= set(FINAL_STATES)

    @invariant()
    def what_was_rolled_back_is_held(self) -> None:
        live = self.world.live()
        with self.world.database.read() as session:
            held = [n for n in self.recorded if get_hold(session, BundleRef(MODEL, n))]
        assert live.bundle.number not in held

    # How it is done.

    def survive(self, crash: int, ask: Callable[[], object]) -> PreconditionError | None:
        """Ask, die at the site *crash*, ask the same again, and drive all that is due.

        Returns:
            The refusal, if it was refused.
        """
        self.bomb = Bomb(crash)
        refusal = None
        with suppress(Crash), self.bomb.wired(self.world.database):
            refusal = self.asked(ask)
            self.world.settle()
        if crash and len(self.bomb.seen) >= crash:
            self.restart()
            refusal = self.asked(ask)
            self.world.settle()
        return refusal

    def asked(self, ask: Callable[[], object]) -> PreconditionError | None:
        try:
            ask()
        except PreconditionError as error:
            return error
        return None

    def restart(self) -> None:
        """Start a new process on what the old one left."""
        self.bomb = Bomb()
        self.world.database.close()
        self.world = self.world.beside(self.folder / "trilock.db")
        free_all(self.world.database)
        self.world.settle()

    def refusals_of_promotion(self, number: int) -> tuple[type[PreconditionError], ...]:
        live = self.world.live()
        with self.world.database.read() as session:
            held = get_hold(session, BundleRef(MODEL, number)) is not None
        found: list[type[PreconditionError]] = []
        if held:
            found.append(HeldError)
        if self.foreign not in {None, number}:
            found.append(ForeignEditError)
        if live.state is not ReleaseState.FINALIZED or live.bundle.number == number:
            found.append(WrongStateError)
        return tuple(found)

    def note_rollback(self, before: LiveRow, live: LiveRow) -> None:
        """Check what a rollback promises, and let the bundle be promoted again later."""
        assert live.bundle != before.bundle
        assert live.state is ReleaseState.FINALIZED
        assert self.kind_of(live.release) is ReleaseKind.ROLLBACK
        self.rolled_back.add(before.release.number)
        self.foreign = None
        lift_hold(self.world.runtime, resource=before.bundle, reason="again", principal="ann")

    def kind_of(self, release: ReleaseRef) -> ReleaseKind:
        with self.world.database.read() as session:
            return get_release(session, release).kind

    def new_request(self) -> str:
        self.requests += 1
        return f"request-{self.requests}"


Machine.TestCase.settings = settings(
    max_examples=15,
    stateful_step_count=15,
    deadline=None,
    # Shrinking takes minutes; the seed that is printed repeats what was found.
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TestMachine = Machine.TestCase
