import re
import uuid

import grpc
import pytest

from tests.support.command_line import Trilock
from tests.support.fake_server import FakeServer, RefusedError
from tests.support.releases import (
    ALIAS,
    OPERATION,
    ago,
    alias,
    operation,
    release,
    rollback_plan,
)
from trilock.v1.operation_pb2 import Operation, OperationState
from trilock.v1.operation_service_pb2 import ListOperationsResponse
from trilock.v1.release_pb2 import ReleaseState
from trilock.v1.release_service_pb2 import (
    GetAliasResponse,
    GetReleaseResponse,
    RollBackResponse,
)

SHADOW = ReleaseState.RELEASE_STATE_SHADOW


def rolled_back(
    state: OperationState.ValueType = OperationState.OPERATION_STATE_SUCCEEDED,
    *,
    converged: bool = True,
) -> Operation:
    return operation(
        state, kind="ROLL_BACK", bundle=1, release=3, pivot_revision=42, converged=converged
    )


@pytest.fixture(autouse=True)
def bad_release(server: FakeServer) -> None:
    """Release 2 is bad, and ready to be left."""
    live = release(2, bundle=2, staged_rows=2000)
    server.answer("ReleaseService.GetAlias", GetAliasResponse(alias=alias(live)))
    server.answer("OperationService.ListOperations", ListOperationsResponse())
    server.answer("ReleaseService.PlanRollback", rollback_plan())
    server.answer("ReleaseService.RollBack", RollBackResponse(operation=rolled_back()))
    left = release(2, bundle=2, staged_rows=2000, state=ReleaseState.RELEASE_STATE_ROLLED_BACK)
    server.answer("ReleaseService.GetRelease", GetReleaseResponse(release=left))


def test_without_any_argument_it_says_what_it_does_does_it_and_says_what_it_did(
    server: FakeServer, trilock: Trilock
) -> None:
    run = trilock("rollback", "--yes")

    assert run.code == 0
    shown = run.err.splitlines()
    assert shown[0] == "roll back delay@production"
    assert shown[1].startswith("  from  bundle 2  release 2, SOAKING; promoted by alice 20")
    assert shown[2].startswith("  to    bundle 1  release 1, FINALIZED; promoted by alice 20")
    assert "   2  switch                make it live   <- the switch" in shown
    assert "  warning: 2 rows of another writer stay" in shown
    assert shown[-1] == "next: trilock status delay@production"
    done, took, quarantined = run.out.splitlines()
    assert done == "delay@production is back on bundle 1 (release 3 restores release 1)"
    assert re.fullmatch(r"switched in 0\.\d\d s, every plane agrees after 0\.\d s", took)
    assert quarantined == "predictions: 2,000 rows of release 2 quarantined"


def test_it_says_how_long_the_fleet_took(server: FakeServer, trilock: Trilock) -> None:
    made = release(3, bundle=1, rollback=True)
    made.acknowledged_watchers = 12
    made.acknowledge_duration.FromMilliseconds(41)
    server.answer("ReleaseService.GetRelease", GetReleaseResponse(release=made))

    assert "; serving: 12 watchers in 0.04 s\n" in trilock("rollback", "--yes").out


def test_taking_back_a_canary_makes_no_release(server: FakeServer, trilock: Trilock) -> None:
    ended = rolled_back()
    ended.release = ""
    server.answer("ReleaseService.RollBack", RollBackResponse(operation=ended))

    run = trilock("rollback", "--yes")

    assert run.code == 0
    first = run.out.splitlines()[0]
    assert first.startswith("all requests of delay@production are bundle 1's again: switched in 0.")


def test_after_a_canary_was_taken_back_pressing_again_does_nothing(
    server: FakeServer, trilock: Trilock
) -> None:
    ended = rolled_back()
    ended.release = ""
    server.answer("OperationService.ListOperations", ListOperationsResponse(operations=[ended]))
    server.answer("ReleaseService.RollBack", RollBackResponse(operation=ended, already_done=True))

    run = trilock("rollback", "--yes")

    assert (run.code, run.out) == (0, "")
    assert run.err.startswith(
        "already done by bob: all requests of delay@production are bundle 2's again since 20"
    )
    assert server.requests("ReleaseService.PlanRollback") == []
    asked = server.requests("ReleaseService.RollBack")
    assert [one.validate_only for one in asked] == [True]


def test_that_nobody_knows_what_was_done_before_stops_nothing(
    server: FakeServer, trilock: Trilock
) -> None:
    server.answer(
        "OperationService.ListOperations",
        RefusedError(code=grpc.StatusCode.PERMISSION_DENIED, message="no right to"),
    )

    assert trilock("rollback", "--yes").code == 0
    assert len(server.requests("ReleaseService.RollBack")) == 1


def test_a_canary_is_taken_back_although_what_is_live_was_restored_a_moment_ago(
    server: FakeServer, trilock: Trilock
) -> None:
    found = alias(release(3, bundle=1, rollback=True, since=ago(seconds=40)))
    found.canary.CopyFrom(release(4, bundle=2))
    server.answer("ReleaseService.GetAlias", GetAliasResponse(alias=found))

    assert trilock("rollback", "--yes").code == 0

    (asked,) = server.requests("ReleaseService.RollBack")
    assert not asked.validate_only
    assert len(server.requests("ReleaseService.PlanRollback")) == 1


def test_a_shadow_is_ended_by_one_option(server: FakeServer, trilock: Trilock) -> None:
    live, shadow = release(2, bundle=2), release(3, bundle=4, state=SHADOW)
    found = alias(live)
    found.shadow.CopyFrom(shadow)
    server.answer("ReleaseService.GetAlias", GetAliasResponse(alias=found))
    plan = rollback_plan()
    plan.leaves.CopyFrom(shadow)
    server.answer("ReleaseService.PlanRollback", plan)
    ended = rolled_back()
    ended.release = ""
    server.answer("ReleaseService.RollBack", RollBackResponse(operation=ended))

    run = trilock("rollback", "--shadow", "--yes")

    assert run.code == 0
    assert run.out.splitlines()[0] == "bundle 4 is no shadow of delay@production any more"
    (planned,) = server.requests("ReleaseService.PlanRollback")
    (done,) = server.requests("ReleaseService.RollBack")
    assert planned.leaves == done.leaves == "models/delay/releases/3"


def test_without_a_shadow_there_is_none_to_end(server: FakeServer, trilock: Trilock) -> None:
    run = trilock("rollback", "--shadow", "--yes")

    assert (run.code, run.err) == (3, "error: delay@production has no shadow\n")
    assert trilock("rollback", "--shadow", "--to", "1", "--yes").code == 2
    assert server.requests("ReleaseService.RollBack") == []


def test_it_names_the_release_it_leaves(server: FakeServer, trilock: Trilock) -> None:
    trilock("rollback", "-y", "--reason", "bad", "--incident", "INC-8", "--to", "1")

    (request,) = server.requests("ReleaseService.RollBack")
    assert request.alias == ALIAS
    assert request.leaves == "models/delay/releases/2"
    assert request.to_bundle == "models/delay/bundles/1"
    assert (request.reason, request.incident) == ("bad", "INC-8")
    assert uuid.UUID(request.request_id).version == 4


def test_without_a_terminal_and_without_yes_nothing_is_done(
    server: FakeServer, trilock: Trilock
) -> None:
    run = trilock("rollback")

    assert run.code == 2
    assert run.err.splitlines()[-1] == (
        "error: there is no terminal to ask on: say --yes to roll back"
    )
    assert server.requests("ReleaseService.RollBack") == []


def test_a_dry_run_shows_the_plan_and_does_nothing(server: FakeServer, trilock: Trilock) -> None:
    run = trilock("rollback", "--dry-run")

    assert run.code == 0
    assert run.out.startswith("roll back delay@production\n  from  bundle 2")
    assert server.requests("ReleaseService.RollBack") == []
    assert trilock("rollback", "--dry-run", "-o", "json").json["leaves"]["name"] == (
        "models/delay/releases/2"
    )


def test_it_shows_who_why_and_which_rows(server: FakeServer, trilock: Trilock) -> None:
    planned = rollback_plan()
    planned.principal = "ann"
    planned.why = "it was fixed as the target when models/delay/releases/2 went live"
    reason = "on hold since bob recorded: as models/eta/bundles/3"
    planned.passed_over.add(bundle="models/delay/bundles/9", reason=reason)
    sinks = "models/delay/sinks"
    planned.leaves.sinks.add(sink=f"{sinks}/a", state="STAGED", staged_rows=2000, counted=True)
    planned.leaves.sinks.add(sink=f"{sinks}/b", state="STAGED", counted=True)
    planned.leaves.sinks.add(sink=f"{sinks}/c", state="UNKNOWN")
    planned.leaves.sinks.add(
        sink=f"{sinks}/d", state="STAGED", staged_rows=7, counted=True, count_time=ago(minutes=2)
    )
    planned.leaves.sinks.add(sink=f"{sinks}/e", state="DIRECT", merged_rows=1)
    planned.leaves.sinks.add(sink=f"{sinks}/f", state="DIRECT")
    planned.leaves.sinks.add(sink=f"{sinks}/g", state="DIRECT", undo_unavailable="it has no keys")
    server.answer("ReleaseService.PlanRollback", planned)

    lines = trilock("rollback", "--dry-run").out.splitlines()

    silent = "its database does not answer in time, and no row was counted before"
    assert lines[0] == "roll back delay@production as ann"
    assert lines[3:8] == [
        "  why   it was fixed as the target when release 2 went live",
        "  not   bundle 9: on hold since bob recorded: as bundle eta/3",
        "  rows  a: 2,000 staged rows to go to quarantine",
        "  rows  b: no staged row to go to quarantine",
        f"  rows  c: whatever is staged goes to quarantine; {silent}",
    ]
    assert lines[8].startswith("  rows  d: 7 staged rows to go to quarantine, as counted ")
    assert lines[8].endswith(" (2 min ago): its database does not answer")
    moved = "1 row that finalize put into the table, and what was written since"
    assert lines[9:12] == [
        f"  rows  e: {moved}, to be taken out of it",
        "  rows  f: whatever it wrote to the table, to be taken out of it",
        "  rows  g: what it wrote stays in the table: it has no keys",
    ]


def test_to_a_fallback_bundle_it_says_so(server: FakeServer, trilock: Trilock) -> None:
    planned = rollback_plan()
    planned.ClearField("restores")
    planned.why = "it is the fallback bundle that ann recorded"
    server.answer("ReleaseService.PlanRollback", planned)

    run = trilock("rollback", "--yes")

    assert run.err.splitlines()[2:4] == [
        "  to    bundle 1",
        "  why   it is the fallback bundle that ann recorded",
    ]
    assert run.out.startswith(
        "delay@production is back on bundle 1 (release 3 serves the fallback bundle)\nswitched in"
    )


def test_pressed_a_second_time_it_says_who_did_it_and_does_nothing(
    server: FakeServer, trilock: Trilock
) -> None:
    live = release(3, bundle=1, rollback=True, by="bob", since=ago(seconds=40))
    server.answer("ReleaseService.GetAlias", GetAliasResponse(alias=alias(live)))
    server.answer(
        "ReleaseService.RollBack",
        RollBackResponse(operation=rolled_back(), already_done=True),
    )

    run = trilock("rollback", "--yes")
    as_json = trilock("rollback", "--yes", "-o", "json")

    assert (run.code, run.out) == (0, "")
    first, second = run.err.splitlines()
    assert first.startswith("already done by bob: delay@production is back on bundle 1 since 20")
    assert second == (
        "to go back further, say where: trilock rollback delay@production --to BUNDLE "
        "(trilock history delay@production)"
    )
    assert as_json.json["already_done"] is True
    assert as_json.json["operation"]["kind"] == "ROLL_BACK"
    asked = server.requests("ReleaseService.RollBack")
    assert [(one.leaves, one.to_bundle, one.validate_only) for one in asked] == [
        ("models/delay/releases/3", "", True)
    ] * 2


def test_a_canary_that_began_after_a_rollback_is_taken_back_at_once(
    server: FakeServer, trilock: Trilock
) -> None:
    there = alias(release(3, bundle=1, rollback=True, since=ago(seconds=40)))
    there.canary.CopyFrom(release(4, bundle=4))
    server.answer("ReleaseService.GetAlias", GetAliasResponse(alias=there))

    run = trilock("rollback", "--yes")

    assert run.code == 0
    (request,) = server.requests("ReleaseService.RollBack")
    assert (request.leaves, request.validate_only) == ("models/delay/releases/2", False)


def test_to_go_back_further_one_says_where(server: FakeServer, trilock: Trilock) -> None:
    live = release(3, bundle=1, rollback=True, since=ago(seconds=40))
    server.answer("ReleaseService.GetAlias", GetAliasResponse(alias=alias(live)))

    assert trilock("rollback", "--yes", "--to", "1").code == 0
    assert len(server.requests("ReleaseService.RollBack")) == 1


def test_whether_it_was_done_a_moment_ago_the_server_says(
    server: FakeServer, trilock: Trilock
) -> None:
    live = release(3, bundle=1, rollback=True, since=ago(seconds=1))
    server.answer("ReleaseService.GetAlias", GetAliasResponse(alias=alias(live)))
    server.answer(
        "ReleaseService.RollBack", RollBackResponse(), RollBackResponse(operation=rolled_back())
    )

    assert trilock("rollback", "--yes").code == 0
    asked = server.requests("ReleaseService.RollBack")
    assert [one.validate_only for one in asked] == [True, False]


def test_pressed_by_two_at_once_the_second_is_told_who_did_it(
    server: FakeServer, trilock: Trilock
) -> None:
    server.answer(
        "ReleaseService.RollBack",
        RollBackResponse(operation=rolled_back(), already_done=True),
    )

    run = trilock("rollback", "--yes")

    assert run.code == 0
    assert f"already done by bob: {OPERATION}\n" in run.err


def test_with_a_plane_down_traffic_is_restored_and_it_says_what_follows(
    server: FakeServer, trilock: Trilock
) -> None:
    converging = rolled_back(OperationState.OPERATION_STATE_CONVERGING, converged=False)
    server.answer("ReleaseService.RollBack", RollBackResponse(operation=converging))

    run = trilock("rollback", "--yes", "--timeout=0")

    assert run.code == 4
    assert "switched  every reader, at revision 42" in run.err
    assert "waits for model_alias: no answer within 2 s" in run.err


def test_nothing_to_go_back_to(server: FakeServer, trilock: Trilock) -> None:
    server.answer(
        "ReleaseService.PlanRollback",
        RefusedError(
            code=grpc.StatusCode.FAILED_PRECONDITION,
            message="nothing to roll models/delay/aliases/production back to",
            reason="NO_SAFE_TARGET",
        ),
    )

    run = trilock("rollback", "--yes")

    assert (run.code, run.out) == (3, "")
    assert run.err == "error: nothing to roll models/delay/aliases/production back to\n"


def test_why_there_is_nothing_to_go_back_to_is_a_line_for_each_bundle(
    server: FakeServer, trilock: Trilock
) -> None:
    reasons = ("models/delay/bundles/2: on hold", "models/delay/bundles/1: its version is gone")
    server.answer(
        "ReleaseService.PlanRollback",
        RefusedError(
            code=grpc.StatusCode.FAILED_PRECONDITION,
            message=f"nothing to roll {ALIAS} back to: {'; '.join(reasons)}",
            reason="NO_SAFE_TARGET",
            metadata={"alias": ALIAS, "reasons": "\n".join(reasons)},
        ),
    )

    run = trilock("rollback", "--yes")

    assert (run.code, run.out) == (3, "")
    assert run.err.splitlines() == [
        "error: nothing to roll delay@production back to",
        "  not   bundle 2: on hold",
        "  not   bundle 1: its version is gone",
        "  helps: trilock unhold BUNDLE, or trilock fallback set BUNDLE delay@production",
    ]


def test_as_json_it_says_how_it_ended(trilock: Trilock) -> None:
    run = trilock("rollback", "--yes", "-o", "json")

    assert run.code == 0
    assert run.json["operation"]["kind"] == "ROLL_BACK"
    assert run.json["switched_seconds"] is not None


def test_nobody_need_wait(trilock: Trilock) -> None:
    run = trilock("rollback", "--yes", "--no-wait")

    assert (run.code, run.out) == (0, f"{OPERATION}\n")


def test_without_a_server_it_says_which_was_asked_and_that_none_is_needed() -> None:
    run = Trilock("127.0.0.1:1")("rollback", "delay", "--yes")

    assert (run.code, run.out) == (1, "")
    assert run.err.startswith("error: no trilock server answers at 127.0.0.1:1 (")
    assert run.err.splitlines()[1:] == [
        "  without a server, on the machine of its SQLite file: trilock rollback --local"
    ]
