"""FeatureService: what is needed, filled and retired."""

from __future__ import annotations  # grpc's classes are generic in the stubs only

import grpc
from google.rpc.error_details_pb2 import ErrorInfo

from tests.server.rpc.requests import DAY
from tests.support.served_world import Served, detail, refused
from tests.support.values import MODEL
from tests.support.world import WINDOW
from trilock.v1.feature_service_pb2 import (
    ListFeatureProjectsRequest,
    MaterializeFeaturesRequest,
    RetireFeaturesRequest,
)


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
