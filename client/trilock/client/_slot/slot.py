"""The slot: which model and which features answer the next request, as one value.

What a request takes from `current` is one model with the features it was recorded
with, proven to be so, and stays that for as long as the request holds it. Whatever
fails on the way to another bundle, the last good pair serves on, and `health` says why.

Reading takes no lock. Everything else happens in the slot's own thread, and what may
hang, in threads of its own.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

from trilock.client._resolver.contract import Contracts, content_of
from trilock.client._resolver.memory import Freshness, Memory
from trilock.client._slot.beside import Beside, beside
from trilock.client._slot.candidate import Candidate, Phase, Recipe
from trilock.client._slot.candidates import MOST_HANGING, Candidates
from trilock.client._slot.forks import abandon_after_fork
from trilock.client._slot.served import (
    OnRefused,
    OnServing,
    Refusal,
    Served,
    SlotHealth,
    SlotReport,
    Standby,
)
from trilock.client.errors import UnresolvedError
from trilock.client.live import LiveBundle, ServingBundle
from trilock.client.names import short_alias

M = TypeVar("M")
F = TypeVar("F")

_FRESH_S: Final = 5.0
"""A pair that was proven this long before it is wanted is not proven again."""

_LOOK_S: Final = 1.0
"""How long a switch to what is loaded already may wait for another look at it."""

_log: Final = logging.getLogger("trilock.client")


class Slot(Generic[M, F]):
    """What `ModelSlot` and `AsyncModelSlot` have in common: everything but waiting.

    Args:
        resolver: Says what is live.
        recipe: How a bundle is made ready.
        contracts: What is proven before it serves; None to prove nothing.
        alias: Which alias; may be left out if the resolver follows one.
        standby: What is kept of the rollback target.
        load_timeout: Seconds after which a load is said to have failed; it is taken all
            the same if it comes back while it is still wanted.
        on_serving: As if given to `on_serving`.
        on_refused: As if given to `on_refused`.
        clock: A monotonic clock.
    """

    def __init__(
        self,
        resolver: Memory,
        recipe: Recipe[M, F],
        *,
        contracts: Contracts | None,
        alias: str | None,
        standby: Standby,
        load_timeout: float,
        on_serving: OnServing | None,
        on_refused: OnRefused | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.alias: Final = resolver.full_name(alias)
        resolver.claim(self.alias)  # a revision is acknowledged once it is served
        self._resolver = resolver
        self._contracts = contracts
        self._policy = standby
        self._load_timeout = load_timeout
        self._clock = clock
        self._served: Served[M, F] | None = None
        self._candidates = Candidates(recipe, told=self._wake, clock=clock)
        self._beside = Beside(self._candidates, load_timeout=load_timeout, clock=clock)
        self._goal: ServingBundle | None = None
        self._goal_since = 0.0
        self._refusal: Refusal | None = None
        self._made_of: tuple[object, ...] = ()
        self._report: SlotReport | None = None
        self._gone = ""
        if contracts is not None:
            contracts.load(self.alias)
        self._on_serving: tuple[OnServing, ...] = () if on_serving is None else (on_serving,)
        self._on_refused: tuple[OnRefused, ...] = () if on_refused is None else (on_refused,)
        self._told = threading.Condition()
        self._due = True
        self._closing = False
        self._stop_listening = resolver.on_change(lambda _live: self._wake())
        self._thread = threading.Thread(target=self._run, name="trilock-slot", daemon=True)
        abandon_after_fork(self._abandon)
        self._thread.start()

    def current(self) -> Served[M, F]:
        """Return what answers the request that begins now. Keep it until the request ends.

        Raises:
            UnresolvedError: Nothing could be loaded yet: `health` says why.
            StaleError: The live bundle was not confirmed for longer than `max_stale`.
        """
        served = self._served
        if served is None:
            raise UnresolvedError(
                f"{short_alias(self.alias)} is not served yet: {self.health().problem}",
                metadata={"alias": self.alias},
            )
        self._resolver.require_fresh(self.alias)
        return served

    def route(self, key: str | bytes) -> Served[M, F]:
        """Return what answers the request of *key*: the live bundle, or the canary.

        Sticky, as `LiveBundle.route`; all of them get the live bundle until the canary is
        loaded. Raises as `current`.
        """
        served = self.current()
        canary = served.canary
        return served if canary is None or served.live.route(key) is served.live else canary

    @property
    def report(self) -> SlotReport | None:
        """What `on_serving` was told last."""
        return self._report

    @property
    def refusal(self) -> Refusal | None:
        """Why what is live is not served; None if it is, or is on its way."""
        return self._refusal

    def health(self) -> SlotHealth:
        """Return how far what is served can be trusted. From memory."""
        served, report, refusal = self._served, self._report, self._refusal
        wanted = self._resolver.known(self.alias)
        told = self._resolver.health(self.alias)
        if self._gone:
            state, problem = Freshness.ERROR, self._gone
        elif served is None:
            state = Freshness.ERROR
            problem = refusal.reason if refusal else told.problem
            problem = problem or "it is being loaded"
        elif wanted is not None and content_of(wanted) != content_of(served.live):
            state = Freshness.ERROR if told.state is Freshness.ERROR else Freshness.STALE
            problem = refusal.reason if refusal else f"{wanted.bundle} is being loaded"
        else:
            state, problem = told.state, told.problem
        return SlotHealth(
            state=state,
            problem=problem,
            serving=None if served is None else served.live,
            wanted=wanted,
            standby=None if report is None else report.standby,
            missing=dict(self._beside.missing),
        )

    def on_serving(self, callback: OnServing) -> None:
        """Call *callback* with what is served now, and with every change of that.

        It runs in the slot's thread. What it raises is logged, and stops nothing.
        """
        with self._told:
            self._on_serving = (*self._on_serving, callback)
            report = self._report
        if report is not None:
            _call(callback, report)

    def on_refused(self, callback: OnRefused) -> None:
        """Call *callback* with every reason not to serve what is live. See `on_serving`."""
        with self._told:
            self._on_refused = (*self._on_refused, callback)
            refusal = self._refusal
        if refusal is not None:
            _call(callback, refusal)

    def _wait(self, reached: Callable[[], bool], seconds: float) -> bool:
        with self._told:
            return self._told.wait_for(reached, seconds)

    def _is_ready(self) -> bool:
        served, wanted = self._served, self._resolver.known(self.alias)
        if served is None or wanted is None or served.live != wanted:
            return False
        return wanted.canary is None or served.canary is not None

    def _reached(self, revision: int) -> bool:
        return self._served is not None and self._served.live.revision >= revision

    def _end(self) -> None:
        self._stop_listening()
        with self._told:
            self._closing = True
            self._told.notify_all()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _abandon(self, problem: str) -> None:
        self._served, self._gone = None, problem

    def _wake(self) -> None:
        with self._told:
            self._due = True
            self._told.notify_all()

    def _run(self) -> None:
        wait: float | None = 0.0
        while True:
            with self._told:
                self._told.wait_for(lambda: self._due or self._closing, wait)
                if self._closing:
                    return
                self._due = False
            try:
                wait = self._turn()
            except Exception:  # noqa: BLE001 - the thread must not end in silence
                _log.exception("a defect of trilock; %s stays as it is", short_alias(self.alias))
                wait = 1.0
            with self._told:
                self._told.notify_all()

    def _turn(self) -> float | None:
        """Do what there is to do; return after how many seconds to look again by itself."""
        live = self._resolver.known(self.alias)
        if live is None:
            return None
        self._forget_others(live)
        waits = [self._go_to(live)]
        self._forget_others(live)
        waits.append(self._tend_others(live))
        self._tell(live)
        due = [wait for wait in waits if wait is not None]
        return max(0.0, min(due)) if due else None

    def _forget_others(self, live: LiveBundle) -> None:
        """Let go of what serves no purpose, before something else takes the memory."""
        wanted = {content_of(live)}
        if self._served is not None:
            wanted.add(content_of(self._served.live))
        for role, content in beside(live).items():
            if role != "standby" or self._policy is not Standby.COLD:
                wanted.add(content)
        self._candidates.keep_only(wanted)

    def _go_to(self, live: LiveBundle) -> float | None:
        """Serve *live* if it can be; return after how many seconds to look again."""
        content = content_of(live)
        if self._served is not None and content_of(self._served.live) == content:
            self._compose(live)  # another release, or another state of it
            self._goal = None
            return None
        if content != self._goal:
            self._goal, self._goal_since, self._refusal = content, self._clock(), None
        candidate = self._candidates.get(content)
        if candidate is None:
            candidate = self._candidates.begin(content)
            if candidate is None:
                self._refuse(live, f"{MOST_HANGING} earlier loads do not come back")
                return _LOOK_S
        if candidate.phase is Phase.READY and candidate.proven_at < self._goal_since - _FRESH_S:
            candidate.check()
        return self._follow(candidate, live)

    def _follow(self, candidate: Candidate[M, F], live: LiveBundle) -> float | None:
        now = self._clock()
        match candidate.phase:
            case Phase.READY:
                self._switch(live, candidate)
                self._goal = None
                return None
            case Phase.CHECKING:
                if now - candidate.since < _LOOK_S:
                    return candidate.since + _LOOK_S - now
                candidate.accept(f"nothing was heard within {_LOOK_S:g} s")
                return 0.0
            case Phase.LOADING:
                if now - candidate.since < self._load_timeout:
                    return candidate.since + self._load_timeout - now
                self._refuse(live, f"it did not load within {self._load_timeout:g} s")
                return None  # its thread may still come back
            case Phase.FAILED:
                self._refuse(live, candidate.problem)
                if now >= candidate.retry_at:
                    candidate.retry()
                return max(0.0, candidate.retry_at - now)

    def _switch(self, live: LiveBundle, candidate: Candidate[M, F]) -> None:
        if candidate.unproven:
            _log.warning(
                "%s goes to %s on an earlier proof: %s",
                short_alias(self.alias),
                live.bundle,
                candidate.unproven,
            )
        self._compose(live)

    def _compose(self, live: LiveBundle) -> None:
        """Serve *live*, with the canary and the shadow that it has, as far as they are loaded."""
        bundles = (live, live.canary, live.shadow)
        pairs = [None if one is None else self._candidates.pair(one) for one in bundles]
        made_of = (live, *(id(pair) for pair in pairs))
        if made_of == self._made_of:
            return
        canary, shadow = (
            Served(live=live, bundle=one, model=pair.model, features=pair.features)
            if one is not None and pair is not None
            else None
            for one, pair in zip(bundles[1:], pairs[1:], strict=True)
        )
        pair = pairs[0]
        assert pair is not None, "what is switched to is loaded"  # noqa: S101 - for the type
        self._made_of = made_of
        # The one moment of a switch: what began before holds the old value to its end.
        self._served = Served(
            live=live,
            bundle=live,
            model=pair.model,
            features=pair.features,
            canary=canary,
            shadow=shadow,
        )

    def _refuse(self, live: LiveBundle, reason: str) -> None:
        refusal = Refusal(live=live, reason=reason)
        if refusal == self._refusal:
            return
        serving = "nothing" if self._served is None else self._served.live.bundle
        _log.warning(
            "%s serves %s on: %s (revision %d) was refused: %s",
            short_alias(self.alias),
            serving,
            live.bundle,
            live.revision,
            reason,
        )
        self._refusal = refusal
        self._resolver.acknowledge(
            self.alias, live.revision, standby_warm=_is_warm(self._report), refused=reason
        )
        for callback in self._on_refused:
            _call(callback, refusal)

    def _tend_others(self, live: LiveBundle) -> float | None:
        """Have canary, shadow and rollback target loaded, once what is live is served."""
        if self._served is None or content_of(self._served.live) != content_of(live):
            return None
        others = beside(live)
        if self._policy is not Standby.WARM:
            others.pop("standby", None)
        known = self._beside.missing
        wait = self._beside.load(others)
        for role, problem in self._beside.missing.items():
            if known.get(role) != problem:
                _log.warning("%s has no %s loaded: %s", short_alias(self.alias), role, problem)
        self._compose(live)
        return wait

    def _tell(self, live: LiveBundle) -> None:
        served = self._served
        if served is None:
            return
        if served.live == live:
            if live.canary is not None and served.canary is None:
                if "canary" in self._beside.missing:
                    self._refuse(live, f"its canary: {self._beside.missing['canary']}")
                return  # it is served when all of it is
            self._refusal = None
        standby = served.live.standby
        warm = None if standby is None else self._candidates.get(content_of(standby))
        is_warm = warm is not None and warm.pair is not None and warm.phase is not Phase.FAILED
        report = SlotReport(live=served.live, standby=standby if is_warm else None)
        if report == self._report:
            return
        self._report = report
        self._resolver.acknowledge(self.alias, report.live.revision, standby_warm=_is_warm(report))
        if self._contracts is not None:
            # So that the next process can prove it too, with or without a server.
            kept = [live, served.live, *beside(live).values(), *beside(served.live).values()]
            self._contracts.keep(self.alias, bundles=kept)
        for callback in self._on_serving:
            _call(callback, report)


def _is_warm(report: SlotReport | None) -> bool:
    return report is not None and report.standby is not None


def _call(callback: Callable[[Any], None], told: object) -> None:
    try:
        callback(told)
    except Exception:  # noqa: BLE001 - the user's own code; more must still be told
        _log.exception("a callback of a slot failed")
