"""What is wrong with a request is told whole; what is not there is not found."""

from __future__ import annotations  # grpc's classes are generic in the stubs only

from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo

from tests.support.served_world import Served, detail, refused
from tests.support.values import ALIAS, NOON
from trilock.server.rpc.convert.fields import timestamp
from trilock.v1.bundle_service_pb2 import (
    CaptureFeatureSchemaRequest,
    DeriveBundleRequest,
    GetBundleRequest,
    GetFeatureSchemaRequest,
    RecordBundleRequest,
)
from trilock.v1.check_service_pb2 import Candidate, CheckRequest, GetBaselineRequest
from trilock.v1.feature_service_pb2 import MaterializeFeaturesRequest
from trilock.v1.operation_service_pb2 import (
    GetOperationRequest,
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
    PauseRequest,
    PromoteRequest,
    ResumeRequest,
    RollBackRequest,
    SetFallbackRequest,
)
from trilock.v1.serving_service_pb2 import ResolveRequest, WatchRequest
from trilock.v1.sink_service_pb2 import (
    GetReceiptRequest,
    GetSinkRequest,
    ListQuarantinedRowsRequest,
    ListReceiptRowsRequest,
    PurgeReceiptsRequest,
    RegisterSinkRequest,
)

PRODUCTION = str(ALIAS)
STREAMS = ("Watch", "MaterializeFeatures", "ListReceiptRows", "ListQuarantinedRows")


@pytest.mark.parametrize(
    ("method", "request_", "fields"),
    [
        ("Bundle.CaptureFeatureSchema", CaptureFeatureSchemaRequest(), ["model", "service"]),
        (
            "Bundle.RecordBundle",
            RecordBundleRequest(model="X", feature_schema="a", service="b", request_id="\n"),
            [
                "model",
                "model_version",
                "feature_schema",
                "feature_schema",
                "pipeline_revision",
                "request_id",
            ],
        ),
        ("Check.Check", CheckRequest(), ["alias", "bundle"]),
        ("Check.GetBaseline", GetBaselineRequest(model="X"), ["model"]),
        (
            "Check.Check",
            CheckRequest(alias=PRODUCTION, candidate=Candidate()),
            [
                "candidate.model_version",
                "candidate.feature_schema",
                "candidate.pipeline_revision",
            ],
        ),
        (
            "Release.Promote",
            PromoteRequest(alias=PRODUCTION, bundle="models/other/bundles/1", reason="\x00"),
            ["bundle", "reason"],
        ),
        (
            "Release.Promote",
            PromoteRequest(
                alias=PRODUCTION, bundle="models/delay/bundles/1", deadline=Duration(seconds=-1)
            ),
            ["deadline"],
        ),
        ("Release.RollBack", RollBackRequest(), ["alias", "leaves"]),
        (
            "Bundle.DeriveBundle",
            DeriveBundleRequest(alias=PRODUCTION, bundle="models/other/bundles/1"),
            ["bundle", "only"],
        ),
        ("Release.Pause", PauseRequest(request_id="\n"), ["alias", "request_id"]),
        ("Release.Resume", ResumeRequest(etag="e" * 129), ["alias", "etag"]),
        ("Release.Abort", AbortRequest(incident="\x00"), ["operation", "incident"]),
        ("Release.SetFallback", SetFallbackRequest(), ["alias", "bundle"]),
        ("Release.ClearFallback", ClearFallbackRequest(), ["alias"]),
        ("Release.GetReleaseAt", GetReleaseAtRequest(), ["alias", "time"]),
        ("Operation.RetryOperation", RetryOperationRequest(name="x"), ["name"]),
        ("Release.Finalize", FinalizeRequest(alias="production"), ["alias"]),
        ("Operation.GetOperation", GetOperationRequest(name="operations/x"), ["name"]),
        ("Operation.WaitOperation", WaitOperationRequest(seen=-1), ["name", "seen"]),
        (
            "Feature.MaterializeFeatures",
            MaterializeFeaturesRequest(window=FeatureWindow(start_time=timestamp(NOON))),
            ["window.end_time"],
        ),
        ("Serving.Resolve", ResolveRequest(min_revision=-1), ["alias", "min_revision"]),
        (
            "Serving.Watch",
            WatchRequest(aliases=[PRODUCTION, "x"], start_revision=-1, generation=-1),
            ["aliases[1]", "start_revision", "generation"],
        ),
        (
            "Sink.RegisterSink",
            RegisterSinkRequest(name="models/delay/sinks/P", table="a\x00b", keys=["x", "x"]),
            ["name", "connection", "table", "keys"],
        ),
        ("Sink.GetReceipt", GetReceiptRequest(sink="x"), ["release", "sink"]),
        ("Sink.ListReceiptRows", ListReceiptRowsRequest(release="4"), ["release", "sink"]),
        ("Sink.ListQuarantinedRows", ListQuarantinedRowsRequest(), ["release", "sink"]),
        (
            "Sink.PurgeReceipts",
            PurgeReceiptsRequest(model="D", release="4", older_than=Duration(seconds=-1)),
            ["model", "release", "older_than"],
        ),
    ],
)
def test_bad_input_is_told_whole(
    served: Served, method: str, request_: Any, fields: list[str]
) -> None:
    def call() -> object:
        response = served.call(method, request_)
        return list(response) if method.endswith(STREAMS) else response

    error = refused(call)

    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert [v.field for v in detail(error, BadRequest()).field_violations] == fields


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("Bundle.GetBundle", GetBundleRequest(name="models/delay/bundles/9")),
        ("Bundle.GetFeatureSchema", GetFeatureSchemaRequest(name="featureSchemas/x/versions/1")),
        ("Release.GetAlias", GetAliasRequest(name="models/delay/aliases/nowhere")),
        ("Release.GetRelease", GetReleaseRequest(name="models/delay/releases/9")),
        ("Operation.GetOperation", GetOperationRequest(name=f"operations/{'0' * 32}")),
        ("Sink.GetSink", GetSinkRequest(name="models/delay/sinks/nowhere")),
        ("Serving.Resolve", ResolveRequest(alias="models/delay/aliases/nowhere")),
    ],
)
def test_what_is_not_there_is_not_found(served: Served, method: str, request_: Any) -> None:
    error = refused(lambda: served.call(method, request_))

    assert error.code() is grpc.StatusCode.NOT_FOUND
    assert detail(error, ErrorInfo()).reason == "NOT_FOUND"


def test_a_revision_that_is_not_seen_in_time_is_unavailable(served: Served) -> None:
    request = ResolveRequest(alias=PRODUCTION, min_revision=1 << 40)

    error = refused(lambda: served.call("Serving.Resolve", request, timeout=0.5))

    assert error.code() is grpc.StatusCode.UNAVAILABLE


def test_a_revision_of_another_history_is_out_of_range(served: Served) -> None:
    request = WatchRequest(start_revision=5, generation=1)

    error = refused(lambda: next(served.call("Serving.Watch", request)))

    assert error.code() is grpc.StatusCode.OUT_OF_RANGE
    assert detail(error, ErrorInfo()).reason == "REVISION_COMPACTED"
