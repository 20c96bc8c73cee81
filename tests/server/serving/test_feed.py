"""The feed on real databases: what the store writes is what watchers are told."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support import values
from trilock.server.domain.release import Cause, ReleaseKind, ReleaseState
from trilock.server.serving.compaction import compact
from trilock.server.serving.feed import DatabaseFeed
from trilock.server.store.bundles import record_bundle_row
from trilock.server.store.counters import allot_revision, append_event, begin_generation
from trilock.server.store.database import Database
from trilock.server.store.events import compact_events
from trilock.server.store.migrate import upgrade
from trilock.server.store.releases import go_live, reserve_release, set_live_state
from trilock.server.store.schemas import record_schema
from trilock.server.store.tables import StoreRow
from trilock.v1 import release_pb2


@pytest.fixture(
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)],
)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    url = (
        f"sqlite:///{tmp_path}/trilock.db"
        if request.param == "sqlite"
        else request.getfixturevalue("postgres_database")
    )
    with closing(Database(url)) as database:
        upgrade(database)
        with database.write() as session:
            begin_generation(session)
        yield database


def promote(database: Database, number: int) -> int:
    """Record bundle *number* and make it live; return the revision."""
    with database.write() as session:
        schema, _ = record_schema(
            session,
            values.feature_capture(proto=b"%d" % number),
            contract_digest="c" * 64,
            semantics_digest="5" * 64,
            docs_digest=f"{number:064x}",
            creator="ann",
        )
        bundle, _ = record_bundle_row(
            session,
            model=values.MODEL,
            model_version=values.model_version(str(number)),
            feature_schema=schema,
            pipeline_commit=values.pipeline_commit(),
            serving_config={"replicas": number},
            report={"verdict": "COMPATIBLE", "findings": [], "waived": []},
            creator="ann",
        )
        release = reserve_release(session, values.MODEL)
        previous = None if number == 1 else values.release_ref(number - 1)
        live = go_live(
            session,
            alias=values.ALIAS,
            release=release,
            bundle=bundle.ref,
            kind=ReleaseKind.PROMOTION,
            target=previous,
            restores=None,
            cause=Cause(principal="ann", reason=f"release {number}"),
            expected=previous,
        )
        return live.revision


def finalize(database: Database, number: int) -> None:
    for state in (ReleaseState.FINALIZING, ReleaseState.FINALIZED):
        with database.write() as session:
            set_live_state(
                session,
                values.ALIAS,
                release=values.release_ref(number),
                state=state,
                cause=Cause(principal="bob"),
            )


def test_what_is_live_and_what_changed(database: Database) -> None:
    promote(database, 1)
    finalize(database, 1)
    promote(database, 2)
    feed = DatabaseFeed(database)

    state = feed.state()
    batch = feed.changes(after=1, limit=10)

    live = state.live[str(values.ALIAS)]
    assert state.revision == live.revision == 4
    assert live.generation == state.generation > 0
    assert live.live.bundle == "models/delay/bundles/2"
    assert live.live.model_version == "2"
    assert live.live.feature_project == "delay_v1__s2_320000"
    assert live.live.sink_epoch == (live.generation << 20) + 2
    assert live.live.serving_config["replicas"] == 2
    assert live.standby.bundle == "models/delay/bundles/1"
    assert live.state == release_pb2.RELEASE_STATE_SOAKING
    assert (live.cause.principal, live.cause.reason) == ("ann", "release 2")
    assert [(change.revision, change.state) for change in batch.changes] == [
        (2, release_pb2.RELEASE_STATE_FINALIZING),
        (3, release_pb2.RELEASE_STATE_FINALIZED),
        (4, release_pb2.RELEASE_STATE_SOAKING),
    ]
    assert batch.changes[-1] == live
    assert (batch.revision, batch.compacted) == (4, 0)


def test_the_same_changes_in_parts(database: Database) -> None:
    promote(database, 1)
    finalize(database, 1)
    feed = DatabaseFeed(database)

    first = feed.changes(after=0, limit=2)
    second = feed.changes(after=first.revision, limit=2)

    assert [change.revision for change in first.changes] == [1, 2]
    assert first.revision == 2
    assert ([change.revision for change in second.changes], second.revision) == ([3], 3)


def test_events_of_other_kinds_only_move_the_revision(database: Database) -> None:
    promote(database, 1)
    with database.write() as session:
        append_event(
            session,
            at=allot_revision(session),
            kind="HOLD_LIFTED",
            model="delay",
            alias="",
            payload={},
        )

    batch = DatabaseFeed(database).changes(after=1, limit=10)

    assert (batch.changes, batch.revision) == ((), 2)


def test_what_is_dropped_is_said_to_be(database: Database) -> None:
    promote(database, 1)
    finalize(database, 1)
    feed = DatabaseFeed(database)

    assert compact(database, hours=1) == 0
    assert feed.changes(after=0, limit=10).compacted == 0

    with database.write() as session:
        assert compact_events(session, before_ms=1 << 60) == 3
    dropped = feed.changes(after=0, limit=10)
    assert (dropped.changes, dropped.revision, dropped.compacted) == ((), 3, 3)
    # What is live is not kept in events.
    assert feed.state().live[str(values.ALIAS)].revision == 3
    assert compact(database, hours=1) == 3


def test_a_read_sees_one_state_whatever_is_written_meanwhile(database: Database) -> None:
    promote(database, 1)

    with database.read() as session:
        before = session.get(StoreRow, 1)
        assert before is not None
        assert before.revision == 1
        finalize(database, 1)
        session.expire_all()
        again = session.get(StoreRow, 1)

    assert again is not None
    assert again.revision == 1
