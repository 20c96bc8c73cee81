"""A rollback while no server runs: in the command's own process, on a real database."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command_line import Trilock
from tests.support.values import ALIAS
from tests.support.world import world
from trilock.server.domain.release import LiveRow
from trilock.server.store import migrate
from trilock.server.store.database import Database, FileLock
from trilock.server.store.releases import require_live


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """Bundle 1 was final, bundle 2 soaks; the settings have lost the model since."""
    made = Database(f"sqlite:///{tmp_path}/trilock.db", durable=False)
    migrate.upgrade(made)
    with world(tmp_path) as w:
        w.release(w.record())
        w.promote(w.record(variant="scaled"))
        w.settle()
    (tmp_path / "trilock.toml").write_text(f'[database]\nurl = "sqlite:///{tmp_path}/trilock.db"\n')
    yield made
    made.close()


def live(database: Database) -> LiveRow:
    with database.read() as session:
        return require_live(session, ALIAS)


def test_it_switches_and_says_what_waits_for_a_server(
    database: Database, trilock: Trilock, tmp_path: Path
) -> None:
    run = trilock(
        "rollback",
        "delay",
        "--local",
        f"--config={tmp_path}/trilock.toml",
        "--yes",
        "--reason=bad",
        "--timeout=1",
    )

    # The planes of a model that the settings do not have cannot follow.
    assert run.code == 4, run
    assert re.match(r"roll back delay@production as [\w.+-]+@local\n", run.err)
    assert "switched  every reader of delay@production back to bundle 1, at revision 5" in run.err
    assert "it goes on with the next server: trilock serve\n" in run.err
    after = live(database)
    assert (str(after.bundle), after.cause.reason) == ("models/delay/bundles/1", "bad")
    assert after.cause.principal.endswith("@local")


def test_while_a_server_has_the_file_its_pid_is_named_and_nothing_is_done(
    database: Database, trilock: Trilock, tmp_path: Path
) -> None:
    before = live(database)

    with FileLock(tmp_path / "trilock.db"):
        run = trilock("rollback", "delay", "--local", f"--config={tmp_path}/trilock.toml", "--yes")

    assert (run.code, run.out) == (3, "")
    assert run.err.startswith(
        f"error: {tmp_path}/trilock.db is used by the server with pid {os.getpid()}; stop it first"
    )
    assert live(database) == before


@pytest.mark.usefixtures("database")
def test_a_dry_run_leaves_no_server_behind(trilock: Trilock, tmp_path: Path) -> None:
    config = f"--config={tmp_path}/trilock.toml"

    assert trilock("rollback", "delay", "--local", config, "--dry-run").out.startswith("roll back")
    with FileLock(tmp_path / "trilock.db"):
        pass


def test_it_cannot_be_left_alone(trilock: Trilock) -> None:
    run = trilock("rollback", "--local", "--no-wait", "--yes")

    assert run.code == 2
    assert run.err == ("error: --local does it in this process: it cannot be left with --no-wait\n")


def test_without_settings_it_says_so(trilock: Trilock, tmp_path: Path) -> None:
    run = trilock("rollback", "--local", f"--config={tmp_path}/none.toml", "--yes")

    assert run.code == 2
    assert "none.toml" in run.err
