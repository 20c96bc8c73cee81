"""What a resolver remembers and hands out, blocking or async: memory and disk, no network.

Reading takes no lock: one thread sets entries of a dictionary, all others look
them up, and each entry is immutable.
"""

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from trilock.client._resolver.answers import MAX_REFUSAL, Answer, Answers
from trilock.client._resolver.cache import DiskCache
from trilock.client._resolver.stale import MaxStale, StaleLimits
from trilock.client._resolver.watch import NOWHERE, Message, OutOfStepError, Position, Watch
from trilock.client._transport.backoff import Backoff
from trilock.client.errors import (
    DeadlineError,
    InvalidError,
    RevisionCompactedError,
    StaleError,
    TrilockError,
    UnresolvedError,
)
from trilock.client.live import LiveBundle, ServingBundle
from trilock.client.names import alias_resource, short_alias

OnChange = Callable[[LiveBundle], None]
"""Called with the new live bundle of an alias."""

STREAM_S: Final = 300.0
"""A stream is renewed after this time, in case its server hangs without closing it."""

SILENCE_S: Final = 60.0
"""A stream that said nothing for longer is not trusted; the server marks progress sooner."""

_CONFIRM_S: Final = 30.0
"""How often the disk is told that what is there is still so."""

_log: Final = logging.getLogger("trilock.client")


class Freshness(StrEnum):
    """How far what a resolver has can be trusted."""

    READY = "READY"
    """The server is heard: this is so now."""
    STALE = "STALE"
    """This was so when the server was last heard; serving goes on with it."""
    ERROR = "ERROR"
    """There is nothing, or nothing young enough, to serve."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What a resolver knows of one alias."""

    state: Freshness
    age: float | None
    """Seconds since the server last confirmed it; None if it never did, or nobody can tell."""
    problem: str
    """Why it is not READY, in one line; empty if it is."""


class Memory:
    """The live bundles of some aliases: the part of a resolver that needs no network.

    Args:
        aliases: Full names or short forms; none for every alias of the server.
        cache_dir: Where to keep the last known good; None for nowhere.
        max_stale: Seconds that `current` may go on unconfirmed, for all aliases or for each
            by name; None for ever. A live bundle's own serving config has the last word.
        on_change: As if given to `on_change`, before the first change.
        clock: A monotonic clock.

    Raises:
        InvalidError: An alias is malformed.
    """

    def __init__(
        self,
        aliases: Iterable[str],
        *,
        cache_dir: str | os.PathLike[str] | None,
        max_stale: MaxStale,
        on_change: OnChange | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.aliases: Final = tuple(dict.fromkeys(alias_resource(alias) for alias in aliases))
        self._limits = StaleLimits(max_stale)
        self._callbacks: tuple[OnChange, ...] = () if on_change is None else (on_change,)
        self._clock = clock
        self.cache_dir: Final = cache_dir
        self._cache = None if cache_dir is None else DiskCache(cache_dir)
        self._disk_confirmed = clock()
        # When the server last confirmed an alias that it does not confirm now.
        self._last_known: dict[str, float] = {}
        self._watch = Watch(self.aliases, known=list(self._load()))
        self._live: Mapping[str, LiveBundle] = self._watch.live
        self._limits.note(self._live.values())
        self._full_names: dict[str | None, str] = {}
        self._answers = Answers()
        self._backoff = Backoff()
        self._heard: float | None = None
        self._connected = False
        self._problem = "no server was heard yet"

    def current(self, alias: str | None = None) -> LiveBundle:
        """Return the live bundle of *alias* from memory.

        Args:
            alias: `delay`, `delay@canary` or the full name; may be left out if the
                resolver follows one alias.

        Raises:
            UnresolvedError: Nothing is known of it: `health` says why.
            StaleError: It was not confirmed for longer than `max_stale`.
            InvalidError: It is malformed, or not one that the resolver follows.
        """
        live = self._live.get(self._full_names.get(alias, "")) or self._find(alias)
        if self._limits.any:
            self.require_fresh(live.alias)
        return live

    def known(self, alias: str | None = None) -> LiveBundle | None:
        """Return the last live bundle that was told of *alias*, however old; None if none was.

        Raises:
            InvalidError: It is malformed, or not one that the resolver follows.
        """
        return self._live.get(self.full_name(alias))

    def route(self, key: str | bytes, alias: str | None = None) -> ServingBundle:
        """Return what the request of *key* gets: the live bundle, or the canary.

        From memory, and sticky. See `LiveBundle.route`.

        Raises:
            As `current`.
        """
        return self.current(alias).route(key)

    def snapshot(self) -> dict[str, LiveBundle]:
        """Return every live bundle that is known, by the full name of its alias."""
        return dict(self._live)

    def health(self, alias: str | None = None) -> Health:
        """Return how far what is known of *alias* can be trusted.

        Raises:
            InvalidError: It is malformed, or not one that the resolver follows.
        """
        name = self.full_name(alias)
        if name not in self._live:
            why = self._problem or f"nothing was ever released on {short_alias(name)}"
            return Health(state=Freshness.ERROR, age=None, problem=why)
        age, problem = self._age(name), self._why_not_ready(name)
        if not problem:
            return Health(state=Freshness.READY, age=age, problem="")
        limit = self._limits.of(name)
        too_old = limit is not None and (age is None or age > limit)
        state = Freshness.ERROR if too_old else Freshness.STALE
        return Health(state=state, age=age, problem=problem)

    def on_change(self, callback: OnChange) -> Callable[[], None]:
        """Call *callback* with every change from now on, one after the other.

        It runs where the stream is read, so what takes long belongs elsewhere.
        What it raises is logged, and stops nothing.

        Returns:
            A function that ends this.
        """
        self._callbacks = (*self._callbacks, callback)

        def remove() -> None:
            self._callbacks = tuple(kept for kept in self._callbacks if kept is not callback)

        return remove

    def claim(self, alias: str | None = None) -> None:
        """Acknowledge nothing of *alias* by itself any more: `acknowledge` does.

        Who loads what is live, and may find that it cannot, says so itself.

        Raises:
            InvalidError: It is malformed, or not one that the resolver follows.
        """
        self._answers.claim(self.full_name(alias))

    def acknowledge(
        self,
        alias: str | None,
        revision: int,
        *,
        standby_warm: bool,
        refused: str | None = None,
    ) -> None:
        """Tell trilock that this process serves *revision* of *alias*, or why it does not.

        Returns at once; what cannot be told now is told when the server answers again.

        Args:
            alias: As in `current`.
            revision: `revision` of the live bundle that is served, or is refused.
            standby_warm: Whether the standby is loaded, so that going back loads nothing.
            refused: Why it is not served, in one line; None if it is.

        Raises:
            UnresolvedError: Nothing is known of the alias: there is nothing to serve.
            InvalidError: It is malformed, or not one that the resolver follows.
        """
        live = self._live.get(self.full_name(alias)) or self._find(alias)
        self._answers.give(
            Answer(
                alias=live.alias,
                generation=live.generation,
                revision=revision,
                standby_warm=standby_warm,
                refusal=" ".join((refused or "").split())[:MAX_REFUSAL],
            )
        )

    @property
    def _ready(self) -> bool:
        """Whether the server was heard on every alias that is followed."""
        if self._heard is None:
            return False
        return all(name in self._live for name in self.aliases) and not self._watch.gone

    @property
    def _seen(self) -> Position:
        return self._watch.seen

    def _take(self, message: Message) -> None:
        """Take *message*, tell of what it changed, and keep it.

        Raises:
            OutOfStepError: It was not taken.
        """
        gone_before, heard_before = self._watch.gone, self._heard
        changes = self._watch.take(message)
        if heard_before is not None:
            for name in self._watch.gone - gone_before:
                self._last_known[name] = heard_before
        now = self._clock()
        self._heard, self._connected, self._problem = now, True, ""
        self._backoff.reset()
        self._limits.note(changes)
        for live in changes:
            self._tell(live)
        # After the callbacks: who loads what is live in one has its say first.
        for live in self._live.values() if message.snapshot else changes:
            self._answers.heard(live)
        if self._cache is not None:
            self._keep(changes, cache=self._cache, now=now)

    def _pause_after(self, error: Exception | None) -> float:
        """Return the seconds to wait after a stream ended, and note that it was lost.

        Args:
            error: What ended it; None if the server did, in order.
        """
        if isinstance(error, DeadlineError):
            return self._backoff.wait()  # its time was over, as arranged: nothing is lost
        if isinstance(error, RevisionCompactedError) and self._seen != NOWHERE:
            self._watch.forget_position()
            return self._backoff.wait()
        if error is None:
            problem = "the server ended the stream"
        elif isinstance(error, TrilockError | OutOfStepError):
            problem = str(error)
        else:
            problem = f"{type(error).__name__}: {error}"
        self._lose(problem)
        return self._backoff.wait()

    def _lose(self, problem: str) -> None:
        """Note that the server is not heard any more, and log it once."""
        if self._connected or problem != self._problem:
            _log.warning("live bundles are stale: %s", problem)
        self._connected, self._problem = False, problem

    def _end(self) -> None:
        """Note that nobody listens any more; what is in memory stays."""
        self._connected, self._problem = False, "the resolver was closed"

    def _abandon(self, problem: str) -> None:
        """Forget everything: this resolver will never hear of a change again."""
        self._live, self._connected, self._problem = {}, False, problem

    def _load(self) -> Iterator[LiveBundle]:
        if self._cache is None:
            return
        for live, age in self._cache.load():
            if not self.aliases or live.alias in self.aliases:
                if age is not None:
                    self._last_known[live.alias] = self._clock() - age
                yield live

    def _tell(self, live: LiveBundle) -> None:
        for callback in self._callbacks:
            try:
                callback(live)
            except Exception:  # noqa: BLE001 - the user's own code; more must still be told
                _log.exception("a callback failed on %s", live.alias)

    def _keep(self, changes: tuple[LiveBundle, ...], *, cache: DiskCache, now: float) -> None:
        for live in {live.alias: live for live in changes}.values():
            cache.save(live)
        if now - self._disk_confirmed > _CONFIRM_S:
            self._disk_confirmed = now
            for name in self._live.keys() - self._watch.gone:
                cache.confirm(name)

    def _find(self, alias: str | None) -> LiveBundle:
        name = self.full_name(alias)
        live = self._live.get(name)
        if live is None:
            raise UnresolvedError(
                f"nothing is known of {short_alias(name)}: {self.health(name).problem}",
                metadata={"alias": name},
            )
        self._full_names[alias] = name
        return live

    def full_name(self, alias: str | None) -> str:
        """Return the full name of the alias that *alias* spells; the only one for None.

        Raises:
            InvalidError: It is malformed, or not one that the resolver follows.
        """
        if alias is not None:
            name = alias_resource(alias)
            if not self.aliases or name in self.aliases:
                return name
        elif len(self.aliases) == 1:
            return self.aliases[0]
        followed = ", ".join(short_alias(name) for name in self.aliases) or "every alias"
        raise InvalidError(
            f"which alias? {alias!r} was asked for, this resolver follows {followed}"
        )

    def _age(self, name: str) -> float | None:
        confirmed = self._last_known.get(name) if self._unheard(name) else self._heard
        return None if confirmed is None else max(0.0, self._clock() - confirmed)

    def _unheard(self, name: str) -> bool:
        return self._heard is None or name in self._watch.gone

    def _why_not_ready(self, name: str) -> str:
        if not self._connected:
            return self._problem
        if name in self._watch.gone:
            return "the server does not know the alias any more"
        age = self._age(name)
        if age is None or age > SILENCE_S:
            return f"the server said nothing for {SILENCE_S:.0f} s"
        return ""

    def require_fresh(self, name: str) -> None:
        """Do nothing if what is known of the alias with the full *name* may be served.

        Raises:
            StaleError: It was not confirmed for longer than its `max_stale`.
        """
        max_stale = self._limits.of(name)
        if max_stale is None:
            return
        age = self._age(name)
        if (age is None or age > max_stale) and (why := self._why_not_ready(name)):
            raise StaleError(
                f"{short_alias(name)} was not confirmed for more than {max_stale:g} s: {why}",
                metadata={"alias": name},
            )
