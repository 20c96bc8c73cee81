"""A real SIGKILL, in a process of its own with files outside: the next process finishes."""

import os
import shutil
import signal
from pathlib import Path

import pytest

from tests.crash.scenarios import OLD, SCENARIOS, Life, Said, ending, make_templates
from tests.support.children import exit_code
from tests.support.crash import NEVER, Bomb
from tests.support.operations import FolderOutside
from trilock.server.store.database import Database

pytestmark = pytest.mark.slow

DIED, LIVED = -signal.SIGKILL, 0


class RealBomb(Bomb):
    """Kills the process."""

    def go_off(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    return make_templates(tmp_path_factory.mktemp("templates"))


@pytest.mark.parametrize("name", ["promote", "refused", "preempted"])
@pytest.mark.parametrize("site", [5, 14, 24, 41])
def test_a_killed_process_is_followed_by_one_that_finishes(
    name: str, site: int, templates: dict[bool, Path], tmp_path: Path
) -> None:
    scenario = SCENARIOS[name]
    shutil.copy(templates[scenario.soaking], tmp_path / "trilock.db")
    outside = FolderOutside(tmp_path)
    for register, value in OLD.items():
        outside.write(register, value)

    assert exit_code(live, tmp_path, name, site) == DIED
    assert exit_code(live, tmp_path, name, NEVER) == LIVED

    said: Said = set()
    database = Database(f"sqlite:///{tmp_path / 'trilock.db'}")
    assert ending(database, outside) in scenario.ends(said)
    database.close()


def live(folder: Path, name: str, site: int) -> None:
    database = Database(f"sqlite:///{folder / 'trilock.db'}")
    Life(database, FolderOutside(folder), SCENARIOS[name], set(), RealBomb(site)).live()
