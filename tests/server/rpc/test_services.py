"""Several services over the wire: the main job from capture to rollback, and what is refused."""

from __future__ import annotations  # grpc's classes are generic in the stubs only

import grpc
from google.rpc.error_details_pb2 import ErrorInfo

from tests.server.rpc.requests import DAY, PRODUCTION, promote, record
from tests.support.served_world import Served, detail, refused
from tests.support.world import World
from trilock.v1 import operation_pb2, release_pb2, report_pb2
from trilock.v1.bundle_service_pb2 import GetBundleRequest, LiftHoldRequest, ListBundlesRequest
from trilock.v1.check_service_pb2 import Candidate, CheckRequest
from trilock.v1.operation_service_pb2 import GetOperationRequest
from trilock.v1.release_service_pb2 import (
    AbortRequest,
    ClearFallbackRequest,
    FinalizeRequest,
    GetAliasRequest,
    GetReleaseAtRequest,
    GetReleaseRequest,
    ListAliasesRequest,
    ListReleasesRequest,
    PauseRequest,
    PlanPromotionRequest,
    PlanRollbackRequest,
    ResumeRequest,
    RollBackRequest,
    SetFallbackRequest,
)
from trilock.v1.report_pb2 import Report
from trilock.v1.serving_service_pb2 import ResolveRequest, WatchRequest
from trilock.v1.sink_service_pb2 import GetSinkRequest, ListSinksRequest, RegisterSinkRequest


def test_the_main_job(fresh: Served) -> None:
    world: World = fresh.world
    watch = fresh.call("Serving.Watch", WatchRequest(), principal="serve")
    assert next(watch).snapshot

    first = record(fresh)
    assert (first.bundle.name, first.created) == ("models/delay/bundles/1", True)
    assert first.bundle.report.verdict == report_pb2.VERDICT_COMPATIBLE
    assert first.bundle.creator == "record"
    assert first.bundle.serving_config["replicas"] == 2

    plan = fresh.call(
        "Release.PlanPromotion",
        PlanPromotionRequest(alias=PRODUCTION, bundle=first.bundle.name, feature_window=DAY),
        principal="check",
    )
    assert not plan.HasField("refusal")
    assert [step.step for step in plan.plan.steps if step.pivot] == ["switch_live"]
    operation = promote(fresh, first.bundle.name, plan=plan.plan.id, reason="first").operation
    assert operation.state == operation_pb2.OPERATION_STATE_RUNNING
    assert (operation.bundle, operation.cause.principal) == (first.bundle.name, "promote")
    world.settle()

    told = next(message for message in watch if message.live_bundles)
    assert told.live_bundles[0].live.bundle == first.bundle.name
    assert told.live_bundles[0].cause.reason == "first"
    done = fresh.call("Operation.GetOperation", GetOperationRequest(name=operation.name)).operation
    assert (done.done, done.state) == (True, operation_pb2.OPERATION_STATE_SUCCEEDED)
    assert done.pivot_revision == told.live_bundles[0].revision
    assert {plane.plane: plane.converged for plane in done.planes} == {
        "feature_mirror": True,
        "model_alias": True,
        "sinks": True,
    }

    fresh.call("Release.Finalize", FinalizeRequest(alias=PRODUCTION), principal="promote")
    world.settle()
    second = record(fresh)
    promote(fresh, second.bundle.name)
    world.settle()
    live = fresh.call("Serving.Resolve", ResolveRequest(alias=PRODUCTION)).live_bundle
    assert (live.live.bundle, live.standby.bundle) == (second.bundle.name, first.bundle.name)

    planned = fresh.call("Release.PlanRollback", PlanRollbackRequest(alias=PRODUCTION))
    assert planned.restores.bundle == first.bundle.name
    request = RollBackRequest(
        alias=PRODUCTION, leaves=planned.leaves.name, reason="it is bad", incident="INC-7"
    )
    back = fresh.call("Release.RollBack", request, principal="rollback")
    assert not back.already_done
    world.settle()
    again = fresh.call("Release.RollBack", request, principal="rollback")
    assert (again.already_done, again.operation.name) == (True, back.operation.name)

    pivot = fresh.call(
        "Operation.GetOperation", GetOperationRequest(name=back.operation.name)
    ).operation.pivot_revision
    restored = fresh.call(
        "Serving.Resolve", ResolveRequest(alias=PRODUCTION, min_revision=pivot), principal="serve"
    ).live_bundle
    assert restored.live.bundle == first.bundle.name
    held = fresh.call("Bundle.GetBundle", GetBundleRequest(name=second.bundle.name)).bundle
    assert held.hold.reason
    lifted = fresh.call(
        "Bundle.LiftHold", LiftHoldRequest(name=second.bundle.name, reason="mended")
    ).bundle
    assert not lifted.HasField("hold")
    history = fresh.call("Release.ListReleases", ListReleasesRequest(alias=PRODUCTION)).releases
    assert [(item.kind, item.state) for item in history] == [
        (release_pb2.RELEASE_KIND_ROLLBACK, release_pb2.RELEASE_STATE_FINALIZED),
        (release_pb2.RELEASE_KIND_PROMOTION, release_pb2.RELEASE_STATE_ROLLED_BACK),
        (release_pb2.RELEASE_KIND_PROMOTION, release_pb2.RELEASE_STATE_SUPERSEDED),
    ]
    assert (history[0].cause.principal, history[0].cause.incident) == ("rollback", "INC-7")


def test_a_refused_promotion_comes_with_its_report(fresh: Served) -> None:
    bundle = fresh.world.record(inputs='[{"type": "string", "name": "temp", "required": true}]')

    error = refused(lambda: promote(fresh, str(bundle.ref)))
    plan = fresh.call(
        "Release.PlanPromotion", PlanPromotionRequest(alias=PRODUCTION, bundle=str(bundle.ref))
    )
    checked = fresh.call("Check.Check", CheckRequest(alias=PRODUCTION, bundle=str(bundle.ref)))

    report = detail(error, Report())
    assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert detail(error, ErrorInfo()).reason == plan.refusal.reason == "INCOMPATIBLE"
    assert report.verdict == report_pb2.VERDICT_INCOMPATIBLE
    assert report.findings[0].path == "temp"
    assert plan.plan.report == checked.report
    assert checked.report.verdict == report.verdict


def test_check_of_a_tuple_that_is_not_recorded(fresh: Served) -> None:
    version, revision = fresh.world.train()
    candidate = Candidate(model_version=version, service="delay", pipeline_revision=revision)

    response = fresh.call("Check.Check", CheckRequest(alias=PRODUCTION, candidate=candidate))

    assert response.report.verdict == report_pb2.VERDICT_COMPATIBLE
    assert not fresh.call("Bundle.ListBundles", ListBundlesRequest()).bundles


def test_what_was_live_at_a_past_moment(released: Served) -> None:
    live = released.call("Release.GetAlias", GetAliasRequest(name=PRODUCTION)).alias.live
    request = GetReleaseAtRequest(alias=PRODUCTION, time=live.start_time)

    past = released.call("Release.GetReleaseAt", request, principal="serve")

    assert past.release.name == live.name == past.serving_bundle.release
    assert past.release.leaves_bundle == "models/delay/bundles/1"
    assert past.serving_bundle.model_version == "2"


def test_a_soak_is_paused_resumed_and_aborted(fresh: Served) -> None:
    fresh.world.release(fresh.world.record())
    operation = promote(fresh, record(fresh).bundle.name).operation
    fresh.world.settle()

    paused = fresh.call("Release.Pause", PauseRequest(alias=PRODUCTION, reason="odd"))
    status = fresh.call("Release.GetAlias", GetAliasRequest(name=PRODUCTION)).alias
    resumed = fresh.call("Release.Resume", ResumeRequest(alias=PRODUCTION))
    request = AbortRequest(operation=operation.name, incident="INC-1", request_id="a-1")
    aborted = fresh.call("Release.Abort", request, principal="rollback")
    fresh.world.settle()
    again = fresh.call("Release.Abort", request, principal="rollback")

    assert paused.release.pauses[0].cause.reason == "odd"
    assert status.HasField("soaked")
    assert not status.live.pauses[0].HasField("end_time")
    assert resumed.release.pauses[0].end_cause.principal == "admin"
    assert (aborted.rolls_back, aborted.already_done) == (True, False)
    assert again.operation.name == aborted.operation.name
    live = fresh.call("Release.GetAlias", GetAliasRequest(name=PRODUCTION)).alias.live
    assert (live.bundle, live.cause.incident) == ("models/delay/bundles/1", "INC-1")


def test_a_fallback_bundle_is_recorded_shown_and_forgotten(released: Served) -> None:
    request = SetFallbackRequest(alias=PRODUCTION, bundle="models/delay/bundles/1", reason="plain")
    set_ = released.call("Release.SetFallback", request, principal="promote").fallback
    shown = released.call("Release.GetAlias", GetAliasRequest(name=PRODUCTION)).alias.fallback
    released.call("Release.ClearFallback", ClearFallbackRequest(alias=PRODUCTION))
    after = released.call("Release.GetAlias", GetAliasRequest(name=PRODUCTION)).alias

    assert set_ == shown
    assert (shown.bundle, shown.cause.principal) == ("models/delay/bundles/1", "promote")
    assert shown.readiness.state == release_pb2.Readiness.STATE_READY
    assert not after.HasField("fallback")


def test_aliases_say_all_that_hangs_on_them(released: Served) -> None:
    alias = released.call("Release.GetAlias", GetAliasRequest(name=PRODUCTION)).alias
    (listed,) = released.call("Release.ListAliases", ListAliasesRequest()).aliases

    for one in (alias, listed):
        one.ClearField("soaked")  # it grows while the two are asked for
    assert listed == alias
    assert alias.live.bundle == "models/delay/bundles/2"
    assert alias.target.bundle == "models/delay/bundles/1"
    assert alias.live.state == release_pb2.RELEASE_STATE_SOAKING
    assert alias.readiness.state == release_pb2.Readiness.STATE_UNPROVEN
    assert alias.etag == f'"{alias.live.revision}"'
    assert [(sink.sink, sink.state) for sink in alias.live.sinks] == [
        ("models/delay/sinks/predictions", "STAGED")
    ]
    release = released.call("Release.GetRelease", GetReleaseRequest(name=alias.live.name)).release
    assert release == alias.live


def test_sinks_are_registered_and_listed(fresh: Served) -> None:
    request = RegisterSinkRequest(
        name="models/delay/sinks/again",
        connection="warehouse",
        table="predictions",
        keys=["flight"],
        validate_only=True,
    )
    looked = fresh.call("Sink.RegisterSink", request, principal="promote").sink
    assert len(fresh.call("Sink.ListSinks", ListSinksRequest()).sinks) == 1
    request.validate_only = False

    made = fresh.call("Sink.RegisterSink", request, principal="promote").sink
    got = fresh.call("Sink.GetSink", GetSinkRequest(name=request.name)).sink
    request.table, request.connection = "no_such", "elsewhere"
    unknown = refused(lambda: fresh.call("Sink.RegisterSink", request))
    request.connection = "warehouse"
    unusable = refused(lambda: fresh.call("Sink.RegisterSink", request))

    assert [column.name for column in looked.columns] == ["flight", "delay"]
    assert got == made
    assert [sink.name for sink in fresh.call("Sink.ListSinks", ListSinksRequest()).sinks] == [
        "models/delay/sinks/again",
        "models/delay/sinks/predictions",
    ]
    assert detail(unknown, ErrorInfo()).reason == "UNKNOWN_CONNECTION"
    assert detail(unusable, ErrorInfo()).reason == "SINK_UNUSABLE"
