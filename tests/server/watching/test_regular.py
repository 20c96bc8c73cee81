"""Work at intervals goes on, whatever becomes of one time, until it is stopped."""

import threading

import pytest

from trilock.server.domain.errors import PreconditionError
from trilock.server.watching.regular import Regular

DEADLINE = 10.0


def test_it_goes_on_after_a_time_that_failed_and_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    failures = iter([PreconditionError("no answer"), ZeroDivisionError("a defect")])
    worked = threading.Event()

    def work() -> None:
        for failure in failures:
            raise failure
        worked.set()

    regular = Regular("counting", work, every=0.001, first=0.0, unknown="nothing was counted")
    regular.start()
    went_on = worked.wait(DEADLINE)
    regular.stop(DEADLINE)

    assert went_on
    assert [record.getMessage() for record in caplog.records] == [
        "nothing was counted: no answer",
        "nothing was counted",
    ]


def test_it_ends_when_it_is_stopped_while_it_waits() -> None:
    worked = threading.Event()
    regular = Regular("counting", worked.set, every=3600.0, first=0.0, unknown="")
    regular.start()
    assert worked.wait(DEADLINE)

    regular.stop(DEADLINE)

    assert "counting" not in {thread.name for thread in threading.enumerate()}


def test_one_that_was_never_started_can_be_stopped() -> None:
    Regular("counting", lambda: None, every=1.0, first=1.0, unknown="").stop(DEADLINE)
