from collections.abc import Iterator

import grpc

from tests.support.command_line import Trilock
from tests.support.fake_server import FakeServer, RefusedError
from tests.support.releases import ago
from trilock.v1.bundle_pb2 import FeatureObject, FeatureSchema
from trilock.v1.bundle_service_pb2 import (
    CaptureFeatureSchemaRequest,
    CaptureFeatureSchemaResponse,
    ListFeatureSchemasResponse,
)
from trilock.v1.feature_service_pb2 import (
    FeatureProject,
    FeatureViewState,
    ListFeatureProjectsResponse,
    MaterializeFeaturesResponse,
    RetireFeaturesResponse,
    Retirement,
)
from trilock.v1.sink_pb2 import Sink, SinkColumn
from trilock.v1.sink_service_pb2 import (
    GetSinkResponse,
    ListSinksResponse,
    RegisterSinkRequest,
    RegisterSinkResponse,
)

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SCHEMA = FeatureSchema(
    name="featureSchemas/delay_v1/versions/3",
    service="delay_v1",
    project="delay_v1__s3",
    contract_digest="c" * 64,
    semantics_digest="s" * 64,
    objects=[FeatureObject(kind="feature_view", name="weather")],
    creator="alice",
    create_time=ago(hours=1),
)
SINK = Sink(
    name="models/delay/sinks/predictions",
    connection="warehouse",
    table="public.predictions",
    keys=["flight_id"],
    columns=[SinkColumn(name="flight_id", type="bigint")],
    creator="alice",
)


def test_a_schema_is_captured_at_a_commit(server: FakeServer, trilock: Trilock) -> None:
    server.answer(
        "BundleService.CaptureFeatureSchema",
        CaptureFeatureSchemaResponse(feature_schema=SCHEMA, created=True),
    )

    run = trilock("features", "capture", "delay_v1", f"--commit={COMMIT}")

    assert (run.code, run.err) == (0, "recorded\n")
    assert "featureSchemas/delay_v1/versions/3" in run.out
    assert server.requests("BundleService.CaptureFeatureSchema") == [
        CaptureFeatureSchemaRequest(model="delay", service="delay_v1", revision=COMMIT)
    ]


def test_without_a_commit_the_project_is_captured_as_it_is(
    server: FakeServer, trilock: Trilock
) -> None:
    server.answer(
        "BundleService.CaptureFeatureSchema",
        CaptureFeatureSchemaResponse(feature_schema=SCHEMA),
    )

    run = trilock("features", "capture", "delay_v1", "fare", "-o", "json")

    assert run.json["feature_schema"]["project"] == "delay_v1__s3"
    assert server.requests("BundleService.CaptureFeatureSchema") == [
        CaptureFeatureSchemaRequest(model="fare", service="delay_v1")
    ]


def test_projects_are_listed_with_how_far_they_are(server: FakeServer, trilock: Trilock) -> None:
    project = FeatureProject(
        project="delay_v1__s3",
        feature_schema="featureSchemas/delay_v1/versions/3",
        releases=["models/delay/releases/1"],
        views=[
            FeatureViewState(view="planes", rows=-1),
            FeatureViewState(view="weather", rows=1234, fed_until_time=ago(minutes=10)),
        ],
        error="weather does not answer",
    )
    server.answer(
        "FeatureService.ListFeatureProjects",
        ListFeatureProjectsResponse(feature_projects=[project]),
    )

    run = trilock("features", "list")

    planes, weather = run.out.splitlines()[1:]
    assert planes.split()[-3:] == ["planes", "-", "-"]
    assert "1,234" in weather
    assert weather.endswith("(10 min ago)")
    assert run.err == "delay_v1__s3 could not be looked at: weather does not answer\n"
    assert trilock("features", "list", "-o", "json").json[0]["project"] == "delay_v1__s3"


def test_schemas_are_listed(server: FakeServer, trilock: Trilock) -> None:
    server.answer(
        "BundleService.ListFeatureSchemas", ListFeatureSchemasResponse(feature_schemas=[SCHEMA])
    )

    run = trilock("features", "list", "--schemas")

    assert run.out.splitlines()[1].split()[:4] == [
        "delay_v1/3",
        "delay_v1__s3",
        "c" * 12,
        "s" * 12,
    ]
    as_json = trilock("features", "list", "--service=delay_v1", "-o", "json")
    assert as_json.json[0]["service"] == "delay_v1"
    assert server.requests("BundleService.ListFeatureSchemas")[1].service == "delay_v1"


def test_materializing_tells_its_progress(server: FakeServer, trilock: Trilock) -> None:
    def fill(request: object, context: grpc.ServicerContext) -> Iterator[object]:
        yield MaterializeFeaturesResponse(project="delay_v1__s3", progress="weather")
        yield MaterializeFeaturesResponse(
            project="delay_v1__s3", views=[FeatureViewState(view="weather", rows=7)]
        )

    server.answer("FeatureService.MaterializeFeatures", fill)

    run = trilock("features", "materialize", "--from=2013-01-01", "--to=2013-01-02")

    assert (run.code, run.err) == (0, "delay_v1__s3: weather\n")
    assert run.out.splitlines()[1].split() == ["delay_v1__s3", "weather", "7", "-"]
    (request,) = server.requests("FeatureService.MaterializeFeatures")
    assert request.window.end_time.ToJsonString() == "2013-01-02T00:00:00Z"


def test_materializing_may_end_in_an_error(server: FakeServer, trilock: Trilock) -> None:
    server.answer(
        "FeatureService.MaterializeFeatures",
        RefusedError(
            code=grpc.StatusCode.FAILED_PRECONDITION,
            message="weather's source could not be read",
            reason="FAILED_PRECONDITION",
        ),
    )

    run = trilock("features", "materialize", "--from=2013-01-01")

    assert (run.code, run.out) == (3, "")
    assert run.err == "error: weather's source could not be read\n"


def test_what_was_filled_is_told_though_a_view_failed(server: FakeServer, trilock: Trilock) -> None:
    def fill(request: object, context: grpc.ServicerContext) -> Iterator[object]:
        yield MaterializeFeaturesResponse(
            project="delay_v1__s3", views=[FeatureViewState(view="weather", rows=7)]
        )
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "fare_v1__s1: trips: no such file")

    server.answer("FeatureService.MaterializeFeatures", fill)

    run = trilock("features", "materialize")

    assert run.code == 3
    assert run.out.splitlines()[1].split() == ["delay_v1__s3", "weather", "7", "-"]
    assert "trips: no such file" in run.err
    (request,) = server.requests("FeatureService.MaterializeFeatures")
    assert not request.HasField("window")


def test_views_that_cannot_be_kept_warm_are_named(server: FakeServer, trilock: Trilock) -> None:
    pushed = FeatureViewState(view="clicks", cold="it has no batch source: push to it, too")
    project = FeatureProject(project="delay_v1__s3", views=[pushed])
    server.answer(
        "FeatureService.ListFeatureProjects",
        ListFeatureProjectsResponse(feature_projects=[project]),
    )

    run = trilock("features", "list")

    assert run.err == (
        "delay_v1__s3: clicks is not kept warm: it has no batch source: push to it, too\n"
    )


def test_projects_are_retired_and_what_could_not_be_is_named(
    server: FakeServer, trilock: Trilock
) -> None:
    server.answer(
        "FeatureService.RetireFeatures",
        RetireFeaturesResponse(
            retirements=[
                Retirement(project="delay_v1__s1", retired=True, remains=["entity 'origin'"]),
                Retirement(project="delay_v1__s2", error="someone else changed it"),
            ]
        ),
    )

    run = trilock("features", "retire", "delay")

    assert run.code == 3
    assert [line.split()[0] for line in run.out.splitlines()[1:]] == [
        "delay_v1__s1",
        "delay_v1__s2",
    ]
    assert run.err == (
        "delay_v1__s1 still has entity 'origin'\n"
        "error: delay_v1__s2 was not retired: someone else changed it\n"
    )
    assert trilock("features", "retire", "--dry-run", "-o", "json").json[0]["retired"] is True
    first, second = server.requests("FeatureService.RetireFeatures")
    assert (first.model, first.validate_only, second.validate_only) == ("delay", False, True)


def test_a_sink_is_registered(server: FakeServer, trilock: Trilock) -> None:
    server.answer("SinkService.RegisterSink", RegisterSinkResponse(sink=SINK))

    run = trilock(
        "sinks",
        "register",
        "predictions",
        "--connection=warehouse",
        "--table=public.predictions",
        "--key=flight_id",
        "--key=day",
    )

    assert (run.code, run.err) == (0, "models/delay/sinks/predictions is registered\n")
    assert server.requests("SinkService.RegisterSink") == [
        RegisterSinkRequest(
            name="models/delay/sinks/predictions",
            connection="warehouse",
            table="public.predictions",
            keys=["flight_id", "day"],
        )
    ]


def test_a_sink_may_only_be_tried(server: FakeServer, trilock: Trilock) -> None:
    server.answer("SinkService.RegisterSink", RegisterSinkResponse(sink=SINK))

    run = trilock("sinks", "register", "p", "--connection=w", "--table=t", "--dry-run")

    assert run.err == "models/delay/sinks/p can be registered\n"
    assert server.requests("SinkService.RegisterSink")[0].validate_only


def test_sinks_are_listed_and_shown(server: FakeServer, trilock: Trilock) -> None:
    server.answer("SinkService.ListSinks", ListSinksResponse(sinks=[SINK]))
    server.answer("SinkService.GetSink", GetSinkResponse(sink=SINK))

    listed = trilock("sinks", "list", "delay").out.splitlines()[1]
    shown = trilock("sinks", "show", "predictions").out.splitlines()

    assert listed.split()[:4] == [
        "delay/predictions",
        "warehouse",
        "public.predictions",
        "flight_id",
    ]
    assert shown[-1].split() == ["flight_id", "bigint", "no"]
    assert trilock("sinks", "list", "-o", "json").json[0]["keys"] == ["flight_id"]
    assert trilock("sinks", "show", "predictions", "-o", "json").json["table"] == (
        "public.predictions"
    )
