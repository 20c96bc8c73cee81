"""Pieces of work that a loop finds, each in a thread of its own."""

import threading

import pytest

from trilock.server.workers.nudge import Nudge
from trilock.server.workers.pool import Workers


def test_what_could_not_be_started_is_not_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system may have no thread left for a while; what is due then must not be lost."""
    done = threading.Event()
    workers = Workers("runner", look=lambda: None, nudge=Nudge(), poll=60)

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            workers.spawn("operation", done.set)

    assert workers.busy() == frozenset()
    assert workers.spawn("operation", done.set)
    assert done.wait(10)
    assert workers.stop(10)
