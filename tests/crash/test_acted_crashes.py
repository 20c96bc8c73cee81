"""A crash at every site, acted in this process: the next life ends where no crash would."""

import shutil
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from tests.crash.scenarios import OLD, SCENARIOS, Life, Said, ending, make_templates
from tests.support.crash import NEVER, Bomb, Crash
from tests.support.operations import MemoryOutside, hasty
from trilock.server.store.database import Database


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    return make_templates(tmp_path_factory.mktemp("templates"))


class Lives:
    """The processes that work on one database, one after the other."""

    def __init__(self, database: Database, name: str) -> None:
        self.database = database
        self.outside = MemoryOutside()
        self.outside.values = dict(OLD)
        self.said: Said = set()
        self._scenario = SCENARIOS[name]

    def live(self, site: int) -> list[str]:
        """Live, and die at *site*, unless it is NEVER; return the sites that were seen."""
        bomb = Bomb(site)
        self.database._after_write.clear()
        with suppress(Crash):
            Life(self.database, self.outside, self._scenario, self.said, bomb).live()
        # Like the kernel, when a process dies: what was not committed is rolled back.
        self.database.close()
        return bomb.seen


@pytest.mark.parametrize("name", SCENARIOS)
def test_after_a_crash_anywhere_the_next_life_ends_where_no_crash_would(
    name: str, templates: dict[bool, Path], tmp_path: Path
) -> None:
    scenario = SCENARIOS[name]
    # One engine for all lives: what SQL it has compiled is no state, and takes time.
    database = hasty(Database(f"sqlite:///{tmp_path / 'trilock.db'}"))

    def lives() -> Lives:
        for file in tmp_path.iterdir():
            file.unlink()
        shutil.copy(templates[scenario.soaking], tmp_path / "trilock.db")
        return Lives(database, name)

    sites = lives().live(NEVER)
    for site in range(sites.index(scenario.since) + 1, len(sites) + 1):
        lived = lives()
        seen = lived.live(site)
        where = f"site {site} of {len(sites)}: {sites[site - 1]}"
        assert seen == sites[:site], where

        lived.live(NEVER)

        assert ending(database, lived.outside) in scenario.ends(lived.said), where
        # What is in doubt is looked at, not repeated.
        twice = [write for write, n in Counter(lived.outside.writes).items() if n > 1]
        assert twice == [], where
