"""Loads that raise, hang and come back late: the last good pair serves on."""

import logging
import threading

import pytest

from tests.client.slot.loads import DEADLINE, Loads, Told
from trilock.client import Freshness, ModelSlot, Refusal, Resolver
from trilock.client.errors import UnresolvedError
from trilock.client.testing import FakeTrilock


def test_a_load_that_raises_leaves_the_last_good_and_says_why(
    trilock: FakeTrilock, resolver: Resolver, caplog: pytest.LogCaptureFixture
) -> None:
    loads, told = Loads(), Told()
    loads.failing["2"] = ValueError("no such\nfile")
    trilock.release("delay", model_version="1")
    with ModelSlot(resolver, loads, on_refused=told.on_refused) as slot:
        assert slot.wait_ready(DEADLINE)
        bad = trilock.promote("delay", model_version="2")
        told.wait(lambda: told.refusals)
        served, health = slot.current(), slot.health()
        back = trilock.roll_back("delay")
        assert slot.wait_for(back.revision, DEADLINE)
        mended = slot.health()

    assert served.model.version == "1"
    assert (health.state, health.problem) == (Freshness.STALE, "ValueError: no such file")
    assert told.refusals == [Refusal(live=bad, reason="ValueError: no such file")]
    assert (mended.state, mended.problem) == (Freshness.READY, "")
    (record,) = [one for one in caplog.records if one.name == "trilock.client"]
    assert record.levelno == logging.WARNING
    assert record.exc_info is None
    assert record.getMessage() == (
        "delay@production serves models/delay/bundles/1 on: models/delay/bundles/2 "
        f"(revision {bad.revision}) was refused: ValueError: no such file"
    )


def test_a_load_that_failed_is_tried_again(trilock: FakeTrilock, resolver: Resolver) -> None:
    loads, told = Loads(), Told()
    loads.failing["1"] = OSError("not there yet")
    trilock.release("delay", model_version="1")
    with ModelSlot(resolver, loads, on_refused=told.on_refused) as slot:
        told.wait(lambda: told.refusals)
        with pytest.raises(UnresolvedError, match="is not served yet: OSError: not there yet"):
            slot.current()
        loads.failing.clear()
        assert slot.wait_ready(DEADLINE)

    assert loads.loaded == ["1", "1"]


def test_a_load_that_hangs_holds_up_neither_requests_nor_a_rollback(
    trilock: FakeTrilock, resolver: Resolver
) -> None:
    loads, told = Loads(), Told()
    release = loads.hanging["2"] = threading.Event()
    trilock.release("delay", model_version="1")
    with ModelSlot(resolver, loads, load_timeout=0.2, on_refused=told.on_refused) as slot:
        assert slot.wait_ready(DEADLINE)
        trilock.promote("delay", model_version="2")
        told.wait(lambda: told.refusals)
        assert slot.current().model.version == "1"
        back = trilock.roll_back("delay")
        assert slot.wait_for(back.revision, DEADLINE)
        release.set()

    assert [one.reason for one in told.refusals] == ["it did not load within 0.2 s"]
    assert loads.loaded == ["1", "2"]


def test_a_load_that_comes_back_late_is_taken_if_it_is_still_wanted(
    trilock: FakeTrilock, resolver: Resolver
) -> None:
    loads, told = Loads(), Told()
    release = loads.hanging["1"] = threading.Event()
    trilock.release("delay", model_version="1")
    with ModelSlot(resolver, loads, load_timeout=0.1, on_refused=told.on_refused) as slot:
        told.wait(lambda: told.refusals)
        release.set()
        assert slot.wait_ready(DEADLINE)

    assert loads.loaded == ["1"]


def test_loads_that_hang_do_not_pile_up(trilock: FakeTrilock, resolver: Resolver) -> None:
    loads, told = Loads(), Told()
    release = threading.Event()
    trilock.release("delay", model_version="1")
    with ModelSlot(resolver, loads, load_timeout=0.1, on_refused=told.on_refused) as slot:
        assert slot.wait_ready(DEADLINE)
        assert loads.begun.acquire(timeout=DEADLINE)
        for version in "23456":
            loads.hanging[version] = release
            trilock.release("delay", model_version=version)
            assert loads.begun.acquire(timeout=DEADLINE)
        trilock.release("delay", model_version="7")
        told.wait(
            lambda: "4 earlier loads do not come back" in [one.reason for one in told.refusals]
        )
        release.set()
        assert slot.wait_ready(DEADLINE)

    assert loads.loaded == ["1", "2", "3", "4", "5", "6", "7"]
