"""Canary and shadow beside what is live."""

import threading

from tests.client.slot.loads import DEADLINE, Features, Loads, Told
from trilock.client import ModelSlot, Refusal, Resolver
from trilock.client.testing import FakeTrilock

KEYS = [f"passenger-{number}" for number in range(200)]


def test_a_canary_gets_its_share_once_it_is_loaded(
    trilock: FakeTrilock, resolver: Resolver
) -> None:
    loads, told = Loads(), Told()
    loading = loads.hanging["2"] = threading.Event()
    trilock.release("delay", model_version="1")
    with ModelSlot(resolver, loads, features=Features, on_serving=told.on_serving) as slot:
        assert slot.wait_ready(DEADLINE)
        trilock.promote("delay", model_version="2", canary=50)
        assert loads.begun.acquire(timeout=DEADLINE)
        assert loads.begun.acquire(timeout=DEADLINE)
        before = {slot.route(key).model.version for key in KEYS}
        loading.set()
        assert slot.wait_ready(DEADLINE)
        during = [slot.route(key) for key in KEYS]
        live = trilock.advance("delay", 100)
        assert slot.wait_for(live.revision, DEADLINE)
        after = {slot.route(key).model.version for key in KEYS}
        told.wait_warm("1")

    assert (before, after) == ({"1"}, {"2"})
    assert {
        (one.bundle.model_version, one.model.version, one.features.project) for one in during
    } == {("1", "1", "delay__s1"), ("2", "2", "delay__s2")}
    assert [one.bundle.bundle == "models/delay/bundles/2" for one in during] == [
        one.live.route(key) is not one.live for key, one in zip(KEYS, during, strict=True)
    ]
    assert loads.loaded == ["1", "2"]


def test_a_canary_that_does_not_load_is_refused_and_serves_nobody(
    trilock: FakeTrilock, resolver: Resolver
) -> None:
    loads, told = Loads(), Told()
    loads.failing["2"] = ValueError("no such file")
    trilock.release("delay", model_version="1")
    with ModelSlot(resolver, loads, on_refused=told.on_refused, on_serving=told.on_serving) as slot:
        assert slot.wait_ready(DEADLINE)
        tried = trilock.promote("delay", model_version="2", canary=50)
        told.wait(lambda: told.refusals)
        assert {slot.route(key).model.version for key in KEYS} == {"1"}
        assert slot.health().missing == {"canary": "ValueError: no such file"}
        back = trilock.roll_back("delay")
        told.wait(lambda: told.reports[-1].live == back)

    assert told.refusals == [Refusal(live=tried, reason="its canary: ValueError: no such file")]
    assert tried not in [one.live for one in told.reports]


def test_a_shadow_is_loaded_beside_and_answers_nobody(
    trilock: FakeTrilock, resolver: Resolver
) -> None:
    trilock.release("delay", model_version="1")
    with ModelSlot(resolver, Loads()) as slot:
        assert slot.wait_ready(DEADLINE)
        trilock.promote("delay", model_version="2", shadow=True)
        for _ in range(round(DEADLINE / 0.01)):
            shadow = slot.current().shadow
            if shadow is not None:
                break
            threading.Event().wait(0.01)
        assert shadow is not None
        assert (shadow.model.version, shadow.bundle.model_version) == ("2", "2")
        assert {slot.route(key).model.version for key in KEYS} == {"1"}
