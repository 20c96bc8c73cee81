"""Every service over the wire: the main job from capture to rollback, and what is refused."""

from __future__ import annotations  # grpc's classes are generic in the stubs only

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import Struct
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo

from tests.support.served_world import DEADLINE, Served, detail, refused, served_world
from tests.support.values import ALIAS, MODEL
from tests.support.world import WINDOW, World
from trilock.server.rpc.convert.fields import timestamp
from trilock.v1 import bundle_service_pb2, operation_pb2, release_pb2, report_pb2
from trilock.v1.bundle_service_pb2 import (
    CaptureFeatureSchemaRequest,
    DeriveBundleRequest,
    GetBundleRequest,
    GetFeatureSchemaRequest,
    LiftHoldRequest,
    ListBundlesRequest,
    ListFeatureSchemasRequest,
    RecordBundleRequest,
)
from trilock.v1.check_service_pb2 import Candidate, CheckRequest
from trilock.v1.feature_service_pb2 import (
    ListFeatureProjectsRequest,
    MaterializeFeaturesRequest,
    RetireFeaturesRequest,
)
from trilock.v1.operation_service_pb2 import (
    CancelOperationRequest,
    GetOperationRequest,
    ListOperationsRequest,
    RetryOperationRequest,
    WaitOperationRequest,
)
from trilock.v1.release_service_pb2 import (
    AbortRequest,
    ClearFallbackRequest,
    FeatureWindow,
    FinalizeRequest,
    GetAliasRequest,
    GetReleaseAtRequest,
    GetReleaseRequest,
    ListAliasesRequest,
    ListReleasesRequest,
    PauseRequest,
    PlanPromotionRequest,
    PlanRollbackRequest,
    PromoteRequest,
    ResumeRequest,
    RollBackRequest,
    SetFallbackRequest,
)
from trilock.v1.report_pb2 import Report
from trilock.v1.serving_service_pb2 import ResolveRequest, WatchRequest
from trilock.v1.sink_service_pb2 import GetSinkRequest, ListSinksRequest, RegisterSinkRequest

PRODUCTION = str(ALIAS)
DAY = FeatureWindow(start_time=timestamp(WINDOW.start), end_time=timestamp(WINDOW.end))


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Served]:
    """A server on a world of the test's own."""
    with served_world(tmp_path) as made:
        made.world.register()
        yield made


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server on a world with two bundles: the first finalized, the second soaking."""
    with served_world(tmp_path_factory.mktemp("released")) as made:
        made.world.register()
        made.world.release(made.world.record())
        made.world.promote(made.world.record(variant="scaled"))
        made.world.settle()
        yield made


def record(served: Served, **changes: Any) -> Any:
    version, revision = served.world.train()
    config = Struct()
    config.update({"image": "sha256:1", "replicas": 2})
    request = RecordBundleRequest(
        model=MODEL,
        model_version=version,
        service="delay",
        pipeline_revision=revision,
        serving_config=config,
    )
    for name, value in changes.items():
        setattr(request, name, value)
    return served.call("Bundle.RecordBundle", request, principal="record")


def promote(served: Served, bundle: str, **changes: Any) -> Any:
    request = PromoteRequest(alias=PRODUCTION, bundle=bundle, feature_window=DAY, **changes)
    return served.call("Release.Promote", request, principal="promote")


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


def test_a_feature_schema_is_captured_once(fresh: Served) -> None:
    _, revision = fresh.world.train()
    request = CaptureFeatureSchemaRequest(model=MODEL, service="delay", revision=revision)

    made = fresh.call("Bundle.CaptureFeatureSchema", request)
    again = fresh.call("Bundle.CaptureFeatureSchema", request)
    got = fresh.call(
        "Bundle.GetFeatureSchema", GetFeatureSchemaRequest(name=made.feature_schema.name)
    ).feature_schema
    listed = fresh.call("Bundle.ListFeatureSchemas", ListFeatureSchemasRequest()).feature_schemas

    assert (made.created, again.created) == (True, False)
    assert made.feature_schema.name == "featureSchemas/delay/versions/1"
    assert made.feature_schema == again.feature_schema
    assert got.source_revision == revision
    assert [item.kind for item in got.objects] == [
        item.kind for item in made.feature_schema.objects
    ]
    assert [feature["name"] for feature in got.contract["features"]] == [
        "temp_distance",
        "temp",
    ]
    assert [(item.name, len(item.objects)) for item in listed] == [(got.name, 0)]


def test_recording_with_validate_only_records_nothing(fresh: Served) -> None:
    response = record(fresh, validate_only=True)

    assert (response.bundle.name, response.created) == ("", False)
    assert response.bundle.report.verdict == report_pb2.VERDICT_COMPATIBLE
    assert not fresh.call("Bundle.ListBundles", ListBundlesRequest()).bundles


def test_a_request_id_makes_a_repeat_harmless(fresh: Served) -> None:
    bundle = record(fresh).bundle.name
    first = promote(fresh, bundle, request_id="r-1").operation
    again = promote(fresh, bundle, request_id="r-1").operation
    other = refused(lambda: promote(fresh, bundle, request_id="r-1", plan="other"))

    assert first.name == again.name
    assert other.code() is grpc.StatusCode.ALREADY_EXISTS
    assert detail(other, ErrorInfo()).reason == "REQUEST_ID_REUSED"


def test_an_operation_can_be_cancelled_before_its_pivot(fresh: Served) -> None:
    operation = promote(fresh, record(fresh).bundle.name).operation
    request = CancelOperationRequest(name=operation.name, reason="wrong one")

    told = fresh.call("Operation.CancelOperation", request, principal="rollback").operation
    fresh.world.settle()
    ended = fresh.call("Operation.GetOperation", GetOperationRequest(name=operation.name)).operation
    late = refused(lambda: fresh.call("Operation.CancelOperation", request))

    assert not told.done
    assert ended.state == operation_pb2.OPERATION_STATE_COMPENSATED
    assert "wrong one" in ended.error.message
    assert late.code() is grpc.StatusCode.FAILED_PRECONDITION


def test_an_operation_that_waits_is_tried_now_and_one_has_a_deadline(fresh: Served) -> None:
    bundle = record(fresh).bundle.name
    operation = promote(fresh, bundle, deadline=Duration(seconds=3600)).operation
    request = RetryOperationRequest(name=operation.name)

    told = fresh.call("Operation.RetryOperation", request, principal="rollback").operation
    fresh.world.settle()
    late = refused(lambda: fresh.call("Operation.RetryOperation", request))

    assert told.deadline_time.seconds - told.create_time.seconds in range(3599, 3602)
    assert detail(late, ErrorInfo()).reason == "WRONG_STATE"


def test_what_was_live_at_a_past_moment(released: Served) -> None:
    live = released.call("Release.GetAlias", GetAliasRequest(name=PRODUCTION)).alias.live
    request = GetReleaseAtRequest(alias=PRODUCTION, time=live.start_time)

    past = released.call("Release.GetReleaseAt", request, principal="serve")

    assert past.release.name == live.name == past.serving_bundle.release
    assert past.release.leaves_bundle == "models/delay/bundles/1"
    assert past.serving_bundle.model_version == "2"


def test_one_half_of_a_bundle_is_recorded_with_the_other_of_what_is_live(fresh: Served) -> None:
    fresh.world.release(fresh.world.record())
    fresh.world.record(variant="scaled")
    request = DeriveBundleRequest(
        alias=PRODUCTION,
        bundle="models/delay/bundles/2",
        only=bundle_service_pb2.BUNDLE_HALF_MODEL,
    )

    derived = fresh.call("Bundle.DeriveBundle", request, principal="record")

    assert derived.created
    assert derived.bundle.model_version.version == "2"
    assert derived.bundle.feature_schema.name == "featureSchemas/delay/versions/1"
    assert not fresh.call("Bundle.DeriveBundle", request).created


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


def test_waiting_ends_with_a_change(fresh: Served) -> None:
    operation = promote(fresh, record(fresh).bundle.name).operation
    wait = WaitOperationRequest(name=operation.name, timeout=Duration(seconds=60))
    now = fresh.call("Operation.WaitOperation", wait)
    wait.seen = now.version
    answers: list[Any] = []
    waiting = threading.Thread(
        target=lambda: answers.append(fresh.call("Operation.WaitOperation", wait))
    )
    waiting.start()

    fresh.world.settle()
    waiting.join(DEADLINE)

    assert not now.operation.done
    assert answers[0].version > now.version


def test_waiting_ends_with_its_time(fresh: Served) -> None:
    operation = promote(fresh, record(fresh).bundle.name).operation
    version = fresh.call(
        "Operation.WaitOperation", WaitOperationRequest(name=operation.name)
    ).version

    response = fresh.call(
        "Operation.WaitOperation",
        WaitOperationRequest(name=operation.name, timeout=Duration(nanos=1), seen=version),
    )

    assert (response.version, response.operation.done) == (version, False)


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


def test_operations_are_listed_newest_first(released: Served) -> None:
    operations = released.call("Operation.ListOperations", ListOperationsRequest()).operations
    active = released.call(
        "Operation.ListOperations", ListOperationsRequest(active_only=True)
    ).operations

    assert [operation.kind for operation in operations] == ["PROMOTE", "FINALIZE", "PROMOTE"]
    assert [operation.bundle for operation in operations] == [
        "models/delay/bundles/2",
        "models/delay/bundles/1",
        "models/delay/bundles/1",
    ]
    assert not active


def test_lists_come_in_pages(released: Served) -> None:
    request = ListBundlesRequest(model=MODEL, page_size=1)
    first = released.call("Bundle.ListBundles", request)
    request.page_token = first.next_page_token
    second = released.call("Bundle.ListBundles", request)
    request.model = ""
    error = refused(lambda: released.call("Bundle.ListBundles", request))
    negative = refused(
        lambda: released.call("Bundle.ListBundles", ListBundlesRequest(page_size=-1))
    )

    assert [bundle.name for bundle in (*first.bundles, *second.bundles)] == [
        "models/delay/bundles/2",
        "models/delay/bundles/1",
    ]
    assert second.next_page_token == ""
    assert error.code() is negative.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert detail(error, BadRequest()).field_violations[0].field == "page_token"


def test_feature_projects_are_those_that_releases_need(released: Served) -> None:
    projects = released.call("Feature.ListFeatureProjects", ListFeatureProjectsRequest())

    assert [
        (project.project[:-7], project.feature_schema, list(project.releases))
        for project in projects.feature_projects
    ] == [
        ("delay__s1", "featureSchemas/delay/versions/1", ["models/delay/releases/1"]),
        ("delay__s2", "featureSchemas/delay/versions/2", ["models/delay/releases/2"]),
    ]
    assert {view.rows for project in projects.feature_projects for view in project.views} == {1}


def test_materializing_tells_how_it_goes(released: Served) -> None:
    messages = list(
        released.call(
            "Feature.MaterializeFeatures",
            MaterializeFeaturesRequest(model=MODEL, window=DAY),
            principal="promote",
        )
    )

    done = [message.project for message in messages if message.views]
    assert [project[:-7] for project in done] == ["delay__s1", "delay__s2"]


def test_materializing_that_fails_ends_with_the_error(fresh: Served) -> None:
    fresh.world.release(fresh.world.record())
    fresh.world.features.available = False

    error = refused(
        lambda: list(
            fresh.call("Feature.MaterializeFeatures", MaterializeFeaturesRequest(window=DAY))
        )
    )

    assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert detail(error, ErrorInfo()).reason == "PLANE_UNAVAILABLE"


def test_materializing_without_a_window_goes_on_from_where_it_is(released: Served) -> None:
    messages = list(
        released.call("Feature.MaterializeFeatures", MaterializeFeaturesRequest(model=MODEL))
    )

    ends = {view.fed_until_time.seconds for message in messages for view in message.views}
    assert min(ends) > WINDOW.end.timestamp()


def test_what_would_be_retired_is_listed(released: Served) -> None:
    found = released.call("Feature.RetireFeatures", RetireFeaturesRequest(validate_only=True))

    assert list(found.retirements) == []


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
