"""What a slot's test loads, and what its callbacks were told."""

import threading
from collections.abc import Callable

from trilock.client import BundleContract, Refusal, ServingBundle, SlotReport
from trilock.client.errors import ContractError

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
