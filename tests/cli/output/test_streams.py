import io
import re
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.live import live_message
from trilock.cli.output.plain import plain
from trilock.cli.output.streams import clean, write_table
from trilock.cli.output.words import count, span, when
from trilock.v1.bundle_pb2 import Bundle
from trilock.v1.release_pb2 import Readiness, Release, ReleaseState
from trilock.v1.serving_service_pb2 import WatchRequest


def test_messages_become_plain_data_that_scripts_can_read() -> None:
    release = Release(
        name="models/delay/releases/4",
        state=ReleaseState.RELEASE_STATE_SOAKING,
        revision=9_007_199_254_740_993,
    )
    release.start_time.FromDatetime(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    data = plain(release)

    assert data["name"] == "models/delay/releases/4"
    assert data["state"] == "SOAKING"
    assert data["revision"] == 9_007_199_254_740_993
    assert data["start_time"] == "2026-01-02T03:04:05Z"
    assert data["end_time"] is None
    assert data["cause"] is None
    assert data["sinks"] == []


def test_every_kind_of_field() -> None:
    readiness = Readiness(state=Readiness.STATE_NOT_READY, problems=["gone"])
    bundle = Bundle()
    bundle.serving_config.update({"flags": {"limit": 3}, "share": 0.5})
    bundle.report.findings.add(rule="FIT002", waived=True)

    assert plain(readiness) == {"state": "NOT_READY", "problems": ["gone"], "check_time": None}
    assert plain(bundle)["serving_config"] == {"flags": {"limit": 3}, "share": 0.5}
    assert plain(bundle)["report"]["findings"][0]["waived"] is True
    assert plain(WatchRequest(aliases=["a", "b"]))["aliases"] == ["a", "b"]
    assert plain(live_message())["live"]["sink_epoch"] == 1


def test_a_state_of_a_newer_server_is_a_number() -> None:
    release = Release()
    release.state = 99  # type: ignore[assignment]  # no name for it yet

    assert plain(release)["state"] == "99"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("naïve ✔ 東京", "naïve ✔ 東京"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("\x1b[31m", "\\x1b[31m"),
        ("\x9b2J", "\\x9b2J"),
        ("x\u202ey", "x\\u202ey"),
        ("\udcff", "\\udcff"),
    ],
)
def test_control_characters_are_shown_not_sent(*, text: str, shown: str) -> None:
    assert clean(text) == shown


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.4, "59 s"), (90, "2 min"), (7200, "2 h"), (200_000, "2 d"), (1e9, "11574 d")],
)
def test_spans(*, seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_moments_are_told_both_ways() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    assert when(moment, now=moment + timedelta(minutes=3)) == "2026-01-02 03:04:05Z (3 min ago)"
    assert when(moment, now=moment - timedelta(seconds=5)) == "2026-01-02 03:04:05Z (in 5 s)"
    assert when(None) == "-"


def test_counts() -> None:
    assert (count(1, "row"), count(2000, "row")) == ("1 row", "2,000 rows")


def test_only_prose_is_broken_and_what_is_the_same_is_said_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("COLUMNS", "45")
    monkeypatch.setenv("TERM", "xterm")

    write_table(
        ["id", "alias", "when", "reason", "fleet"],
        [
            ("0123456789abcdef", "delay@production", "02:17 Z", "the unit was wrong", "-"),
            ("123456789abcdef0", "delay@production", "02:18 Z", "-", "-"),
        ],
        prose={"reason"},
        once="alias",
    )

    plain_text = re.sub(r"\x1b\[[0-9;]*m", "", terminal.getvalue())
    assert [line.rstrip() for line in plain_text.splitlines()] == [
        "delay@production",
        "id                when     reason",
        "0123456789abcdef  02:17 Z  the unit was wrong",
        "123456789abcdef0  02:18 Z  -",
    ]


class Terminal(io.StringIO):
    """A terminal; COLUMNS says how wide."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (
            60,
            [
                "alias             reason  change",
                "delay@production  -       roll back",
                "fare@production   -       promote",
            ],
        ),
        (
            30,
            [
                "alias             change",
                "delay@production  roll back",
                "fare@production   promote",
            ],
        ),
        (
            22,
            [
                "alias   delay@producti",
                "        on",
                "change  roll back",
                "",
                "alias   fare@productio",
                "        n",
                "change  promote",
            ],
        ),
    ],
)
def test_a_narrow_terminal_gets_what_it_can_show(
    *, width: int, shown: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")

    write_table(
        ["alias", "reason", "change"],
        [("delay@production", "-", "roll back"), ("fare@production", "-", "promote")],
    )

    plain_text = re.sub(r"\x1b\[[0-9;]*m", "", terminal.getvalue())
    assert [line.rstrip() for line in plain_text.splitlines()] == shown
