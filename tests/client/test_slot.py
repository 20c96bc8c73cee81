"""The slot on a trilock of the test's own: loads that work, fail, hang, and lie."""

import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from trilock.client import (
    BundleContract,
    Freshness,
    ModelSlot,
    Refusal,
    Resolver,
    Served,
    ServingBundle,
    SlotReport,
    Standby,
)
from trilock.client.errors import ContractError, InvalidError, StaleError, UnresolvedError
from trilock.client.testing import FakeTrilock

DEADLINE = 20.0


class Model:
    """A loaded model, by the version it was loaded as."""

    def __init__(self, bundle: ServingBundle) -> None:
        self.version = bundle.model_version
        self.proven: list[str] = []
        self.lies = False

    def verify(self, contract: BundleContract) -> None:
        self.proven.append(contract.bundle)
        if self.lies or contract.model_version != self.version:
            raise ContractError(f"version {self.version} is not what it was")


class Features:
    def __init__(self, bundle: ServingBundle) -> None:
        self.project = bundle.feature_project


class Loads:
    """Loads models, as often as it is told to fail or to hang."""

    def __init__(self) -> None:
        self.loaded: list[str] = []
        self.failing: dict[str, Exception] = {}
        self.hanging: dict[str, threading.Event] = {}
        self.models: dict[str, Model] = {}
        self.begun = threading.Semaphore(0)

    def __call__(self, bundle: ServingBundle) -> Model:
        version = bundle.model_version
        self.loaded.append(version)
        self.begun.release()
        if version in self.hanging:
            assert self.hanging[version].wait(DEADLINE)
        if version in self.failing:
            raise self.failing[version]
        self.models[version] = Model(bundle)
        return self.models[version]


@pytest.fixture
def trilock() -> Iterator[FakeTrilock]:
    with FakeTrilock() as server:
        yield server


@pytest.fixture
def resolver(trilock: FakeTrilock) -> Iterator[Resolver]:
    with Resolver(trilock.address, ["delay"]) as resolver:
        yield resolver


class Told:
    """What a slot's callbacks were told, and waiting for it."""

    def __init__(self) -> None:
        self.reports: list[SlotReport] = []
        self.refusals: list[Refusal] = []
        self._changed = threading.Condition()

    def on_serving(self, report: SlotReport) -> None:
        with self._changed:
            self.reports.append(report)
            self._changed.notify_all()

    def on_refused(self, refusal: Refusal) -> None:
        with self._changed:
            self.refusals.append(refusal)
            self._changed.notify_all()

    def wait(self, reached: Callable[[], object]) -> None:
        with self._changed:
            assert self._changed.wait_for(reached, DEADLINE), (self.reports, self.refusals)

    def wait_warm(self, version: str) -> None:
        self.wait(
            lambda: any(
                one.standby is not None and one.standby.model_version == version
                for one in self.reports[-1:]
            )
        )


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


def test_a_model_that_is_not_the_recorded_one_never_serves(
    trilock: FakeTrilock, resolver: Resolver
) -> None:
    def load(bundle: ServingBundle) -> Model:
        model = Model(bundle)
        model.lies = bundle.model_version == "2"
        return model

    told = Told()
    trilock.release("delay", model_version="1")
    with ModelSlot(resolver, load, on_refused=told.on_refused) as slot:
        assert slot.wait_ready(DEADLINE)
        trilock.promote("delay", model_version="2")
        told.wait(lambda: told.refusals)
        assert slot.current().model.version == "1"

    assert told.refusals[0].reason == "version 2 is not what it was"


def test_a_standby_is_looked_at_again_before_it_serves(
    trilock: FakeTrilock, resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trilock.client._slot.slot._FRESH_S", 0.0)
    loads, told = Loads(), Told()
    trilock.release("delay", model_version="1")
    with ModelSlot(resolver, loads, on_refused=told.on_refused, on_serving=told.on_serving) as slot:
        assert slot.wait_ready(DEADLINE)
        trilock.promote("delay", model_version="2")
        told.wait_warm("1")
        loads.models["1"].lies = True
        trilock.roll_back("delay")
        told.wait(lambda: told.refusals)
        assert slot.current().model.version == "2"
        loads.models["1"].lies = False
        assert slot.wait_ready(DEADLINE)
        assert slot.current().model.version == "1"

    assert loads.loaded == ["1", "2"]


class Undecided(Model):
    """Cannot be held against anything from the second time on."""

    def __init__(self, bundle: ServingBundle, *, hangs: threading.Event | None) -> None:
        super().__init__(bundle)
        self._hangs = hangs

    def verify(self, contract: BundleContract) -> None:
        super().verify(contract)
        if len(self.proven) > 1 and self.version == "1":
            if self._hangs is None:
                raise ConnectionError("the registry is down")
            self._hangs.wait(DEADLINE)


@pytest.mark.parametrize("hangs", [False, True])
def test_a_rollback_does_not_wait_for_a_registry_that_is_down(
    *,
    hangs: bool,
    trilock: FakeTrilock,
    resolver: Resolver,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("trilock.client._slot.slot._FRESH_S", 0.0)
    monkeypatch.setattr("trilock.client._slot.slot._LOOK_S", 0.2)
    end, told = threading.Event(), Told()

    def load(bundle: ServingBundle) -> Undecided:
        return Undecided(bundle, hangs=end if hangs else None)

    trilock.release("delay", model_version="1")
    trilock.promote("delay", model_version="2")
    with ModelSlot(resolver, load, on_serving=told.on_serving) as slot:
        assert slot.wait_ready(DEADLINE)
        told.wait_warm("1")
        back = trilock.roll_back("delay")
        assert slot.wait_for(back.revision, DEADLINE)
        assert slot.current().model.version == "1"
        end.set()

    why = "nothing was heard within 0.2 s" if hangs else "ConnectionError: the registry is down"
    assert caplog.messages[-1] == (
        f"delay@production goes to models/delay/bundles/1 on an earlier proof: {why}"
    )


def test_a_sample_request_is_made_before_it_serves(
    trilock: FakeTrilock, resolver: Resolver
) -> None:
    warmed: list[tuple[str, str]] = []

    def warm_up(model: Model, features: Features) -> None:
        warmed.append((model.version, features.project))
        if model.version == "2":
            raise RuntimeError("cannot predict")

    told = Told()
    trilock.release("delay", model_version="1")
    with ModelSlot(
        resolver, Loads(), features=Features, warm_up=warm_up, on_refused=told.on_refused
    ) as slot:
        assert slot.wait_ready(DEADLINE)
        trilock.promote("delay", model_version="2")
        told.wait(lambda: told.refusals)
        assert slot.current().model.version == "1"

    assert warmed[:2] == [("1", "delay__s1"), ("2", "delay__s2")]
    assert told.refusals[0].reason == "RuntimeError: cannot predict"


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


def test_a_process_that_starts_while_trilock_is_down_proves_and_serves(tmp_path: Path) -> None:
    with FakeTrilock() as trilock:
        trilock.release("delay", model_version="1")
        trilock.promote("delay", model_version="2")
        told = Told()
        with (
            Resolver(trilock.address, ["delay"], cache_dir=tmp_path) as resolver,
            ModelSlot(resolver, Loads(), on_serving=told.on_serving) as slot,
        ):
            assert slot.wait_ready(DEADLINE)
            told.wait_warm("1")
        address = trilock.address

    loads, told = Loads(), Told()
    with (
        Resolver(address, ["delay"], cache_dir=tmp_path) as resolver,
        ModelSlot(resolver, loads, on_serving=told.on_serving) as slot,
    ):
        assert slot.wait_ready(DEADLINE)
        told.wait_warm("1")
        assert slot.current().model.version == "2"
        assert slot.health().state is Freshness.STALE
    assert loads.models["2"].proven == ["models/delay/bundles/2"]


def test_without_its_contract_nothing_is_served_until_the_server_tells(tmp_path: Path) -> None:
    with FakeTrilock() as trilock:
        trilock.release("delay", model_version="1")
        with Resolver(trilock.address, ["delay"], cache_dir=tmp_path) as resolver:
            assert resolver.wait_ready(DEADLINE)
        told = Told()
        with (
            trilock.outage(),
            Resolver(trilock.address, ["delay"], cache_dir=tmp_path) as resolver,
            ModelSlot(resolver, Loads(), on_refused=told.on_refused) as slot,
            ModelSlot(resolver, Loads(), verify=False) as trusting,
        ):
            assert trusting.wait_ready(DEADLINE)
            told.wait(lambda: told.refusals)
            with pytest.raises(UnresolvedError, match="an outage was scripted"):
                slot.current()


def test_contracts_that_are_not_intact_are_ignored(
    trilock: FakeTrilock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trilock.release("delay", model_version="1")
    path = tmp_path / "models.delay.aliases.production.contracts.json"
    path.write_text('{"format": 1, "contracts": [], "sha256": ""}')
    with (
        Resolver(trilock.address, ["delay"], cache_dir=tmp_path) as resolver,
        ModelSlot(resolver, Loads()) as slot,
    ):
        assert slot.wait_ready(DEADLINE)

    assert caplog.messages[0].startswith(f"ignoring {path}, which holds no intact contracts")
    assert '"models/delay/bundles/1"' in path.read_text()


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
