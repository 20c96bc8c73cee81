"""The fleet, trials and pins, over the wire."""

from functools import partial

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo

from tests.support.served_world import Served, detail, refused
from tests.support.values import ALIAS
from trilock.v1.fleet_service_pb2 import (
    Acknowledgement,
    ListAcknowledgementsRequest,
    ListWatchersRequest,
    ReportServingRequest,
)
from trilock.v1.release_service_pb2 import (
    AdvanceRequest,
    Companion,
    GetAliasRequest,
    PromoteRequest,
)
from trilock.v1.serving_service_pb2 import ResolveRequest

COMPANION = Companion(alias="models/delay/aliases/second", bundle="models/delay/bundles/1")
NOWHERE = "models/delay/aliases/nowhere"


@pytest.fixture(scope="module")
def released(served: Served) -> Served:
    """Return a server with a final release; most tests only look at answers."""
    served.world.release(served.world.record())
    return served


def report(*acknowledgements: Acknowledgement, watcher: str = "api.1") -> ReportServingRequest:
    return ReportServingRequest(watcher=watcher, acknowledgements=acknowledgements)


def acknowledgement(served: Served, **changes: object) -> Acknowledgement:
    live = served.call("Serving.Resolve", ResolveRequest(alias=str(ALIAS))).live_bundle
    made = Acknowledgement(
        alias=str(ALIAS), revision=live.revision, generation=live.generation, standby_warm=True
    )
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def test_the_fleet_over_the_wire(released: Served) -> None:
    answer = released.call(
        "Fleet.ReportServing", report(acknowledgement(released)), principal="serve"
    )
    assert (answer.resend, answer.expires_in.seconds) == (True, 30)
    assert not answer.unknown_aliases

    listed = released.call("Fleet.ListWatchers", ListWatchersRequest(alias=str(ALIAS)))
    (watcher,) = listed.watchers
    assert (watcher.name, watcher.principal, watcher.standby_warm) == ("api.1", "serve", True)
    fleet = released.call("Release.GetAlias", GetAliasRequest(name=str(ALIAS))).alias.fleet
    assert fleet == listed.fleet
    assert (fleet.serving, fleet.watchers, fleet.standby_warm) == (1, 1, 1)
    (served,) = released.call(
        "Fleet.ListAcknowledgements", ListAcknowledgementsRequest(revision=fleet.revision)
    ).acknowledgements
    assert (served.watcher, served.bundle) == ("api.1", "models/delay/bundles/1")


def test_bad_reports(released: Served) -> None:
    bad = report(
        Acknowledgement(alias="delay", revision=-1), Acknowledgement(), watcher="two words"
    )
    error = refused(lambda: released.call("Fleet.ReportServing", bad))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert [one.field for one in detail(error, BadRequest()).field_violations] == [
        "watcher",
        "acknowledgements[0].alias",
        "acknowledgements[0].revision",
        "acknowledgements[1].alias",
    ]
    long = report(acknowledgement(released, refusal="x" * 501))
    assert refused(lambda: released.call("Fleet.ReportServing", long)).code() is (
        grpc.StatusCode.INVALID_ARGUMENT
    )
    unknown = released.call(
        "Fleet.ReportServing", report(Acknowledgement(alias=NOWHERE), watcher="api.2")
    )
    assert list(unknown.unknown_aliases) == [NOWHERE]
    released.call("Fleet.ReportServing", report(acknowledgement(released)), principal="serve")
    taken = refused(
        lambda: released.call(
            "Fleet.ReportServing", report(acknowledgement(released)), principal="promote"
        )
    )
    assert taken.code() is grpc.StatusCode.ALREADY_EXISTS
    listed = released.call("Fleet.ListWatchers", ListWatchersRequest(alias=str(ALIAS)))
    assert {one.principal for one in listed.watchers} == {"serve"}


def test_nobody_watches_what_was_never_released(released: Served) -> None:
    error = refused(lambda: released.call("Fleet.ListWatchers", ListWatchersRequest(alias=NOWHERE)))
    assert error.code() is grpc.StatusCode.NOT_FOUND
    negative = ListAcknowledgementsRequest(revision=-1)
    error = refused(lambda: released.call("Fleet.ListAcknowledgements", negative))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_a_bundle_by_name(released: Served) -> None:
    second = released.world.record(variant="kelvin")

    answer = released.call(
        "Serving.Resolve", ResolveRequest(alias=str(ALIAS), bundle=str(second.ref))
    )

    assert answer.live_bundle.live.bundle == "models/delay/bundles/1"
    assert (answer.pinned.bundle, answer.pinned.model_version) == (str(second.ref), "2")
    assert (answer.pinned.release, answer.pinned.sink_epoch) == ("", 0)
    plain = released.call("Serving.Resolve", ResolveRequest(alias=str(ALIAS)))
    assert not plain.HasField("pinned")


@pytest.mark.parametrize(
    ("bundle", "code"),
    [
        ("models/delay/bundles/99", grpc.StatusCode.NOT_FOUND),
        ("models/other/bundles/1", grpc.StatusCode.INVALID_ARGUMENT),
        ("bundle 1", grpc.StatusCode.INVALID_ARGUMENT),
    ],
)
def test_a_bundle_that_is_not_there(released: Served, bundle: str, code: grpc.StatusCode) -> None:
    error = refused(
        lambda: released.call("Serving.Resolve", ResolveRequest(alias=str(ALIAS), bundle=bundle))
    )
    assert error.code() is code


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (PromoteRequest(canary_percent=100), "canary_percent"),
        (PromoteRequest(canary_percent=-1), "canary_percent"),
        (PromoteRequest(canary_percent=5, shadow=True), "shadow"),
        (PromoteRequest(shadow=True, companions=[COMPANION]), "companions"),
    ],
)
def test_malformed_shares(released: Served, request_: PromoteRequest, field: str) -> None:
    request_.alias, request_.bundle = str(ALIAS), "models/delay/bundles/1"
    error = refused(lambda: released.call("Release.Promote", request_))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert [one.field for one in detail(error, BadRequest()).field_violations] == [field]


def test_nothing_to_advance(released: Served) -> None:
    for percent in (0, 101):
        request = AdvanceRequest(alias=str(ALIAS), percent=percent)
        error = refused(partial(released.call, "Release.Advance", request))
        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    request = AdvanceRequest(alias=str(ALIAS), percent=50)
    error = refused(lambda: released.call("Release.Advance", request))
    assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert detail(error, ErrorInfo()).reason == "WRONG_STATE"
    error = refused(lambda: released.call("Release.Advance", request, principal="rollback"))
    assert error.code() is grpc.StatusCode.PERMISSION_DENIED
