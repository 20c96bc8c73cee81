"""What the tests over the wire do not come by."""

from datetime import UTC, date, datetime

from tests.support import values
from trilock.compat import Category, Finding, Report, Severity, Waived, Waiver
from trilock.server.domain.operation import Operation, OperationKind, OperationState, Plan
from trilock.server.domain.ports import ViewState
from trilock.server.domain.release import Cause
from trilock.server.rpc.convert.checks import report_to_proto
from trilock.server.rpc.convert.features import view_to_proto
from trilock.server.rpc.convert.fields import timestamp
from trilock.server.rpc.convert.operations import operation_to_proto
from trilock.server.usecases.describe_operation import OperationStatus
from trilock.v1 import operation_pb2, report_pb2


def finding(path: str) -> Finding:
    return Finding(
        path=path,
        rule="SEM001",
        category=Category.SEMANTICS,
        severity=Severity.WARNING,
        expected="as it was",
        found="another way",
        message="it is made in another way",
        remedy="look",
    )


def test_what_is_waived_comes_last_and_says_so() -> None:
    waiver = Waiver(rule="SEM001", path="a", owner="ann", reason="known", expires=date(2013, 1, 1))
    report = Report.of([finding("b")], waived=[Waived(finding=finding("a"), waiver=waiver)])

    message = report_to_proto(report)

    assert message.verdict == report_pb2.VERDICT_COMPATIBLE_WITH_WARNINGS
    assert [(item.path, item.waived) for item in message.findings] == [("b", False), ("a", True)]
    assert message.findings[0] == report_pb2.Finding(
        rule="SEM001",
        category="semantics",
        severity=report_pb2.SEVERITY_WARNING,
        path="b",
        expected="as it was",
        found="another way",
        message="it is made in another way",
        remedy="look",
    )


def test_rows_that_cannot_be_counted_are_minus_one() -> None:
    message = view_to_proto(
        ViewState(view="weather", rows=None, fed_from=None, fed_until=None, feedable=True)
    )

    assert (message.rows, message.HasField("fed_until_time")) == (-1, False)


def test_a_time_is_exact_to_the_millisecond() -> None:
    message = timestamp(datetime(2013, 6, 1, 12, 0, 0, 123_000, tzinfo=UTC))

    assert message is not None
    assert message.ToMilliseconds() == 1_370_088_000_123
    assert timestamp(None) is None


def test_an_operation_without_anything_has_nothing() -> None:
    plan = Plan(
        id="p",
        kind=OperationKind.ROLL_BACK,
        alias=values.ALIAS,
        etag='"1"',
        steps=(),
        converges=(),
    )
    operation = Operation(
        id="0" * 32,  # type: ignore[arg-type]  # an OperationId is text
        kind=OperationKind.ROLL_BACK,
        alias=values.ALIAS,
        state=OperationState.RUNNING,
        plan=plan,
        steps=(),
        cause=Cause(principal="ann"),
        release=None,
        pivot_revision=None,
        error_reason="",
        error_message="",
        deadline=None,
        next_try=None,
        created=values.NOON,
        ended=None,
    )

    message = operation_to_proto(OperationStatus(operation=operation, bundle=None, planes=()))

    assert message.name == f"operations/{'0' * 32}"
    assert message.state == operation_pb2.OPERATION_STATE_RUNNING
    assert (message.release, message.bundle, message.pivot_revision) == ("", "", 0)
    assert not message.HasField("error")
    assert not message.HasField("end_time")
