"""OperationService: cancelled, retried, waited for, listed."""

from __future__ import annotations  # grpc's classes are generic in the stubs only

import threading
from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import ErrorInfo

from tests.server.rpc.requests import promote, record
from tests.support.served_world import DEADLINE, Served, detail, refused
from trilock.v1 import operation_pb2
from trilock.v1.operation_service_pb2 import (
    CancelOperationRequest,
    GetOperationRequest,
    ListOperationsRequest,
    RetryOperationRequest,
    WaitOperationRequest,
)


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
