"""What is asked wrongly is refused with the documented reason, and nothing has changed."""

from __future__ import annotations  # grpc's classes are generic in the stubs only

from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo
from sqlmodel import SQLModel

from tests.support.served_world import Served, detail, refused, served_world
from tests.support.values import ALIAS
from trilock.v1.operation_service_pb2 import (
    CancelOperationRequest,
    GetOperationRequest,
    RetryOperationRequest,
    WaitOperationRequest,
)
from trilock.v1.release_service_pb2 import (
    AbortRequest,
    AdvanceRequest,
    FinalizeRequest,
    PauseRequest,
    PromoteRequest,
    ResumeRequest,
    RollBackRequest,
)

ON = str(ALIAS)
LIVE, OLD = "models/delay/releases/2", "models/delay/releases/1"
OTHER = "models/delay/bundles/3"
USED, UNKNOWN = "used-once", f"operations/{'0' * 32}"
REUSED = (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")
STALE = (grpc.StatusCode.ABORTED, "STALE_ETAG")
MISSING = (grpc.StatusCode.NOT_FOUND, "NOT_FOUND")
WRONG = (grpc.StatusCode.FAILED_PRECONDITION, "WRONG_STATE")


@pytest.fixture(scope="module")
def soaking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Bundle 1 was final, bundle 2 soaks and was asked for as USED, bundle 3 is recorded."""
    with served_world(tmp_path_factory.mktemp("soaking")) as made:
        w = made.world
        w.register()
        w.release(w.record())
        w.promote(w.record(variant="scaled"), request_id=USED)
        w.settle()
        w.record(variant="fresh")
        yield made


@pytest.fixture
def nothing_changes(soaking: Served) -> Iterator[Served]:
    """Every row of trilock's database, MLflow's alias and the table are as they were."""
    before = everything(soaking)
    yield soaking
    soaking.world.settle()
    assert everything(soaking) == before


def everything(served: Served) -> list[Any]:
    tables = SQLModel.metadata.sorted_tables
    with served.world.database.read() as session:
        # A lease is taken by whoever looks whether there is anything to do.
        rows = [
            sorted(map(repr, session.connection().execute(table.select()).all()))
            for table in tables
            if table.name != "lease"
        ]
    return [*rows, served.world.alias(), served.world.table()]


def answer(served: Served, method: str, request_: Any) -> tuple[grpc.StatusCode, str]:
    error = refused(lambda: served.call(method, request_))
    return error.code(), detail(error, ErrorInfo()).reason


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("Release.Promote", PromoteRequest(alias=ON, bundle=OTHER, request_id=USED)),
        ("Release.Finalize", FinalizeRequest(alias=ON, request_id=USED)),
        ("Release.RollBack", RollBackRequest(alias=ON, leaves=LIVE, request_id=USED)),
        ("Release.Pause", PauseRequest(alias=ON, request_id=USED)),
        ("Release.Resume", ResumeRequest(alias=ON, request_id=USED)),
        ("Release.Advance", AdvanceRequest(alias=ON, percent=5, request_id=USED)),
    ],
)
def test_a_request_id_with_another_body(
    nothing_changes: Served, method: str, request_: Any
) -> None:
    assert answer(nothing_changes, method, request_) == REUSED


def test_an_abort_with_the_id_of_the_promotion(nothing_changes: Served) -> None:
    request = AbortRequest(operation=promotion(nothing_changes), request_id=USED)

    assert answer(nothing_changes, "Release.Abort", request) == REUSED


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("Release.Promote", PromoteRequest(alias=ON, bundle=OTHER, etag='"1"')),
        ("Release.Finalize", FinalizeRequest(alias=ON, etag='"1"')),
        ("Release.Pause", PauseRequest(alias=ON, etag='"1"')),
        ("Release.Resume", ResumeRequest(alias=ON, etag='"1"')),
        ("Release.Advance", AdvanceRequest(alias=ON, percent=5, etag='"1"')),
        ("Release.RollBack", RollBackRequest(alias=ON, leaves=OLD)),
    ],
)
def test_what_changed_since_the_caller_looked(
    nothing_changes: Served, method: str, request_: Any
) -> None:
    assert answer(nothing_changes, method, request_) == STALE


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("Operation.GetOperation", lambda name: GetOperationRequest(name=name)),
        ("Operation.WaitOperation", lambda name: WaitOperationRequest(name=name)),
        ("Operation.CancelOperation", lambda name: CancelOperationRequest(name=name)),
        ("Operation.RetryOperation", lambda name: RetryOperationRequest(name=name)),
        ("Release.Abort", lambda name: AbortRequest(operation=name)),
    ],
)
class TestAnOperation:
    def test_that_does_not_exist(
        self, nothing_changes: Served, method: str, request_: Callable[[str], Any]
    ) -> None:
        assert answer(nothing_changes, method, request_(UNKNOWN)) == MISSING

    def test_whose_name_is_none(
        self, nothing_changes: Served, method: str, request_: Callable[[str], Any]
    ) -> None:
        error = refused(lambda: nothing_changes.call(method, request_("operations/../x")))

        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("Operation.CancelOperation", lambda name: CancelOperationRequest(name=name)),
        ("Operation.RetryOperation", lambda name: RetryOperationRequest(name=name)),
    ],
)
def test_a_cancel_or_a_retry_after_the_pivot(
    nothing_changes: Served, method: str, request_: Callable[[str], Any]
) -> None:
    assert answer(nothing_changes, method, request_(promotion(nothing_changes))) == WRONG


def test_the_same_request_again_is_answered_with_what_it_did(nothing_changes: Served) -> None:
    w = nothing_changes.world
    (first,) = (one for one in w.runtime.journal.list() if one.name == promotion(nothing_changes))
    (bundle,) = (step.args["bundle"] for step in first.plan.steps if step.step == "switch_live")
    assert bundle == str(w.live().bundle)

    assert w.promote(w.bundle_of_live(), request_id=USED).id == first.id


def promotion(served: Served) -> str:
    """Return the name of the operation that made the live release."""
    journal = served.world.runtime.journal
    return next(one.name for one in journal.list() if str(one.release) == LIVE)
