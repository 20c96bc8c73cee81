"""What must be true of a trilock on real planes once nothing is left to do, whatever happened.

The invariants are those of DESIGN, by their names. How it may have ended is the
scenario's to say; the rest holds for every world.
"""

from collections.abc import Iterator
from typing import Final

from sqlmodel import col, select

from tests.crash.real_scenarios import BEGINNINGS, SECOND, Ending, Scenario
from tests.crash.scenarios import assert_fenced
from tests.support.real_world import ETA, ETA_ALIAS, RealWorld
from tests.support.world import SINK
from trilock.client.sinks import WriterFencedError
from trilock.server.checks.drift import DriftCheck
from trilock.server.domain.errors import NotFoundError
from trilock.server.domain.live import ServingBundle
from trilock.server.domain.operation import OperationState, StepState
from trilock.server.store.bundles import get_bundle
from trilock.server.store.events import read_changes, read_state
from trilock.server.store.releases import get_live, get_release, list_live
from trilock.server.store.sinks import get_sink
from trilock.server.store.tables import LeaseRow, LockRow, OperationRow, OperationStepRow

_TEMPS: Final = {1: 20.0, 2: 2000.0}
"""What Feast serves for JFK, by version of the feature schema."""
_MANY: Final = 1000


def violations(world: RealWorld, scenario: Scenario, *, said: bool) -> list[str]:
    """Return what is not as it must be, one line each."""
    ends = scenario.ends if said else scenario.ends + scenario.unless_said
    seen = ending(world, scenario)
    found = [*_told(world), *_left_over(world), *_served(world), *_drifted(world)]
    if seen not in ends:
        found.append(f"it ended as {seen}, not as {' or '.join(map(str, ends))}")
    if scenario.fenced and seen in scenario.ends:
        found += _late_writer(world)
    return found


def ending(world: RealWorld, scenario: Scenario) -> Ending:
    """Return how it ended."""
    live = world.live()
    with world.database.read() as session:
        rows = session.exec(select(OperationRow).order_by(col(OperationRow.created_ms))).all()
        try:
            epoch = get_release(session, SECOND).epoch
        except NotFoundError:
            epoch = 0
        sink = get_sink(session, SINK)
        eta = get_live(session, ETA_ALIAS)
    staged = world.sink_database("warehouse").count_staged(sink, epoch=epoch)
    before = BEGINNINGS[scenario.begins].operations
    temp = world.mirrored()["temp"]
    assert isinstance(temp, float)
    return Ending(
        operations=tuple(OperationState(row.state) for row in rows[before:]),
        bundle=live.bundle.number,
        state=live.state,
        alias=world.alias() or "",
        temp=temp,
        table=world.table(),
        apart=staged.rows,
        canary=live.canary_percent,
        eta=None if eta is None else (eta.bundle.number, eta.state, world.alias(ETA) or ""),
    )


def _told(world: RealWorld) -> Iterator[str]:
    """I1: what readers resolve is what watchers were told last, and each was recorded whole."""
    with world.database.read() as session:
        state = read_state(session)
        changes = read_changes(session, after=0, limit=_MANY).changes
        for told in (*changes, *state.live):
            bundle = get_bundle(session, told.live.bundle)
            epoch, project = told.live.sink_epoch, told.live.feature_project
            whole = ServingBundle.of(
                bundle, release=told.live.release, epoch=epoch, feature_project=project
            )
            if told.live != whole:
                yield f"I1: {told.live} was told, and {whole} was recorded"
    revisions = [change.revision for change in changes]
    if revisions != sorted(set(revisions)):
        yield f"I1: revisions go back: {revisions}"
    last = {change.alias: change for change in changes}
    for live in state.live:
        if last.get(live.alias) != live:
            yield f"I1: {live} is live, and {last.get(live.alias)} was told last"


def _left_over(world: RealWorld) -> Iterator[str]:
    """I3 and I4: nothing is half done, held by nobody, or written by a driver after a later one."""
    with world.database.read() as session:
        if locks := session.exec(select(LockRow)).all():
            yield f"I4: nobody needs these locks: {locks}"
        if leases := session.exec(select(LeaseRow).where(col(LeaseRow.until_ms) > 0)).all():
            yield f"I4: nobody gave these leases back: {leases}"
        for operation in session.exec(select(OperationRow)).all():
            query = select(OperationStepRow).where(OperationStepRow.operation == operation.id)
            steps = {StepState(step.state) for step in session.exec(query)}
            is_done = operation.state == OperationState.SUCCEEDED
            if StepState.STARTED in steps or (is_done and steps != {StepState.DONE}):
                yield f"I3: {operation.id} is {operation.state}, its steps are {steps}"
            try:
                assert_fenced(session, operation.id)
            except AssertionError:
                yield f"I4: a driver of {operation.id} wrote after a later one"


def _served(world: RealWorld) -> Iterator[str]:
    """I6 and I7: whatever is live, on trial or to go back to has its features, side by side."""
    if world.in_place:
        return
    with world.database.read() as session:
        needed = [ref for live in list_live(session) for ref in live.needed]
        schemas = [
            get_bundle(session, get_release(session, ref).bundle).feature_schema for ref in needed
        ]
    for project, version in {schema.project: schema.ref.version for schema in schemas}.items():
        temp = world.feast.serve(project, origin="JFK")["temp"]
        if temp != _TEMPS[version]:
            yield f"I7: {project} serves {temp}"


def _drifted(world: RealWorld) -> Iterator[str]:
    """I8: trilock's own work is not foreign to it, and every plane agrees with the live row."""
    with world.database.read() as session:
        rows = list_live(session)
    for live in rows:
        look = DriftCheck(world.database, world).look(live)
        if look.found or look.unknown:
            yield f"I8: {live.alias} drifted, or is not known: {look.found}, {look.unknown}"


def _late_writer(world: RealWorld) -> list[str]:
    before = world.table()
    try:
        world.write(SECOND, AA3=3.0)
    except WriterFencedError:
        return [] if world.table() == before else ["I5: a late writer wrote"]
    return ["I5: a late writer was not fenced"]
