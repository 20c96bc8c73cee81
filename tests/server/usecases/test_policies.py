"""Policies and waivers: read by every check, gate and plan; expired ones are never silent."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlmodel import select

from tests.support.values import ALIAS, MODEL
from tests.support.world import ANN, World, world
from trilock.compat import Mode, Policy, Severity, Verdict, Waiver
from trilock.server.domain.bundle import Bundle
from trilock.server.domain.errors import (
    IncompatibleError,
    InvalidRequestError,
    RequestIdReusedError,
    StaleEtagError,
    UnknownConnectionError,
    WrongStateError,
)
from trilock.server.domain.names import AliasRef, alias_name, model_name
from trilock.server.domain.operation import OperationState
from trilock.server.domain.policy import RecordedPolicy, WaiverState
from trilock.server.store.clock import today
from trilock.server.store.policies import get_policy, list_policies
from trilock.server.store.tables import EventRow, WaiverRow
from trilock.server.usecases.check_bundle import check_bundle
from trilock.server.usecases.describe_alias import describe_alias
from trilock.server.usecases.promote import plan_promote
from trilock.server.usecases.set_policy import set_policy
from trilock.server.usecases.waive import Waivers, read_waivers, revoke_waiver, waive

CANARY = AliasRef(MODEL, alias_name("canary"))
STRICT = Policy(severities={"SEM001": Severity.ERROR})
PATHS = ("derived:temp_distance", "weather:temp")


@pytest.fixture
def w(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        made.release(made.record())
        yield made


@pytest.fixture
def bundle(w: World) -> Bundle:
    """A bundle whose features are made in another way than those that are live."""
    return w.record(variant="scaled")


def put(w: World, policy: Policy, *, etag: str = "", request_id: str = "") -> RecordedPolicy:
    return set_policy(
        w.runtime,
        alias=ALIAS,
        policy=policy,
        reason="because",
        etag=etag,
        request_id=request_id,
        validate_only=False,
        principal=ANN,
    )


def let_pass(
    w: World, path: str, *, days: int = 7, alias: AliasRef | None = ALIAS, owner: str = "eve"
) -> Waivers:
    return waive(
        w.runtime,
        model=MODEL,
        alias=alias,
        waiver=Waiver(
            rule="SEM001",
            path=path,
            owner=owner,
            reason="retrained",
            expires=day(w) + timedelta(days=days),
        ),
        request_id="",
        validate_only=False,
        principal=ANN,
    )


def day(w: World) -> date:
    with w.database.read() as session:
        return today(session)


def expire(w: World) -> None:
    """Have the last day of every waiver be yesterday."""
    yesterday = (day(w) - timedelta(days=1)).isoformat()
    with w.database.write() as session:
        for row in session.exec(select(WaiverRow)):
            row.expires = yesterday
            session.add(row)


def events(w: World) -> list[tuple[str, str]]:
    with w.database.read() as session:
        rows = session.exec(select(EventRow).order_by(EventRow.revision)).all()  # type: ignore[arg-type]  # SQLModel: a column
    return [(row.kind, row.alias) for row in rows if row.kind != "LIVE"]


def test_without_a_policy_the_default_counts(w: World, bundle: Bundle) -> None:
    report = check_bundle(w.runtime, alias=ALIAS, bundle=bundle.ref)

    assert report.verdict is Verdict.COMPATIBLE_WITH_WARNINGS
    with w.database.read() as session:
        assert get_policy(session, ALIAS).etag == "default"


def test_a_check_a_plan_and_a_promotion_go_by_the_policy(w: World, bundle: Bundle) -> None:
    put(w, STRICT)

    report = check_bundle(w.runtime, alias=ALIAS, bundle=bundle.ref)
    planned = plan_promote(w.runtime, alias=ALIAS, bundle=bundle.ref, window=None)

    assert report.verdict is Verdict.INCOMPATIBLE
    assert isinstance(planned.refusal, IncompatibleError)
    with pytest.raises(IncompatibleError):
        w.promote(bundle)


def test_a_policy_that_is_set_during_a_promotion_counts_at_its_pivot(
    w: World, bundle: Bundle
) -> None:
    operation = w.promote(bundle)
    put(w, STRICT)

    ended = w.settled(operation)

    assert (ended.state, ended.error_reason) == (OperationState.COMPENSATED, "INCOMPATIBLE")
    assert str(w.live().bundle) == "models/delay/bundles/1"


def test_a_policy_is_one_aliass_own(w: World, bundle: Bundle) -> None:
    put(w, STRICT)

    report = check_bundle(w.runtime, alias=CANARY, bundle=bundle.ref)

    assert report.verdict is Verdict.COMPATIBLE


def test_an_evolution_mode_is_asked_for_by_the_policy(w: World) -> None:
    w.release(w.record(variant="scaled"))
    put(w, Policy(mode=Mode.FORWARD))
    smaller = w.record(inputs='[{"type": "double", "name": "temp"}]')

    report = check_bundle(w.runtime, alias=ALIAS, bundle=smaller.ref)

    assert [(one.rule, one.path) for one in report.findings if one.rule == "EVO001"] == [
        ("EVO001", "weather:humidity")
    ]


@pytest.mark.parametrize(
    ("mode", "found"),
    [(Mode.BACKWARD, []), (Mode.BACKWARD_TRANSITIVE, ["weather:humidity"])],
)
def test_a_transitive_mode_looks_at_all_that_was_live(
    w: World, mode: Mode, found: list[str]
) -> None:
    w.release(w.record(variant="scaled"))
    bigger = w.record(variant="scaled", inputs='[{"type": "double", "name": "humidity"}]')
    put(w, Policy(mode=mode))

    report = check_bundle(w.runtime, alias=ALIAS, bundle=bigger.ref)

    assert [one.path for one in report.findings if one.rule == "EVO001"] == found


def test_every_policy_stays_in_the_history(w: World) -> None:
    first = put(w, STRICT)
    second = put(w, Policy(mode=Mode.FULL), etag=first.etag)

    with w.database.read() as session:
        found = list_policies(session, ALIAS, offset=0, limit=10)
    assert [(one.revision, one.policy.mode) for one in found] == [
        (second.revision, Mode.FULL),
        (first.revision, Mode.NONE),
    ]
    assert [one.cause and one.cause.principal for one in found] == [ANN, ANN]
    assert events(w) == [("POLICY_SET", "production"), ("POLICY_SET", "production")]


def test_who_has_not_seen_the_newest_policy_does_not_replace_it(w: World) -> None:
    put(w, STRICT, etag="default")

    with pytest.raises(StaleEtagError):
        put(w, Policy(mode=Mode.FULL), etag="default")


def test_the_same_again_changes_nothing(w: World) -> None:
    first = put(w, STRICT)

    assert put(w, STRICT) == first
    assert len(events(w)) == 1


def test_a_repeated_request_answers_what_is_set_and_another_content_is_refused(w: World) -> None:
    first = put(w, STRICT, etag="default", request_id="r1")

    assert put(w, STRICT, etag="default", request_id="r1") == first
    with pytest.raises(RequestIdReusedError):
        put(w, Policy(), request_id="r1")


@pytest.mark.parametrize("rule", ["CON001", "CON002", "EVI003"])
def test_what_protects_other_bundles_does_not_weigh_less(w: World, rule: str) -> None:
    with pytest.raises(InvalidRequestError, match="protects other bundles"):
        put(w, Policy(severities={rule: Severity.INFO}))


def test_an_unknown_rule_is_refused(w: World) -> None:
    with pytest.raises(InvalidRequestError, match="there is no rule 'FIT999'"):
        put(w, Policy(severities={"FIT999": Severity.INFO}))


def test_only_looking_changes_nothing(w: World) -> None:
    found = set_policy(
        w.runtime,
        alias=ALIAS,
        policy=STRICT,
        reason="",
        etag="default",
        request_id="",
        validate_only=True,
        principal=ANN,
    )

    assert (found.etag, events(w)) == ("default", [])


def test_a_waived_finding_does_not_count_and_is_shown(w: World, bundle: Bundle) -> None:
    put(w, STRICT)
    for path in PATHS:
        let_pass(w, path)

    report = check_bundle(w.runtime, alias=ALIAS, bundle=bundle.ref)

    assert report.verdict is Verdict.COMPATIBLE
    assert [(one.finding.path, one.waiver.owner) for one in report.waived] == [
        ("derived:temp_distance", "eve"),
        ("weather:temp", "eve"),
    ]
    assert w.settled(w.promote(bundle)).state is OperationState.SUCCEEDED


def test_a_waiver_waives_one_finding_and_no_other(w: World, bundle: Bundle) -> None:
    put(w, STRICT)
    let_pass(w, PATHS[0])

    report = check_bundle(w.runtime, alias=ALIAS, bundle=bundle.ref)

    assert report.verdict is Verdict.INCOMPATIBLE
    assert [one.path for one in report.findings] == ["weather:temp"]


@pytest.mark.parametrize(
    ("alias", "verdict"), [(None, Verdict.COMPATIBLE), (CANARY, Verdict.INCOMPATIBLE)]
)
def test_a_waiver_is_for_one_alias_or_for_every_one(
    w: World, bundle: Bundle, alias: AliasRef | None, verdict: Verdict
) -> None:
    put(w, STRICT)
    for path in PATHS:
        let_pass(w, path, alias=alias)

    assert check_bundle(w.runtime, alias=ALIAS, bundle=bundle.ref).verdict is verdict


def test_an_expired_waiver_is_said_and_the_finding_counts_again(w: World, bundle: Bundle) -> None:
    put(w, STRICT)
    for path in PATHS:
        let_pass(w, path)
    expire(w)

    report = check_bundle(w.runtime, alias=ALIAS, bundle=bundle.ref)

    assert report.verdict is Verdict.INCOMPATIBLE
    assert report.waived == ()
    assert [(one.path, one.rule) for one in report.findings] == [
        ("derived:temp_distance", "POL001"),
        ("derived:temp_distance", "SEM001"),
        ("weather:temp", "POL001"),
        ("weather:temp", "SEM001"),
    ]
    found = describe_alias(w.runtime, ALIAS).waivers
    assert [one.state(found.today) for one in found.waivers] == [WaiverState.EXPIRED] * 2
    with pytest.raises(IncompatibleError):
        w.promote(bundle)


def test_a_waiver_that_expires_during_a_promotion_stops_it_before_its_pivot(
    w: World, bundle: Bundle
) -> None:
    put(w, STRICT)
    for path in PATHS:
        let_pass(w, path)
    operation = w.promote(bundle)
    expire(w)

    ended = w.settled(operation)

    assert (ended.state, ended.error_reason) == (OperationState.COMPENSATED, "INCOMPATIBLE")


def test_the_last_day_is_a_good_day(w: World, bundle: Bundle) -> None:
    put(w, STRICT)
    for path in PATHS:
        let_pass(w, path, days=0)

    assert check_bundle(w.runtime, alias=ALIAS, bundle=bundle.ref).verdict is Verdict.COMPATIBLE


def test_a_waiver_is_renewed_by_another_one_of_the_same_finding(w: World, bundle: Bundle) -> None:
    put(w, STRICT)
    for path in PATHS:
        let_pass(w, path)
    expire(w)
    for path in PATHS:
        let_pass(w, path, days=30)

    report = check_bundle(w.runtime, alias=ALIAS, bundle=bundle.ref)

    assert (report.verdict, report.findings) == (Verdict.COMPATIBLE, ())
    found = read_waivers(w.runtime, model=MODEL, ended=True, offset=0, limit=10)
    assert sorted(
        (one.ref.number, one.state(found.today), one.ended_by and one.ended_by.reason)
        for one in found.waivers
    ) == [
        (1, "ENDED", "renewed by models/delay/waivers/3"),
        (2, "ENDED", "renewed by models/delay/waivers/4"),
        (3, "IN_FORCE", None),
        (4, "IN_FORCE", None),
    ]


def test_a_revoked_waiver_counts_no_more_and_is_not_forgotten(w: World, bundle: Bundle) -> None:
    put(w, STRICT)
    (waiver,) = let_pass(w, PATHS[0]).waivers
    let_pass(w, PATHS[1])

    revoke_waiver(w.runtime, waiver=waiver.ref, reason="it is mended", principal=ANN)

    report = check_bundle(w.runtime, alias=ALIAS, bundle=bundle.ref)
    assert [one.path for one in report.findings] == ["derived:temp_distance"]
    shown = read_waivers(w.runtime, model=None, ended=False, offset=0, limit=10)
    assert [one.ref.number for one in shown.waivers] == [2]
    with pytest.raises(WrongStateError):
        revoke_waiver(w.runtime, waiver=waiver.ref, reason="again", principal=ANN)
    assert events(w) == [
        ("POLICY_SET", "production"),
        ("WAIVED", "production"),
        ("WAIVED", "production"),
        ("WAIVER_REVOKED", "production"),
    ]


def test_the_same_waiver_again_is_the_one_that_is_there(w: World) -> None:
    first = let_pass(w, PATHS[0])

    assert let_pass(w, PATHS[0]).waivers == first.waivers
    assert let_pass(w, PATHS[0], owner="bob").waivers != first.waivers


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"expires": date(2013, 1, 1)}, "expire_date"), ({"rule": "FIT999"}, "rule")],
)
def test_a_waiver_must_make_sense(w: World, changes: dict[str, object], field: str) -> None:
    good = Waiver(rule="SEM001", path="x", owner="eve", reason="r", expires=day(w))

    with pytest.raises(InvalidRequestError) as raised:
        waive(
            w.runtime,
            model=MODEL,
            alias=None,
            waiver=replace(good, **changes),  # type: ignore[arg-type]  # any field
            request_id="",
            validate_only=True,
            principal=ANN,
        )

    assert [violation[0] for violation in raised.value.violations] == [field]


def test_a_model_that_the_settings_have_not_has_no_policy_and_no_waiver(w: World) -> None:
    eta = model_name("eta")
    with pytest.raises(UnknownConnectionError):
        set_policy(
            w.runtime,
            alias=AliasRef(eta, alias_name("production")),
            policy=STRICT,
            reason="",
            etag="",
            request_id="",
            validate_only=False,
            principal=ANN,
        )
    with pytest.raises(UnknownConnectionError):
        waive(
            w.runtime,
            model=eta,
            alias=None,
            waiver=Waiver(rule="SEM001", path="x", owner="eve", reason="r", expires=day(w)),
            request_id="",
            validate_only=False,
            principal=ANN,
        )
