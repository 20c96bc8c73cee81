"""One bundle being made ready to serve: loaded, held against its contract, warmed up.

All of it is the user's code or asks other systems, so it runs in a thread of its own
that may take its time, fail, or never come back. Whoever looks at a candidate finds
out where it is and never waits for it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Generic, Protocol, TypeVar, runtime_checkable

from trilock.client._resolver.contract import BundleContract
from trilock.client._transport.backoff import Backoff
from trilock.client.errors import ContractError
from trilock.client.live import ServingBundle

M = TypeVar("M")
F = TypeVar("F")


@runtime_checkable
class Verifiable(Protocol):
    """A loaded model, or features, that can be held against a bundle's contract."""

    def verify(self, contract: BundleContract) -> None:
        """Look again at what is there now, and take it up.

        Raises:
            ContractError: It is not what *contract* says.
        """
        ...


class Phase(StrEnum):
    """Where a candidate is."""

    LOADING = "LOADING"
    """Nothing to serve yet."""
    READY = "READY"
    """Loaded, and proven at `proven_at`."""
    CHECKING = "CHECKING"
    """Loaded and proven once; being proven again."""
    FAILED = "FAILED"
    """`problem` says why; to be tried again at `retry_at`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair(Generic[M, F]):
    """A model and the features it reads."""

    model: M
    features: F


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe(Generic[M, F]):
    """How a bundle is made ready: the user's functions."""

    load: Callable[[ServingBundle], M]
    features: Callable[[ServingBundle], F]
    contract: Callable[[ServingBundle], BundleContract] | None
    """None to prove nothing."""
    warm_up: Callable[[M, F], object] | None


class Candidate(Generic[M, F]):
    """One bundle on its way to be served.

    Args:
        bundle: What to load.
        recipe: How.
        told: Called from the candidate's thread whenever its phase has changed.
        clock: A monotonic clock.
    """

    def __init__(
        self,
        bundle: ServingBundle,
        recipe: Recipe[M, F],
        *,
        told: Callable[[], None],
        clock: Callable[[], float],
    ) -> None:
        self.bundle: Final = bundle
        self.phase = Phase.LOADING
        self.pair: Pair[M, F] | None = None
        self.problem = ""
        self.proven_at = 0.0
        self.since = clock()
        self.retry_at = 0.0
        self.unproven = ""
        """Why the last look could not decide; empty if it could."""
        self._recipe = recipe
        self._told = told
        self._clock = clock
        self._backoff = Backoff(first=1.0, most=60.0)
        # A thread that comes back after its work was given up has no say any more.
        self._turn = threading.Lock()
        self._task = 0
        self._thread: threading.Thread | None = None

    @property
    def busy(self) -> bool:
        """Whether a thread is at work on it, in time or not."""
        return self._thread is not None and self._thread.is_alive()

    def load(self) -> None:
        """Begin to load. Returns at once."""
        self._begin(Phase.LOADING, self._load)

    def check(self) -> None:
        """Begin to prove what is loaded once more. Returns at once."""
        self._begin(Phase.CHECKING, self._check)

    def retry(self) -> None:
        """Begin again what failed."""
        if self.pair is None:
            self.load()
        else:
            self.check()

    def accept(self, why: str) -> None:
        """Give up a check that does not come back; what was proven before stands."""
        with self._turn:
            if self.phase is Phase.CHECKING:
                self._task += 1
                self.phase, self.proven_at, self.unproven = Phase.READY, self._clock(), why

    def _begin(self, phase: Phase, work: Callable[[], str]) -> None:
        with self._turn:
            self._task += 1
            self.phase, self.since = phase, self._clock()
            task = self._task
        # A daemon: a load that hangs must not keep the process from ending.
        self._thread = threading.Thread(
            target=self._run, args=(task, work), name=f"trilock-{self.bundle.bundle}", daemon=True
        )
        self._thread.start()

    def _run(self, task: int, work: Callable[[], str]) -> None:
        problem, unproven = "", ""
        try:
            unproven = work()
        except BaseException as error:  # noqa: BLE001 - the user's code; SystemExit must not pass for a load
            problem = spell(error)
        with self._turn:
            if task != self._task:
                return
            self.problem, self.unproven = problem, unproven
            if problem:
                self.retry_at = self._clock() + self._backoff.wait()
                self.phase = Phase.FAILED
            else:
                self.proven_at = self._clock()
                self.phase = Phase.READY
                self._backoff.reset()
        self._told()

    def _load(self) -> str:
        recipe, bundle = self._recipe, self.bundle
        contract = None if recipe.contract is None else recipe.contract(bundle)
        features = recipe.features(bundle)
        model = recipe.load(bundle)
        if contract is not None:
            _prove(model, features, contract)
        if recipe.warm_up is not None:
            recipe.warm_up(model, features)
        self.pair = Pair(model=model, features=features)
        return ""

    def _check(self) -> str:
        """Return why it could not be decided; empty if it is as it was."""
        assert self.pair is not None, "only what is loaded is checked"  # noqa: S101 - for the type
        if self._recipe.contract is None:
            return ""
        try:
            contract = self._recipe.contract(self.bundle)
            _prove(self.pair.model, self.pair.features, contract)
        except ContractError:
            raise
        except Exception as error:  # noqa: BLE001 - a plane that is down; the last proof stands
            return spell(error)
        return ""


def spell(error: BaseException) -> str:
    """Return *error* in one line, with its type where the words alone would not do."""
    text = " ".join(str(error).split())
    if isinstance(error, ContractError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _prove(model: object, features: object, contract: BundleContract) -> None:
    for part in (features, model):
        if isinstance(part, Verifiable):
            part.verify(contract)
