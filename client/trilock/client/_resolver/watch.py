"""What a watch knows, and what the next message makes of it: no I/O, no clock, no thread.

What it promises, whatever the stream does: the live bundle of an alias never
goes back in (generation, revision), no change is told twice, and a stream that
was cut is resumed right behind the last message that was taken whole, so that
none is missed.

A message that cannot be true is not taken at all: `OutOfStepError` says why,
and the caller opens another stream.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from trilock.client.live import LiveBundle

Position = tuple[int, int]
"""Generation and revision of a store; compares as trilock's history does."""

NOWHERE: Final[Position] = (0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of a stream."""

    position: Position
    """How far the stream has seen."""
    snapshot: bool
    """Whether `live_bundles` is the whole present state."""
    live_bundles: tuple[LiveBundle, ...]
    """Oldest first."""


class OutOfStepError(Exception):
    """The message does not follow what is known; nothing of it was taken."""


class Watch:
    """The live bundles of some aliases, as far as one stream after another has told.

    Args:
        aliases: Full names; none for every alias the server has.
        known: Live bundles from an earlier process.
    """

    def __init__(self, aliases: Iterable[str], *, known: Iterable[LiveBundle] = ()) -> None:
        self._aliases = frozenset(aliases)
        self._live: dict[str, LiveBundle] = {live.alias: live for live in known}
        self._seen = NOWHERE
        self._gone: frozenset[str] = frozenset()

    @property
    def live(self) -> Mapping[str, LiveBundle]:
        """The newest live bundle of each alias, by its full name."""
        return self._live

    @property
    def seen(self) -> Position:
        """How far the streams have told; (0, 0) before the first message."""
        return self._seen

    @property
    def gone(self) -> frozenset[str]:
        """Aliases that the server's last snapshot did not have, though they were live before."""
        return self._gone

    def resume_from(self) -> Position:
        """Return generation and first revision to ask for; (0, 0) for the present state."""
        generation, revision = self._seen
        return (generation, revision + 1) if generation else NOWHERE

    def forget_position(self) -> None:
        """Ask for the present state next time: the server no longer keeps what follows."""
        self._seen = NOWHERE

    def take(self, message: Message) -> tuple[LiveBundle, ...]:
        """Take *message* and return what it changed, oldest first.

        Raises:
            OutOfStepError: It comes from a server that is behind, or it would leave a gap.
        """
        if message.snapshot:
            self._check_snapshot(message)
        else:
            self._check_change(message)
        changes = tuple(self._changes(message))
        for live in changes:
            self._live[live.alias] = live
        if message.snapshot:
            told = {live.alias for live in message.live_bundles}
            self._gone = frozenset(self._live.keys() - told)
        else:
            self._gone -= {live.alias for live in changes}
        self._seen = message.position
        return changes

    def _check_snapshot(self, message: Message) -> None:
        if message.position < self._seen:
            raise OutOfStepError(
                f"the server is at revision {_spell(message.position)}, "
                f"behind {_spell(self._seen)}, which it told before"
            )
        told = {live.alias: live.position for live in message.live_bundles}
        for live in self._live.values():
            now = told.get(live.alias, message.position)
            if now < live.position:
                raise OutOfStepError(
                    f"the server has {live.alias} at revision {_spell(now)}, "
                    f"behind {_spell(live.position)}, which it told before"
                )

    def _check_change(self, message: Message) -> None:
        if message.position[0] != self._seen[0]:
            raise OutOfStepError(
                f"the server went on at revision {_spell(message.position)} "
                f"after {_spell(self._seen)} without its present state"
            )
        if message.position < self._seen:
            raise OutOfStepError(
                f"the stream went back from revision {_spell(self._seen)} "
                f"to {_spell(message.position)}"
            )

    def _changes(self, message: Message) -> Iterable[LiveBundle]:
        newest = {alias: live.position for alias, live in self._live.items()}
        for live in message.live_bundles:
            wanted = not self._aliases or live.alias in self._aliases
            # A snapshot repeats what is known; a change at or before the
            # position was told by an earlier stream.
            heard = NOWHERE if message.snapshot else self._seen
            if wanted and live.position > max(newest.get(live.alias, NOWHERE), heard):
                newest[live.alias] = live.position
                yield live


def _spell(position: Position) -> str:
    generation, revision = position
    return f"{revision} of generation {generation}"
