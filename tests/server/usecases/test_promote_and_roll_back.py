"""The main job on a whole trilock: promote, finalize, roll back, and what holds meanwhile."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.values import ALIAS, release_ref
from tests.support.world import SINK, World, world
from trilock.client.errors import WriterFencedError
from trilock.server.domain.errors import (
    BusyError,
    ForeignEditError,
    HeldError,
    IncompatibleError,
    NoSafeTargetError,
    NotFoundError,
    NotReadyError,
    PlaneUnavailableError,
    RequestIdReusedError,
    StaleEtagError,
    StalePlanError,
    WrongStateError,
)
from trilock.server.domain.operation import OperationState
from trilock.server.domain.release import ReleaseState
from trilock.server.store.clock import now_ms
from trilock.server.store.holds import get_hold
from trilock.server.store.releases import get_release
from trilock.server.store.sinks import list_release_sinks
from trilock.server.usecases.lift_hold import lift_hold
from trilock.server.usecases.promote import plan_promote
from trilock.server.usecases.roll_back import plan_roll_back


@pytest.fixture
def w(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        made.register()
        yield made


def test_a_promotion_switches_model_features_and_sinks_together(w: World) -> None:
    operation = w.settled(w.promote(w.record()))

    live = w.live()
    assert operation.state is OperationState.SUCCEEDED
    assert operation.pivot_revision == live.revision == 1
    assert (str(live.bundle), live.state) == ("models/delay/bundles/1", ReleaseState.SOAKING)
    assert w.alias() == "1"
    assert w.mirrored() == {"temp": 21.0}


def test_rows_of_a_soaking_release_are_not_in_the_table(w: World) -> None:
    w.promote(w.record())
    w.settle()

    w.write(w.live().release, UA1=3.0)

    assert w.table() == {}


def test_finalize_moves_them_there(w: World) -> None:
    w.promote(w.record())
    w.settle()
    w.write(w.live().release, UA1=3.0)

    operation = w.settled(w.finalize())

    assert operation.state is OperationState.SUCCEEDED
    assert w.live().state is ReleaseState.FINALIZED
    assert w.table() == {"UA1": 3.0}
    w.write(w.live().release, UA2=4.0)
    assert w.table() == {"UA1": 3.0, "UA2": 4.0}


def test_a_rollback_takes_everything_back(w: World) -> None:
    first = w.release(w.record())
    w.write(first, UA1=3.0)
    w.promote(w.record(variant="scaled"))
    w.settle()
    bad = w.live()
    w.write(bad.release, UA1=300.0, UA2=400.0)
    assert w.mirrored() == {"temp": 21.0, "humidity": 0.5}

    operation = w.settled(w.roll_back().operation)  # type: ignore[arg-type]  # it is started

    live = w.live()
    assert operation.state is OperationState.SUCCEEDED
    assert (str(live.bundle), live.state) == ("models/delay/bundles/1", ReleaseState.FINALIZED)
    assert live.target is None
    assert w.alias() == "1"
    assert w.mirrored() == {"temp": 21.0}
    assert w.table() == {"UA1": 3.0}
    with pytest.raises(WriterFencedError):
        w.write(bad.release, UA3=500.0)
    w.write(live.release, UA3=5.0)
    assert w.table() == {"UA1": 3.0, "UA3": 5.0}


def test_the_rows_of_a_rolled_back_release_are_counted_in_quarantine(w: World) -> None:
    w.release(w.record())
    w.promote(w.record(variant="scaled"))
    w.settle()
    bad = w.live().release
    w.write(bad, UA1=300.0, UA2=400.0)

    w.roll_back()
    w.settle()

    with w.database.read() as session:
        (noted,) = list_release_sinks(session, bad)
        release = get_release(session, bad)
    assert (noted.sink, noted.state) == (SINK, "CLOSED")
    assert noted.counts["staged"]["rows"] == 2
    assert release.state is ReleaseState.ROLLED_BACK
    assert release.ended_by is not None
    assert (release.ended_by.reason, release.ended_by.incident) == ("it is bad", "INC-7")


def test_a_rollback_after_finalize_undoes_what_is_in_the_table(w: World) -> None:
    first = w.release(w.record())
    w.write(first, UA1=3.0)
    bad = w.release(w.record(variant="scaled"))
    w.write(bad, UA1=300.0, UA2=400.0)
    assert w.table() == {"UA1": 300.0, "UA2": 400.0}

    w.roll_back()
    w.settle()

    assert w.table() == {"UA1": 3.0}


def test_pressing_twice_does_nothing_twice(w: World) -> None:
    w.release(w.record())
    w.promote(w.record(variant="scaled"))
    w.settle()
    bad = w.live().release

    first = w.roll_back(leaves=bad)
    at_once = w.roll_back(leaves=bad, principal="bob")
    w.settle()
    later = w.roll_back(leaves=bad, principal="bob")

    assert first.operation is not None
    assert not first.already_done
    assert at_once.operation is not None
    assert (at_once.already_done, at_once.operation.id) == (True, first.operation.id)
    assert later.operation is not None
    assert (later.already_done, later.operation.id) == (True, first.operation.id)
    assert str(w.live().release) == "models/delay/releases/3"


def test_a_rollback_needs_neither_mlflow_nor_feast_nor_git(w: World) -> None:
    w.release(w.record())
    w.promote(w.record(variant="scaled"))
    w.settle()
    w.registry.down, w.features.available = True, False
    w.pipeline.down = True

    operation = w.settled(w.roll_back().operation)  # type: ignore[arg-type]  # it is started

    assert str(w.live().bundle) == "models/delay/bundles/1"
    assert operation.state is OperationState.CONVERGING
    w.registry.down, w.features.available = False, True
    w.runtime.journal.retry(operation.id)
    assert w.settled(operation).state is OperationState.SUCCEEDED
    assert w.alias() == "1"


def test_a_plan_says_that_a_target_is_unproven(w: World) -> None:
    w.release(w.record())
    w.promote(w.record(variant="scaled"))
    w.settle()
    w.registry.down = True

    planned = plan_roll_back(w.runtime, alias=ALIAS, to_bundle=None)

    assert str(planned.target.bundle) == "models/delay/bundles/1"
    assert planned.plan.warnings[0].startswith("models/delay/bundles/1 is UNPROVEN: ")


def test_a_target_that_is_gone_is_passed_over_with_the_reason(w: World) -> None:
    w.release(w.record())
    w.release(w.record(variant="scaled"))
    w.promote(w.record())
    w.settle()
    w.registry.delete_version(model="delay", version="2")

    planned = plan_roll_back(w.runtime, alias=ALIAS, to_bundle=None)

    assert str(planned.target.bundle) == "models/delay/bundles/1"
    (passed_over,) = planned.target.passed_over
    assert str(passed_over) == "models/delay/bundles/2: version 2 of model 'delay' is gone"


def test_there_is_nothing_to_go_back_to_from_the_first_release(w: World) -> None:
    w.release(w.record())

    with pytest.raises(NoSafeTargetError):
        w.roll_back()

    assert str(w.live().bundle) == "models/delay/bundles/1"


def test_a_rollback_goes_to_a_named_bundle_that_was_live(w: World) -> None:
    first = w.record()
    w.release(first)
    w.release(w.record(variant="scaled"))
    w.promote(w.record())
    w.settle()

    w.roll_back(to_bundle=first.ref)
    w.settle()

    assert w.live().bundle == first.ref


def test_a_bundle_that_never_was_live_is_no_target(w: World) -> None:
    w.release(w.record())
    w.release(w.record(variant="scaled"))
    never = w.record()

    with pytest.raises(NotFoundError, match="a finalized release of models/delay/bundles/3"):
        w.roll_back(to_bundle=never.ref)


def test_a_rolled_back_bundle_is_held_until_the_hold_is_lifted(w: World) -> None:
    w.release(w.record())
    bad = w.record(variant="scaled")
    w.promote(bad)
    w.settle()
    w.roll_back()
    w.settle()

    with pytest.raises(HeldError, match="rolled back from models/delay/releases/2: it is bad"):
        w.promote(bad)

    lift_hold(w.runtime, resource=bad.ref, reason="mended", principal="bob")
    with w.database.read() as session:
        assert get_hold(session, bad.ref) is None
    assert w.settled(w.promote(bad)).state is OperationState.SUCCEEDED


def test_a_rollback_preempts_a_promotion_that_has_not_switched(w: World) -> None:
    w.release(w.record())
    w.release(w.record(variant="scaled"))
    promotion = w.promote(w.record())

    rollback = w.roll_back().operation
    w.settle()

    assert rollback is not None
    assert w.runtime.journal.get(promotion.id).state is OperationState.COMPENSATED
    assert w.runtime.journal.get(rollback.id).state is OperationState.SUCCEEDED
    assert str(w.live().bundle) == "models/delay/bundles/1"


def test_two_promotions_at_once_are_refused(w: World) -> None:
    w.release(w.record())
    second, third = w.record(variant="scaled"), w.record()
    first = w.promote(second)

    with pytest.raises(BusyError) as refused:
        w.promote(third)

    assert refused.value.operation == first.name


def test_a_promotion_during_a_soak_is_refused(w: World) -> None:
    w.promote(w.record())
    w.settle()

    with pytest.raises(WrongStateError, match="is SOAKING"):
        w.promote(w.record(variant="scaled"))


def test_an_incompatible_bundle_is_recorded_and_refused_with_every_finding(w: World) -> None:
    bundle = w.record(
        inputs=(
            '[{"type": "double", "name": "precip", "required": true},'
            ' {"type": "long", "name": "temp", "required": true}]'
        )
    )

    with pytest.raises(IncompatibleError) as refused:
        w.promote(bundle)

    assert {finding.path for finding in refused.value.report.findings} >= {"precip", "temp"}
    assert w.alias() is None


def test_a_check_is_of_what_is_there_now_not_of_what_was_recorded(w: World) -> None:
    bundle = w.record()
    w.registry.write_file(
        model="delay",
        version="1",
        path="MLmodel",
        content=b'{"signature": {"inputs": "[{\\"type\\": \\"long\\", \\"name\\": \\"temp\\"}]"}}',
    )

    with pytest.raises((IncompatibleError, NotReadyError)):
        w.promote(bundle)


def test_an_alias_that_somebody_moved_is_a_foreign_edit(w: World) -> None:
    w.release(w.record())
    candidate = w.record(variant="scaled")
    other, _ = w.train()
    w.registry.set_alias(model="delay", alias="production", version=other)

    with pytest.raises(ForeignEditError, match="is '3', not '1'"):
        w.promote(candidate)

    assert w.alias() == "3"


def test_a_promotion_needs_its_planes(w: World) -> None:
    w.release(w.record())
    candidate = w.record(variant="scaled")
    w.registry.down = True

    with pytest.raises(PlaneUnavailableError):
        w.promote(candidate)


def test_a_promotion_is_refused_while_what_it_replaces_could_not_be_restored(w: World) -> None:
    w.release(w.record())
    candidate = w.record(variant="scaled")
    w.registry.delete_version(model="delay", version="1")
    w.registry.set_alias(model="delay", alias="production", version="2")

    with pytest.raises(NotReadyError, match="would be the rollback target"):
        w.promote(candidate)

    operation = w.settled(w.promote(candidate, accept_unready="no time", reason="hot fix"))
    assert operation.state is OperationState.SUCCEEDED
    assert operation.cause.reason == "hot fix (accepted unready: no time)"


def test_what_would_be_the_target_must_have_a_commit_that_git_keeps(w: World) -> None:
    first = w.record()
    w.release(first)
    candidate = w.record(variant="scaled")
    w.pipeline.orphan(first.pipeline_commit.revision)

    with pytest.raises(NotReadyError) as refused:
        w.promote(candidate)

    assert refused.value.problems == (
        (
            "a rebuild would miss: "
            f"no branch or tag leads to commit {first.pipeline_commit.revision}: "
            "git will delete it, unless it is tagged"
        ),
    )


def test_a_stale_etag_and_a_stale_plan_are_refused(w: World) -> None:
    w.release(w.record())
    candidate = w.record(variant="scaled")
    planned = plan_promote(w.runtime, alias=ALIAS, bundle=candidate.ref, window=None)
    assert planned.refusal is None
    w.release(w.record())

    with pytest.raises(StaleEtagError):
        w.promote(candidate, etag=planned.plan.etag)
    with pytest.raises(StalePlanError):
        w.promote(candidate, window=None, plan_id=planned.plan.id)


def test_a_reviewed_plan_is_run(w: World) -> None:
    candidate = w.record()
    planned = plan_promote(w.runtime, alias=ALIAS, bundle=candidate.ref, window=None)

    operation = w.promote(candidate, window=None, plan_id=planned.plan.id)

    assert operation.plan.id == planned.plan.id


def test_a_request_id_is_one_operation(w: World) -> None:
    bundle = w.record()
    first = w.promote(bundle, request_id="r1")
    w.settle()

    again = w.promote(bundle, request_id="r1")

    assert again.id == first.id
    other = w.record(variant="scaled")
    with pytest.raises(RequestIdReusedError):
        w.promote(other, request_id="r1")


def test_leaving_a_release_that_was_superseded_is_refused(w: World) -> None:
    w.release(w.record())
    w.release(w.record(variant="scaled"))

    with pytest.raises(StaleEtagError):
        w.roll_back(leaves=release_ref(1))


def test_rolling_back_again_later_goes_further_back(w: World) -> None:
    def later() -> int:
        return now_ms() + 15 * 60 * 1000

    w.release(w.record())
    w.release(w.record(variant="scaled"))
    w.promote(w.record())
    w.settle()

    w.roll_back()
    w.settle()
    assert str(w.live().bundle) == "models/delay/bundles/2"
    w.roll_back(clock=later)
    w.settle()

    assert str(w.live().bundle) == "models/delay/bundles/1"
    with pytest.raises(NoSafeTargetError):
        w.roll_back(clock=later)
