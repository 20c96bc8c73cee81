"""What a slot serves, what it keeps warm and what it tells."""

import subprocess
import sys
import threading

import pytest

from tests.client.slot.loads import DEADLINE, Features, Loads, Model, Told
from trilock.client import Freshness, ModelSlot, Resolver, Served, SlotReport, Standby
from trilock.client.errors import InvalidError, StaleError
from trilock.client.testing import FakeTrilock


def test_it_serves_what_is_live_with_its_features(trilock: FakeTrilock, resolver: Resolver) -> None:
    live = trilock.release("delay", model_version="3")
    with ModelSlot(resolver, Loads(), features=Features) as slot:
        assert slot.wait_ready(DEADLINE)
        served = slot.current()
        health = slot.health()

    assert (served.live, served.model.version, served.features.project) == (live, "3", "delay__s1")
    assert (health.state, health.problem, health.serving) == (Freshness.READY, "", live)


def test_a_request_keeps_what_it_began_with(trilock: FakeTrilock, resolver: Resolver) -> None:
    trilock.release("delay", model_version="1")
    with ModelSlot(resolver, Loads(), features=Features) as slot:
        assert slot.wait_ready(DEADLINE)
        before = slot.current()
        live = trilock.promote("delay", model_version="2")
        assert slot.wait_for(live.revision, DEADLINE)
        after = slot.current()

    assert [
        (one.live.model_version, one.model.version, one.features.project) for one in (before, after)
    ] == [("1", "1", "delay__s1"), ("2", "2", "delay__s2")]


def test_the_rollback_target_is_warm_and_is_not_loaded_again(
    trilock: FakeTrilock, resolver: Resolver
) -> None:
    loads, told = Loads(), Told()
    trilock.release("delay", model_version="1")
    trilock.promote("delay", model_version="2")
    with ModelSlot(resolver, loads, on_serving=told.on_serving) as slot:
        assert slot.wait_ready(DEADLINE)
        told.wait_warm("1")
        live = trilock.roll_back("delay")
        assert slot.wait_for(live.revision, DEADLINE)
        served = slot.current()

    assert loads.loaded == ["2", "1"]
    assert served.live == live
    assert served.model is loads.models["1"]


@pytest.mark.parametrize(
    ("policy", "loaded"),
    [(Standby.WARM, ["1", "2"]), (Standby.KEPT, ["1", "2"]), (Standby.COLD, ["1", "2", "1"])],
)
def test_what_served_before_is_kept_or_let_go(
    policy: Standby, loaded: list[str], trilock: FakeTrilock, resolver: Resolver
) -> None:
    loads = Loads()
    trilock.release("delay", model_version="1")
    with ModelSlot(resolver, loads, standby=policy) as slot:
        assert slot.wait_ready(DEADLINE)
        live = trilock.promote("delay", model_version="2")
        assert slot.wait_for(live.revision, DEADLINE)
        live = trilock.roll_back("delay")
        assert slot.wait_for(live.revision, DEADLINE)

    assert loads.loaded == loaded


def test_a_standby_that_never_served_is_loaded_only_if_it_is_to_be_warm(
    trilock: FakeTrilock, resolver: Resolver
) -> None:
    loads = Loads()
    trilock.release("delay", model_version="1")
    trilock.promote("delay", model_version="2")
    with ModelSlot(resolver, loads, standby=Standby.KEPT) as slot:
        assert slot.wait_ready(DEADLINE)
        assert slot.health().standby is None

    assert loads.loaded == ["2"]


def test_it_tells_what_it_serves_and_what_is_warm(trilock: FakeTrilock, resolver: Resolver) -> None:
    told = Told()
    first = trilock.release("delay", model_version="1")
    with ModelSlot(resolver, Loads()) as slot:
        assert slot.wait_ready(DEADLINE)
        slot.on_serving(told.on_serving)
        told.wait(lambda: told.reports)
        second = trilock.promote("delay", model_version="2")
        told.wait_warm("1")
        third = trilock.finalize("delay")
        assert slot.wait_for(third.revision, DEADLINE)
        told.wait(lambda: told.reports[-1].live == third)
        report = slot.report

    assert told.reports[0] == SlotReport(live=first, standby=None)
    assert SlotReport(live=second, standby=second.standby) in told.reports
    assert report == SlotReport(live=third, standby=third.standby)


def test_a_callback_that_raises_stops_nothing(
    trilock: FakeTrilock, resolver: Resolver, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_report: SlotReport) -> None:
        raise RuntimeError("the user's own")

    trilock.release("delay", model_version="1")
    with ModelSlot(resolver, Loads(), on_serving=fail) as slot:
        assert slot.wait_ready(DEADLINE)
        live = trilock.promote("delay", model_version="2")
        assert slot.wait_for(live.revision, DEADLINE)

    assert "a callback of a slot failed" in caplog.messages


def test_what_is_too_stale_is_not_served(trilock: FakeTrilock) -> None:
    trilock.release("delay", model_version="1", serving_config={"max_stale_seconds": 0})
    with Resolver(trilock.address, ["delay"]) as resolver, ModelSlot(resolver, Loads()) as slot:
        assert slot.wait_ready(DEADLINE)
        assert slot.current().model.version == "1"
        resolver.close()
        with pytest.raises(StaleError):
            slot.current()
        assert slot.health().state is Freshness.ERROR


def test_several_aliases_share_one_resolver(trilock: FakeTrilock) -> None:
    trilock.release("delay", model_version="1")
    trilock.release("delay@canary", model_version="2")
    with (
        Resolver(trilock.address) as resolver,
        ModelSlot(resolver, Loads(), alias="delay") as slot,
        ModelSlot(resolver, Loads(), alias="delay@canary") as canary,
    ):
        assert slot.wait_ready(DEADLINE)
        assert canary.wait_ready(DEADLINE)
        versions = [one.current().model.version for one in (slot, canary)]

    assert versions == ["1", "2"]


def test_an_alias_that_is_not_followed_is_refused_at_once(resolver: Resolver) -> None:
    with pytest.raises(InvalidError):
        ModelSlot(resolver, Loads(), alias="other")


def test_readers_never_see_a_model_with_the_features_of_another(
    trilock: FakeTrilock, resolver: Resolver
) -> None:
    seen: set[tuple[str, str, str]] = set()
    done = threading.Event()
    first, second = (trilock.record("delay", model_version=version) for version in "12")
    trilock.release("delay", first)

    def read(slot: ModelSlot[Model, Features]) -> None:
        while not done.is_set():
            served: Served[Model, Features] = slot.current()
            seen.add((served.live.model_version, served.model.version, served.features.project))

    with ModelSlot(resolver, Loads(), features=Features) as slot:
        assert slot.wait_ready(DEADLINE)
        readers = [threading.Thread(target=read, args=(slot,)) for _ in range(2)]
        for reader in readers:
            reader.start()
        for _ in range(10):
            assert slot.wait_for(trilock.promote("delay", second).revision, DEADLINE)
            assert slot.wait_for(trilock.roll_back("delay").revision, DEADLINE)
        done.set()
        for reader in readers:
            reader.join()

    assert seen == {("1", "1", "delay__s1"), ("2", "2", "delay__s2")}


_FORKED = """
import os, sys
from trilock.client import ModelSlot, Resolver
from trilock.client.testing import FakeTrilock

trilock = FakeTrilock()
trilock.__enter__()
trilock.release("delay")
resolver = Resolver(trilock.address, ["delay"])
slot = ModelSlot(resolver, lambda bundle: bundle.bundle, verify=False)
assert slot.wait_ready(20)
if os.fork() == 0:
    try:
        slot.current()
    except Exception as error:
        print(error)
    sys.stdout.flush()
    os._exit(0)
os.wait()
os._exit(0)
"""


def test_a_forked_process_is_told_to_make_its_own() -> None:
    # In a process of its own: a fork of this one would take along the locks of its threads.
    run = subprocess.run(
        [sys.executable, "-c", _FORKED], capture_output=True, text=True, timeout=60, check=True
    )
    assert run.stdout == (
        "delay@production is not served yet: the process was forked from the one that made "
        "the slot; make it after the fork\n"
    )
