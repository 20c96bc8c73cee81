"""What a resolver hands out when: no thread, no server, a clock of the test's own."""

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.live import ALIAS, live_bundle
from trilock.client._resolver.memory import Freshness, Memory
from trilock.client._resolver.watch import Message
from trilock.client.errors import (
    DeadlineError,
    InvalidError,
    RevisionCompactedError,
    StaleError,
    UnresolvedError,
)
from trilock.client.live import LiveBundle

CANARY = "models/delay/aliases/canary"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def memory(
    *aliases: str,
    cache_dir: Path | None = None,
    max_stale: float | None = None,
    on_change: Callable[[LiveBundle], None] | None = None,
    clock: Clock | None = None,
) -> Memory:
    return Memory(
        aliases or ["delay"],
        cache_dir=cache_dir,
        max_stale=max_stale,
        on_change=on_change,
        clock=clock or Clock(),
    )


def snapshot(*live: LiveBundle, revision: int = 9, generation: int = 1) -> Message:
    return Message(position=(generation, revision), snapshot=True, live_bundles=live)


@pytest.mark.parametrize("spelling", ["delay", "delay@production", ALIAS, None])
def test_an_alias_may_be_spelled_short(spelling: str | None) -> None:
    resolver = memory("delay")
    resolver._take(snapshot(live_bundle()))

    assert resolver.current(spelling) == live_bundle()
    assert resolver.current(spelling) == live_bundle()


def test_a_change_is_seen_by_the_next_reader_however_it_spells() -> None:
    resolver = memory("delay")
    resolver._take(snapshot(live_bundle(bundle=1, revision=9)))
    resolver.current("delay")
    resolver._take(
        Message(
            position=(1, 10), snapshot=False, live_bundles=(live_bundle(bundle=2, revision=10),)
        )
    )

    assert resolver.current("delay").bundle == "models/delay/bundles/2"
    assert resolver.current("delay@production").bundle == "models/delay/bundles/2"


@pytest.mark.parametrize("asked", ["other", "delay@canary", "", "a/b", "delay@", None])
def test_an_alias_that_is_not_followed_is_refused(asked: str | None) -> None:
    resolver = memory("delay", "other@canary")

    with pytest.raises(InvalidError):
        resolver.current(asked)


def test_before_the_first_word_nothing_is_known_and_it_says_why() -> None:
    resolver = memory()
    resolver._lose("no server answers")

    with pytest.raises(UnresolvedError) as caught:
        resolver.current("delay")

    assert str(caught.value) == "nothing is known of delay@production: no server answers"
    health = resolver.health("delay")
    assert (health.state, health.age) == (Freshness.ERROR, None)


def test_an_alias_without_a_release_is_told_from_a_silent_server() -> None:
    resolver = memory()
    resolver._take(snapshot())

    assert resolver.health().problem == "nothing was ever released on delay@production"


def test_ready_then_stale_then_too_old() -> None:
    clock = Clock()
    resolver = memory(max_stale=100, clock=clock)
    resolver._take(snapshot(live_bundle()))
    ready = resolver.health()

    resolver._lose("no server answers")
    clock.now += 100
    stale = resolver.health()
    still = resolver.current()
    clock.now += 1
    too_old = resolver.health()

    assert (ready.state, ready.age, ready.problem) == (Freshness.READY, 0, "")
    assert (stale.state, stale.age, stale.problem) == (Freshness.STALE, 100, "no server answers")
    assert still == live_bundle()
    assert too_old.state is Freshness.ERROR
    with pytest.raises(StaleError, match="not confirmed for more than 100 s: no server answers"):
        resolver.current()


def test_without_max_stale_serving_goes_on_for_ever() -> None:
    clock = Clock()
    resolver = memory(clock=clock)
    resolver._take(snapshot(live_bundle()))
    resolver._lose("no server answers")
    clock.now += 1e9

    assert resolver.current() == live_bundle()
    assert resolver.health().state is Freshness.STALE


def test_a_connected_server_may_be_silent_for_longer_than_max_stale() -> None:
    clock = Clock()
    resolver = memory(max_stale=5, clock=clock)
    resolver._take(snapshot(live_bundle()))
    clock.now += 59

    assert resolver.current() == live_bundle()
    assert resolver.health().state is Freshness.READY


def test_a_server_that_says_nothing_at_all_is_not_trusted() -> None:
    clock = Clock()
    resolver = memory(clock=clock)
    resolver._take(snapshot(live_bundle()))
    clock.now += 61

    health = resolver.health()

    assert (health.state, health.problem) == (Freshness.STALE, "the server said nothing for 60 s")


def test_an_alias_that_the_server_lost_is_served_on_and_ages() -> None:
    clock = Clock()
    resolver = memory(clock=clock)
    resolver._take(snapshot(live_bundle()))
    clock.now += 10
    resolver._take(snapshot(revision=1, generation=2))
    clock.now += 5

    health = resolver.health()

    assert resolver.current() == live_bundle()
    assert (health.state, health.age) == (Freshness.STALE, 15)
    assert health.problem == "the server does not know the alias any more"


def test_every_change_is_told_and_a_callback_that_fails_stops_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told: list[int] = []

    def broken(live: LiveBundle) -> None:
        raise KeyError(live.revision)

    resolver = memory(on_change=broken)
    remove = resolver.on_change(lambda live: told.append(live.revision))
    resolver._take(snapshot(live_bundle(revision=3)))
    resolver._take(snapshot(live_bundle(revision=3)))
    remove()
    resolver._take(snapshot(live_bundle(revision=8)))

    assert told == [3]
    assert [record.getMessage() for record in caplog.records] == [
        f"a callback failed on {ALIAS}",
        f"a callback failed on {ALIAS}",
    ]


def test_losing_the_server_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    resolver = memory()
    for _ in range(3):
        resolver._lose("no server answers")

    assert [record.getMessage() for record in caplog.records] == [
        "live bundles are stale: no server answers"
    ]


def test_a_stream_that_is_renewed_or_starts_over_is_not_lost() -> None:
    resolver = memory()
    resolver._take(snapshot(live_bundle()))
    renewed = resolver._pause_after(DeadlineError("its time was over"))
    started_over = resolver._pause_after(RevisionCompactedError("compacted"))

    assert 0 < renewed <= 0.1
    assert 0 < started_over <= 0.2
    assert resolver.health().state is Freshness.READY


def test_a_server_that_answers_compacted_to_everything_is_lost() -> None:
    resolver = memory()
    resolver._pause_after(RevisionCompactedError("compacted"))

    assert resolver.health().problem == "compacted"


class TestOnDisk:
    def test_a_process_starts_with_what_an_earlier_one_knew(self, tmp_path: Path) -> None:
        memory("delay", cache_dir=tmp_path)._take(snapshot(live_bundle(bundle=3)))

        later = memory("delay", cache_dir=tmp_path)

        assert later.current("delay") == live_bundle(bundle=3)
        assert later.health("delay").state is Freshness.STALE
        assert not later._ready

    def test_only_what_is_followed_is_read(self, tmp_path: Path) -> None:
        both = snapshot(live_bundle(), live_bundle(alias=CANARY))
        memory("delay", "delay@canary", cache_dir=tmp_path)._take(both)

        assert set(memory("delay", cache_dir=tmp_path).snapshot()) == {ALIAS}

    def test_its_age_counts_from_when_it_was_confirmed(self, tmp_path: Path) -> None:
        memory("delay", cache_dir=tmp_path)._take(snapshot(live_bundle()))
        (file,) = tmp_path.iterdir()
        hour_ago = file.stat().st_mtime - 3600
        os.utime(file, (hour_ago, hour_ago))

        age = memory("delay", cache_dir=tmp_path).health().age
        later = memory("delay", cache_dir=tmp_path, max_stale=3000)

        assert age is not None
        assert 3599 < age < 3700
        with pytest.raises(StaleError):
            later.current()

    def test_hearing_the_server_confirms_it_on_disk(self, tmp_path: Path) -> None:
        clock = Clock()
        resolver = memory("delay", cache_dir=tmp_path, clock=clock)
        resolver._take(snapshot(live_bundle()))
        (file,) = tmp_path.iterdir()
        os.utime(file, (1, 1))
        clock.now += 31
        resolver._take(Message(position=(1, 10), snapshot=False, live_bundles=()))

        assert file.stat().st_mtime > 1

    @pytest.mark.parametrize(
        "damage",
        [
            pytest.param(lambda text: text[: len(text) // 2], id="cut"),
            pytest.param(lambda text: text.replace("bundles/1", "bundles/2"), id="altered"),
            pytest.param(lambda text: "", id="empty"),
            pytest.param(lambda text: "[]", id="another form"),
            pytest.param(lambda text: json.dumps({**json.loads(text), "format": 2}), id="newer"),
        ],
    )
    def test_a_damaged_file_is_ignored_with_one_line(
        self, damage: Callable[[str], str], tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        memory("delay", cache_dir=tmp_path)._take(snapshot(live_bundle()))
        (file,) = tmp_path.iterdir()
        file.write_text(damage(file.read_text()))

        later = memory("delay", cache_dir=tmp_path)

        assert later.snapshot() == {}
        assert len(caplog.records) == 1
        assert str(file) in caplog.text
        later._take(snapshot(live_bundle()))
        assert memory("delay", cache_dir=tmp_path).snapshot() == {ALIAS: live_bundle()}

    def test_a_disk_that_cannot_be_written_is_logged_once_and_stops_nothing(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        blocked = tmp_path / "file"
        blocked.write_text("not a folder")
        resolver = memory("delay", cache_dir=blocked)
        resolver._take(snapshot(live_bundle(revision=1), revision=1))
        resolver._take(snapshot(live_bundle(revision=2), revision=2))

        assert resolver.current().revision == 2
        assert len(caplog.records) == 1

    def test_nothing_else_is_left_behind(self, tmp_path: Path) -> None:
        memory("delay", cache_dir=tmp_path)._take(snapshot(live_bundle()))

        (file,) = tmp_path.iterdir()
        assert file.name == "models.delay.aliases.production.trilock.json"
        assert stat.S_ISREG(file.stat().st_mode)
