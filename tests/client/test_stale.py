"""For how long each alias may be served unconfirmed, and what has the last word."""

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.live import ALIAS, live_message
from trilock.client._resolver.memory import Freshness, Memory
from trilock.client._resolver.stale import MaxStale
from trilock.client._resolver.watch import Message
from trilock.client.errors import InvalidError, StaleError
from trilock.client.live import LiveBundle

CANARY = "models/delay/aliases/canary"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def memory(
    max_stale: MaxStale, *, clock: Clock, cache_dir: Path | None = None, config: Any = None
) -> Memory:
    """Return a memory of two aliases, of which production was recorded with *config*."""
    resolver = Memory(
        ["delay", "delay@canary"],
        cache_dir=cache_dir,
        max_stale=max_stale,
        on_change=None,
        clock=clock,
    )
    resolver._take(snapshot(config=config))
    resolver._lose("no server answers")
    return resolver


def snapshot(*, config: Any = None, revision: int = 9) -> Message:
    production = live_message(revision=revision)
    if config is not None:
        production.live.serving_config.update({"max_stale_seconds": config})
    told = (production, live_message(alias=CANARY, revision=revision))
    return Message(
        position=(1, revision),
        snapshot=True,
        live_bundles=tuple(LiveBundle.from_live(one) for one in told),
    )


def served(resolver: Memory, *, clock: Clock, after: float) -> list[str]:
    """Return which aliases are served *after* seconds of silence."""
    clock.now += after
    found = []
    for alias in ("delay", "delay@canary"):
        try:
            found.append(resolver.current(alias).alias)
        except StaleError:
            assert resolver.health(alias).state is Freshness.ERROR
        else:
            assert resolver.health(alias).state is Freshness.STALE
    return found


def test_one_number_holds_for_all() -> None:
    clock = Clock()
    assert served(memory(10, clock=clock), clock=clock, after=10) == [ALIAS, CANARY]
    assert served(memory(10, clock=clock), clock=clock, after=11) == []


def test_each_alias_may_have_its_own() -> None:
    clock = Clock()
    resolver = memory({"delay": 10, CANARY: None}, clock=clock)

    assert served(resolver, clock=clock, after=11) == [CANARY]


@pytest.mark.parametrize("setting", [None, 1.0, 1000])
def test_what_the_bundle_was_recorded_with_has_the_last_word(setting: float | None) -> None:
    clock = Clock()
    resolver = memory(setting, clock=clock, config=100)

    assert ALIAS in served(resolver, clock=clock, after=100)
    assert ALIAS not in served(resolver, clock=clock, after=1)


def test_it_is_the_word_of_the_bundle_that_is_live_now() -> None:
    clock = Clock()
    resolver = memory(None, clock=clock, config=5)
    resolver._take(snapshot(revision=10))
    resolver._lose("no server answers")

    assert served(resolver, clock=clock, after=1e6) == [ALIAS, CANARY]


@pytest.mark.parametrize("config", [-1, "an hour", True, [1], {"s": 1}])
def test_a_recorded_value_that_makes_no_sense_is_left_out_with_one_line(
    config: Any, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    resolver = memory(10, clock=clock, config=config)

    assert served(resolver, clock=clock, after=11) == []
    assert "max_stale_seconds in the serving config of models/delay/bundles/1" in caplog.text
    assert len(caplog.messages) == 2  # and that the server is lost


@pytest.mark.parametrize("setting", [-1, float("nan"), {"delay": -1}, {"a/b": 1}])
def test_a_setting_that_makes_no_sense_is_refused(setting: MaxStale) -> None:
    with pytest.raises(InvalidError):
        memory(setting, clock=Clock())


def test_it_holds_for_a_process_that_starts_without_a_server(tmp_path: Path) -> None:
    clock = Clock()
    memory(None, clock=clock, cache_dir=tmp_path, config=100)
    for file in tmp_path.iterdir():
        hour_ago = time.time() - 3600
        os.utime(file, (hour_ago, hour_ago))
    later = Memory(
        ["delay", "delay@canary"], cache_dir=tmp_path, max_stale=None, on_change=None, clock=clock
    )

    assert served(later, clock=clock, after=0) == [CANARY]


def test_a_clock_that_went_back_makes_no_old_bundle_young(tmp_path: Path) -> None:
    clock = Clock()
    memory(None, clock=clock, cache_dir=tmp_path, config=100)
    for file in tmp_path.iterdir():
        ahead = time.time() + 3600
        os.utime(file, (ahead, ahead))
    later = Memory(
        ["delay", "delay@canary"], cache_dir=tmp_path, max_stale=None, on_change=None, clock=clock
    )

    # Nobody can tell how old it is: what has a limit is not served, what has none is.
    assert served(later, clock=clock, after=0) == [CANARY]
    assert later.health("delay@canary").age is None


def test_what_a_newer_client_left_on_disk_is_ignored(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from trilock.client._resolver.cache import digest_of  # noqa: PLC0415 - for this one

    memory(None, clock=Clock(), cache_dir=tmp_path)
    path = tmp_path / "models.delay.aliases.production.trilock.json"
    envelope = json.loads(path.read_text())
    envelope["live"]["invented_later"] = 1
    path.write_text(json.dumps({**envelope, "sha256": digest_of(envelope["live"])}))
    later = Memory(["delay"], cache_dir=tmp_path, max_stale=None, on_change=None)

    assert later.known() is None
    assert "invented_later" in caplog.messages[-1]
