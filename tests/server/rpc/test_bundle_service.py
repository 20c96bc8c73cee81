"""BundleService: captured and recorded once, whatever is sent twice."""

from __future__ import annotations  # grpc's classes are generic in the stubs only

import grpc
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo

from tests.server.rpc.requests import PRODUCTION, promote, record
from tests.support.served_world import Served, detail, refused
from tests.support.values import MODEL
from trilock.v1 import bundle_service_pb2, report_pb2
from trilock.v1.bundle_service_pb2 import (
    CaptureFeatureSchemaRequest,
    DeriveBundleRequest,
    GetFeatureSchemaRequest,
    ListBundlesRequest,
    ListFeatureSchemasRequest,
)


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
