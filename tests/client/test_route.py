"""Which bundle a request gets while there is a canary."""

import json
from dataclasses import replace

from tests.support.live import live_bundle, live_message, serving_bundle
from trilock.client import LiveBundle
from trilock.client.live import bucket

KEYS = [f"passenger-{number}" for number in range(100_000)]


def canary(percent: int, *, release: int = 2) -> LiveBundle:
    message = live_message()
    if percent:
        message.canary.CopyFrom(serving_bundle(alias=message.alias, bundle=2, release=release))
        message.canary_percent = percent
    return LiveBundle.from_live(message)


def taken(live: LiveBundle) -> set[str]:
    """Return the keys that the canary gets."""
    return {key for key in KEYS if live.route(key) is live.canary}


def test_without_a_canary_everybody_gets_what_is_live() -> None:
    live = canary(0)
    assert live.canary is None
    assert taken(live) == set()
    assert live.route("anybody") is live


def test_the_share_is_met_within_one_percent() -> None:
    for percent in (1, 5, 25, 50, 75, 99):
        assert abs(len(taken(canary(percent))) / len(KEYS) * 100 - percent) < 1


def test_keys_fall_evenly_into_a_hundred_buckets() -> None:
    counts = [0] * 100
    for key in KEYS:
        counts[int(bucket(key, salt="models/delay/releases/2"))] += 1
    # 1,000 expected in each; a fair one is off by less than 160 in five deviations.
    assert max(abs(count - 1000) for count in counts) < 160


def test_a_change_of_weight_moves_only_the_share_it_must() -> None:
    five, ten, four = taken(canary(5)), taken(canary(10)), taken(canary(4))
    assert four < five < ten


def test_a_key_gets_the_same_in_every_process() -> None:
    assert [
        canary(50).route(key).bundle.rpartition("/")[2] for key in ("a", "b", "c", "d", "e")
    ] == [
        "1",
        "2",
        "2",
        "1",
        "2",
    ]
    assert canary(50).route(b"c").bundle == canary(50).route("c").bundle


def test_another_canary_draws_other_keys() -> None:
    first, second = taken(canary(10)), taken(canary(10, release=3))
    assert len(first & second) / len(first) < 0.2


def test_what_is_on_trial_survives_the_disk() -> None:
    live = replace(canary(5), shadow=canary(5).canary)
    assert LiveBundle.from_json(json.loads(json.dumps(live.to_json()))) == live


def test_what_an_older_client_kept_has_nobody_on_trial() -> None:
    kept = live_bundle().to_json()
    for name in ("canary", "canary_percent", "shadow"):
        del kept[name]
    assert LiveBundle.from_json(kept) == live_bundle()
