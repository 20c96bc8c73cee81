"""The user's repository: made from the template in `repo`, changed by patches as by reviews."""

import shutil
from pathlib import Path
from string import Template
from typing import Final

from examples.flights.commands import dvc, git
from examples.flights.world import FEATURE_FOLDER, World

_HERE: Final = Path(__file__).resolve().parent
_NOT_THE_USERS: Final = shutil.ignore_patterns("__pycache__", ".*_cache", "cache", "tmp")


def create(world: World) -> None:
    """Make the world's folders and an empty git repository with the template in it.

    Raises:
        FileExistsError: There is a world already.
        CommandError: git failed.
    """
    shutil.copytree(_HERE / "repo", world.repository, ignore=_NOT_THE_USERS)
    world.state.mkdir(parents=True)
    store = world.repository / FEATURE_FOLDER / "feature_store.yaml"
    # Feast resolves a relative SQLite registry against the current directory of whoever asks.
    filled = Template(store.read_text(encoding="utf-8")).substitute(FLIGHTS_STATE=world.state)
    store.write_text(filled, encoding="utf-8")
    git(world, "init", "--quiet", "--initial-branch=main", "--template=")


def reproduce(world: World) -> None:
    """Run the pipeline: features, then training. Stages that are up to date are left alone.

    Raises:
        CommandError: A stage failed.
    """
    dvc(world, "repro", "--quiet")


def apply(world: World, patch: str) -> None:
    """Apply a change of the template, for example `v2`, to the working tree.

    Raises:
        CommandError: It does not apply.
    """
    git(world, "apply", "--whitespace=nowarn", str(_HERE / f"{patch}.patch"))


def commit(world: World, *, message: str) -> str:
    """Commit everything and return the full commit id.

    Raises:
        CommandError: git failed, or there is nothing to commit.
    """
    git(world, "add", "--all")
    git(world, "commit", "--quiet", f"--message={message}")
    return git(world, "rev-parse", "HEAD").decode().strip()


def propose(world: World, patch: str, *, message: str) -> str:
    """Commit a change on a branch of its own and return the commit id.

    The working tree is as before.

    Raises:
        CommandError: It does not apply.
    """
    git(world, "switch", "--quiet", "--create", patch)
    try:
        apply(world, patch)
        return commit(world, message=message)
    finally:
        git(world, "switch", "--quiet", "main")
