"""hold, unhold, drift, adopt and reassert, against the real server on planes in memory."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command_line import Trilock
from tests.support.served_world import Served, secret_of, served_world
from tests.support.world import WINDOW
from trilock.server.watching.drift_watcher import DriftWatcher

pytestmark = pytest.mark.slow

FEATURES = (
    f"--features-from={WINDOW.start.isoformat()}",
    f"--features-to={WINDOW.end.isoformat()}",
)


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    with served_world(tmp_path) as running:
        token = tmp_path / "token"
        token.write_text(secret_of("admin"))
        token.chmod(0o600)
        monkeypatch.setenv("TRILOCK_TOKEN_FILE", str(token))
        running.world.release(running.world.record())
        yield running


@pytest.fixture
def trilock(served: Served) -> Trilock:
    return Trilock(served.address)


def look(served: Served) -> None:
    DriftWatcher(served.world.database, served.world, interval=60).look()


@pytest.mark.parametrize(
    "command",
    [
        "history dealy",
        "aliases dealy",
        "bundles dealy",
        "drift dealy",
        "operations list dealy",
        "features list dealy",
        "features materialize dealy",
        "sinks list dealy",
        "sinks purge dealy",
        "waivers list dealy",
        "policy history dealy",
    ],
)
def test_a_misspelt_model_is_no_empty_list(trilock: Trilock, command: str) -> None:
    run = trilock(*command.split())

    assert (run.code, run.out) == (2, "")
    assert run.err == "error: no model 'dealy' in the server's settings; there is: delay\n"


def test_a_bundle_is_held_and_let_go(served: Served, trilock: Trilock) -> None:
    served.world.record(variant="scaled")

    held = trilock("hold", "2", "--reason", "audit", "--until", "2999-01-01")
    refused = trilock("promote", "2", *FEATURES, "--no-wait")
    listed = trilock("bundles", "-o", "json")
    lifted = trilock("unhold", "2", "--reason", "done")
    promoted = trilock("promote", "2", *FEATURES, "--no-wait")

    assert (held.code, held.err) == (0, "models/delay/bundles/2 is on hold: audit\n")
    assert refused.code == 3
    assert "models/delay/bundles/2 is on hold since admin recorded: audit" in refused.err
    assert listed.json[0]["hold"]["expire_time"] == "2999-01-01T00:00:00Z"
    assert (lifted.code, lifted.err) == (0, "models/delay/bundles/2 can be promoted again\n")
    assert promoted.code == 0


def test_an_alias_is_held_and_let_go(served: Served, trilock: Trilock) -> None:
    served.world.record(variant="scaled")

    held = trilock("hold", "delay@production", "--reason", "month end")
    status = trilock("status")
    refused = trilock("promote", "2", *FEATURES, "--no-wait")
    lifted = trilock("unhold", "@production", "--reason", "done")

    assert held.code == 0
    assert "hold       nothing is promoted here: month end (by admin)" in status.out
    assert refused.code == 3
    assert lifted.err == "models/delay/aliases/production can be promoted to again\n"


def test_wrong_arguments_of_a_hold(trilock: Trilock) -> None:
    assert trilock("hold", "2").code == 2
    assert trilock("hold", "99", "--reason", "x").code == 2
    assert trilock("hold", "a/b/c/d", "--reason", "x").code == 2
    assert trilock("hold", "1", "--reason", "x", "--until", "yesterday").code == 2
    past = trilock("hold", "1", "--reason", "x", "--until", "2001-01-01")
    assert (past.code, "must be in the future" in past.err) == (2, True)
    assert trilock("unhold", "1", "--reason", "x").code == 3


def test_drift_is_listed_shown_and_taken_back(served: Served, trilock: Trilock) -> None:
    world = served.world
    world.train(variant="scaled")
    nothing = trilock("drift")
    world.registry.set_alias(model="delay", alias="production", version="2")
    look(served)

    listed = trilock("drift", "delay")
    status = trilock("status")
    told = trilock("reassert", "--reason", "ours")
    again = trilock("drift", "-o", "json")
    world.settle()
    look(served)
    gone = trilock("drift")
    ended = trilock("drift", "--ended")

    assert (nothing.code, nothing.err) == (0, "nothing drifted\n")
    assert "reported only" in listed.out
    assert "alias production of MLflow model delay: wanted 1, found 2, since" in status.out
    assert "points at version 2, not at version 1" in status.out
    assert "alias production of MLflow model delay is made to agree again" in told.err
    assert [drift["reasserted"] for drift in again.json] == [True]
    assert gone.err == "nothing drifted\n"
    assert "gone" in ended.out
    assert trilock("reassert", "--reason", "ours").code == 3


def test_a_foreign_move_is_adopted(served: Served, trilock: Trilock) -> None:
    world = served.world
    refused = trilock("adopt")
    world.record(variant="scaled")
    world.registry.set_alias(model="delay", alias="production", version="2")

    rehearsed = trilock("adopt", *FEATURES, "--dry-run")
    adopted = trilock("adopt", *FEATURES, "--no-wait")
    world.settle()

    assert (refused.code, "as trilock left it" in refused.err) == (3, True)
    assert rehearsed.err == "bundle 2 can be promoted to delay@production\n"
    assert adopted.code == 0
    assert str(world.live().bundle) == "models/delay/bundles/2"
