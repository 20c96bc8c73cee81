"""Nothing serves that was not held against its contract, with or without a server."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from tests.client.slot.loads import DEADLINE, Features, Loads, Model, Told
from tests.support.live import live_bundle
from trilock.client import BundleContract, Freshness, ModelSlot, Resolver, ServingBundle
from trilock.client._resolver.contract import Contracts
from trilock.client.errors import ContractError, UnresolvedError
from trilock.client.testing import FakeTrilock


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


def test_a_bundle_that_is_read_in_place_is_held_against_its_contract() -> None:
    """Readers read one project; the schema was deployed into another one."""
    asked: list[str] = []
    contract = BundleContract(
        bundle="models/delay/bundles/2",
        registered_model="delay",
        model_version="2",
        mlmodel_sha256="ab",
        pipeline_revision="0b" * 20,
        feature_project="delay_v1__s2_5f3c0e",
        feature_service="delay_v1",
        contract_digest="cd",
        semantics_digest="ef",
        objects=(),
        columns=(),
    )
    live = replace(
        live_bundle(),
        bundle=contract.bundle,
        registered_model="delay",
        model_version="2",
        pipeline_revision=contract.pipeline_revision,
        feature_project="delay",
        feature_service="delay_v1",
    )

    def ask(bundle: ServingBundle) -> BundleContract:
        asked.append(bundle.bundle)
        return contract

    contracts = Contracts(None, ask=ask)

    assert contracts.of(live) == contracts.of(live) == replace(contract, feature_project="delay")
    assert asked == [contract.bundle]
    with pytest.raises(ContractError, match="the server has another"):
        contracts.of(replace(live, model_version="3"))
