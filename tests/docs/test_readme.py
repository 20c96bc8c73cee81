"""Every command of the README is run, and its code; it links to nothing that is not there."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.support.command_line import Trilock
from tests.support.feast_objects import feast_objects
from tests.support.served_world import Served, secret_of, served_world
from tests.support.values import NOON
from tests.support.world import INPUTS, OUTPUTS, World

pytestmark = pytest.mark.slow

ROOT: Final = Path(__file__).resolve().parents[2]
README: Final = (ROOT / "README.md").read_text()
LOCAL: Final = ("trilock init", "trilock doctor", "trilock serve")
"""Commands that need no server."""


def commands() -> list[str]:
    """Return every `$ ...` line of the README, without its comment."""
    lines = re.findall(r"^\$ (.*)$", README, flags=re.MULTILINE)
    return [line.split("#")[0].strip() for line in lines]


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make the current folder a git repository with one commit; return the commit's id."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    monkeypatch.chdir(folder)
    identity = ("-c", "user.name=Ann", "-c", "user.email=ann@example.com")
    for arguments in (("init", "-q"), (*identity, "commit", "-q", "--allow-empty", "-m", "first")):
        subprocess.run(["git", *arguments], check=True)  # noqa: S607 - the git that is there
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"],  # noqa: S607 - the git that is there
        check=True,
        capture_output=True,
        text=True,
    )
    return head.stdout.strip()


@pytest.fixture
def server(tmp_path: Path, repository: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    with served_world(tmp_path) as running:
        prepare(running.world, repository)
        token = tmp_path / "token"
        token.write_text(secret_of("admin"))
        token.chmod(0o600)
        monkeypatch.setenv("TRILOCK_SERVER", running.address)
        monkeypatch.setenv("TRILOCK_TOKEN_FILE", str(token))
        yield running


def prepare(world: World, revision: str) -> None:
    """Bring the world to the day before the README: one release, and a model just trained."""
    world.register()
    world.release(world.record())
    world.pipeline.commit({}, revision=revision)
    world.features.commit(revision, folder="feature_repo", objects=feast_objects("celsius"))
    world.registry.register("delay", inputs=INPUTS, outputs=OUTPUTS)


def test_the_release_and_on_call_sections_work_as_written(server: Served, tmp_path: Path) -> None:
    trilock = Trilock(server.address)
    written = [command for command in commands() if not command.startswith(LOCAL)]
    assert [command.split()[1] for command in written] == [
        "record", "check", "plan", "promote", "finalize", "status", "rollback", "history",
    ]  # fmt: skip
    window = [
        "--features-from",
        "2013-05-31T00:00:00Z",
        "--features-to",
        f"{NOON:%Y-%m-%dT23:00:00Z}",
    ]
    for command in written:
        program, *arguments = command.split()
        assert program == "trilock"
        if arguments[0] in {"promote", "rollback", "finalize"}:
            # Nothing runs by itself in this world; and nobody is there to be asked.
            extra = {"promote": window, "rollback": ["--yes"], "finalize": []}[arguments[0]]
            run = trilock(*arguments, *extra, "--no-wait")
            server.world.settle()
        else:
            run = trilock(*arguments)
        assert run.code == 0, f"{command}: {run.out}{run.err}"
    assert str(server.world.live().bundle) == "models/delay/bundles/1"


def test_the_first_steps_work_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert [command for command in commands() if command.startswith(LOCAL)] == list(LOCAL)
    trilock = Trilock("127.0.0.1:1")

    assert trilock("init").code == 0
    assert (tmp_path / "trilock.toml").is_file()
    assert trilock("doctor").code == 0
    # `trilock serve` is run, and stopped, in tests/cli/test_process.py.


def test_the_serving_code_runs_as_written(server: Served, tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    names = {
        "url": f"sqlite:///{server.world.warehouse}",
        "rows": [{"flight": "UA1", "delay": 3.0}],
    }

    exec(code.replace("/var/cache/delay", str(tmp_path / "cache")), names)  # noqa: S102 - it is ours

    assert names["model_uri"] == "models:/delay/1"
    project, service = names["features"]
    assert (re.sub(r"_[0-9a-f]{6}$", "", str(project)), service) == ("delay__s1", "delay")
    assert server.world.table() == {"UA1": 3.0}


def test_every_link_leads_somewhere() -> None:
    links = re.findall(r"\]\((?!http)([^)#]+)", README)

    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
