"""For how long each alias may be served unconfirmed: the bundle's own word, else the setting.

A bundle that was recorded with `max_stale_seconds` in its serving config takes that
along wherever it is live: whoever knows what stale predictions cost is who recorded it.
"""

import logging
from collections.abc import Iterable, Mapping
from typing import Final

from trilock.client.errors import InvalidError
from trilock.client.live import LiveBundle
from trilock.client.names import alias_resource, short_alias

KEY: Final = "max_stale_seconds"
"""In a bundle's serving config."""

MaxStale = float | Mapping[str, float | None] | None
"""Seconds for every alias, or for each by its name; None for ever."""

_log: Final = logging.getLogger("trilock.client")


class StaleLimits:
    """The seconds for each alias.

    Args:
        setting: What holds where a bundle says nothing.

    Raises:
        InvalidError: A number of seconds is negative, or a name is no alias.
    """

    def __init__(self, setting: MaxStale) -> None:
        named = setting if isinstance(setting, Mapping) else {}
        self._default = None if isinstance(setting, Mapping) else _seconds(setting)
        self._named = {alias_resource(name): _seconds(value) for name, value in named.items()}
        self._recorded: dict[str, float] = {}
        self.any = self._default is not None or bool(self._named)
        """Whether there may be a limit at all: most resolvers never look further."""

    def of(self, alias: str) -> float | None:
        """Return the seconds for the alias with that full name; None for ever."""
        recorded = self._recorded.get(alias)
        return self._named.get(alias, self._default) if recorded is None else recorded

    def note(self, live: Iterable[LiveBundle]) -> None:
        """Take what the serving configs of *live* say."""
        for one in live:
            value = one.serving_config.get(KEY) if KEY in one.serving_config_json else None
            if value is None:
                self._recorded.pop(one.alias, None)
                continue
            try:
                seconds = _seconds(value)
            except InvalidError as error:
                self._recorded.pop(one.alias, None)
                _log.warning(
                    "%s in the serving config of %s, live on %s, is left out: %s",
                    KEY,
                    one.bundle,
                    short_alias(one.alias),
                    error,
                )
            else:
                assert seconds is not None, "None was left out above"  # noqa: S101 - for the type
                self._recorded[one.alias] = seconds
                self.any = True


def _seconds(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        raise InvalidError(f"{value!r} is not a number of seconds: it must be 0 or more")
    return float(value)
