"""Policies and waivers as rows, on both databases; and live rows that are taken together."""

import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlmodel import SQLModel

from tests.support.values import ALIAS, MODEL
from trilock.compat import Mode, NullPolicy, Policy, Severity, Waiver
from trilock.server.domain.names import AliasRef, alias_name
from trilock.server.domain.release import Cause
from trilock.server.store.clock import today
from trilock.server.store.counters import allot_revision, begin_generation
from trilock.server.store.database import Database
from trilock.server.store.policies import (
    end_waiver,
    get_policy,
    list_policies,
    policy_with_waivers,
    put_policy,
    record_waiver,
    waivers_of,
)
from trilock.server.store.releases import lock_live
from trilock.server.store.tables import LiveTable

CAUSE = Cause(principal="ann", reason="because")
CANARY = AliasRef(MODEL, alias_name("canary"))
FULL = Policy(
    mode=Mode.FULL_TRANSITIVE,
    full_feature_names=True,
    null_policy=NullPolicy.NEVER_MISSING,
    nulls={"weather:temp": NullPolicy.MAY_BE_MISSING},
    severities={"SEM001": Severity.ERROR},
)
WAIVER = Waiver(
    rule="FIT013", path="trip:d\u00e9partement", owner="eve", reason="r", expires=date(2013, 1, 31)
)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'trilock.db'}"
    else:
        url = request.getfixturevalue("postgres_database")
    made = Database(url)
    SQLModel.metadata.create_all(made.engine)
    with made.write() as session:
        begin_generation(session)
    yield made
    made.close()


def test_a_policy_comes_back_as_it_was_set(database: Database) -> None:
    with database.write() as session:
        assert get_policy(session, ALIAS).policy == Policy()
        for policy in (Policy(), FULL):
            revision = allot_revision(session)
            put_policy(session, ALIAS, policy=policy, revision=revision, cause=CAUSE)

    with database.read() as session:
        found = list_policies(session, ALIAS, offset=0, limit=10)
        assert [(one.policy, one.etag, one.cause) for one in found] == [
            (FULL, "2", CAUSE),
            (Policy(), "1", CAUSE),
        ]
        assert get_policy(session, CANARY).policy == Policy()


def test_waivers_of_an_alias_are_its_own_and_those_of_every_alias(database: Database) -> None:
    with database.write() as session:
        for alias in (ALIAS, CANARY, None):
            record_waiver(session, model=MODEL, alias=alias, waiver=WAIVER, creator="ann")
        ended = record_waiver(session, model=MODEL, alias=ALIAS, waiver=WAIVER, creator="ann")
        end_waiver(session, ended.ref, cause=CAUSE)

    with database.read() as session:
        assert [one.ref.number for one in waivers_of(session, ALIAS)] == [1, 3]
        assert [one.ref.number for one in waivers_of(session, CANARY)] == [2, 3]
        assert policy_with_waivers(session, ALIAS).waivers == (WAIVER, WAIVER)


def test_today_is_the_day_of_the_database_in_utc(database: Database) -> None:
    before = datetime.now(UTC).date()
    with database.read() as session:
        found = today(session)

    assert before <= found <= before + timedelta(days=1)


def test_live_rows_are_taken_in_one_order_whatever_the_callers(database: Database) -> None:
    with database.write() as session:
        for alias in (ALIAS, CANARY):
            session.add(
                LiveTable(
                    model=alias.model,
                    alias=alias.alias,
                    release=1,
                    epoch=1,
                    state="FINALIZED",
                    bundle=1,
                    revision=1,
                    switched_revision=1,
                    cause={},
                )
            )
    start = threading.Barrier(2)
    done = []

    def take(*aliases: AliasRef) -> None:
        start.wait()
        for _ in range(25):
            with database.write() as session:
                lock_live(session, aliases)
                allot_revision(session)
        done.append(aliases)

    threads = [
        threading.Thread(target=take, args=order) for order in ((ALIAS, CANARY), (CANARY, ALIAS))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert sorted(done) == sorted([(ALIAS, CANARY), (CANARY, ALIAS)])
