"""A real git repository with real DVC state, made once per test run and copied per test.

The layout of a copy:

    repo/       the working tree; branch `main` holds `first`, branch `candidate` the rest
    store/      a DVC remote, `../store` in the configuration

    first       everything made, cached and pushed
    same_data   another commit with the same data
    other_data  one output is different
    unmade      dvc.yaml names an output that no lock has

DVC runs in child processes only: it changes the process it is imported into.
"""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

_SECONDS: Final = 120
_AUTHOR: Final = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
_PIPELINE: Final = """\
stages:
  train:
    cmd: printf 'weights' > model.bin && printf '{}' > metrics.json
    outs:
    - model.bin
    metrics:
    - metrics.json:
        cache: false
  features:
    wdir: prep
    cmd: mkdir -p parts && printf a > parts/a.csv && printf b > parts/b.csv && printf c > ../top.csv
    outs:
    - parts
    - ../top.csv
  split:
    foreach: [june, july]
    do:
      cmd: printf ${item} > ${item}.csv && printf 1 > ${item}.count
      outs:
      - ${item}.csv
      - ${item}.count: {cache: false}
"""
_MORE: Final = """\
  report:
    cmd: printf report > report.html
    outs:
    - report.html
"""
# What DVC itself says the outputs of a commit are.
_ORACLE: Final = """\
import json, sys
from dvc.repo import Repo
root, *revisions = sys.argv[1:]
found = {}
for revision in revisions:
    with Repo.open(root, rev=revision) as repo:
        found[revision] = sorted(
            [repo.fs.relpath(out.fs_path, repo.root_dir), out.hash_info.value, out.use_cache]
            for out in repo.index.outs
        )
json.dump(found, open("oracle.json", "w"))
"""


def git(repository: Path, *arguments: str) -> str:
    """Run git in *repository* and return what it says."""
    result = subprocess.run(
        ["git", *_AUTHOR, *arguments],  # noqa: S607 - the git of this machine
        cwd=repository,
        env=_environment(repository),
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=True,
    )
    return result.stdout.strip()


def dvc(repository: Path, *arguments: str) -> None:
    """Run DVC in *repository*."""
    _python(repository, "-m", "dvc", *arguments)


@dataclass(frozen=True, slots=True, kw_only=True)
class DvcRepository:
    """One copy; the commits are the same in all of them."""

    root: Path
    first: str
    same_data: str
    other_data: str
    unmade: str
    oracle: dict[str, list[tuple[str, str | None, bool]]]
    """Path, hash and whether it is cached, by commit: DVC's own words."""

    @property
    def work(self) -> Path:
        """The working tree."""
        return self.root / "repo"

    @property
    def cache(self) -> Path:
        """DVC's cache."""
        return self.work / ".dvc" / "cache"

    @property
    def store(self) -> Path:
        """The DVC remote."""
        return self.root / "store"

    def copies(self, digest: str) -> list[Path]:
        """Return where an object is: in the cache, in the remote."""
        name = Path("files", "md5", digest[:2], digest[2:])
        return [path for path in (self.cache / name, self.store / name) if path.exists()]


def write(path: Path, content: bytes | None) -> None:
    """Replace a read-only file of a cache, or remove it."""
    path.unlink()
    if content is not None:
        path.write_bytes(content)


def _environment(repository: Path) -> dict[str, str]:
    """Return one in which nothing of this machine's user is read or written."""
    home = repository.parent
    clean = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    return clean | {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_CACHE_HOME": str(home / "cache"),
        "XDG_RUNTIME_DIR": str(home),
        "DVC_SITE_CACHE_DIR": str(home / "site"),
        "DVC_GLOBAL_CONFIG_DIR": str(home / "config"),
        "DVC_SYSTEM_CONFIG_DIR": str(home / "config"),
        "DVC_NO_ANALYTICS": "1",
        "GIT_CONFIG_NOSYSTEM": "1",
    }


def _python(repository: Path, *arguments: str) -> None:
    result = subprocess.run(
        [sys.executable, "-P", *arguments],
        cwd=repository,
        env=_environment(repository),
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def _commit(repository: Path, message: str) -> str:
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--allow-empty", "--message", message)
    return git(repository, "rev-parse", "HEAD")


@pytest.fixture(scope="session")
def dvc_template(tmp_path_factory: pytest.TempPathFactory) -> DvcRepository:
    """The repository that the copies are made of; not to be changed."""
    root = tmp_path_factory.mktemp("dvc")
    work = root / "repo"
    work.mkdir()
    git(work, "init", "--quiet", "--initial-branch", "main")
    dvc(work, "init", "--quiet")
    (work / ".dvc" / "config").write_text(
        "[core]\n    remote = storage\n['remote \"storage\"']\n    url = ../../store\n"
    )
    (work / "prep").mkdir()
    (work / "dvc.yaml").write_text(_PIPELINE)
    (work / "flights.csv").write_text("flight,delay\n1,2\n")
    dvc(work, "add", "--quiet", "flights.csv")
    dvc(work, "repro", "--quiet")
    dvc(work, "push", "--quiet")
    first = _commit(work, "Make everything")

    git(work, "checkout", "--quiet", "-b", "candidate")
    (work / "README.md").write_text("hello\n")
    same_data = _commit(work, "Say hello")

    changed = _PIPELINE.replace("'weights'", "'heavier'")
    (work / "dvc.yaml").write_text(changed)
    dvc(work, "repro", "--quiet", "train")
    dvc(work, "push", "--quiet")
    other_data = _commit(work, "Train again")

    (work / "dvc.yaml").write_text(changed + _MORE)
    unmade = _commit(work, "Want a report")
    git(work, "checkout", "--quiet", "main")

    _python(work, "-c", _ORACLE, str(work), first, same_data, other_data, unmade)
    oracle: dict[str, Any] = json.loads((work / "oracle.json").read_text())
    (work / "oracle.json").unlink()
    return DvcRepository(
        root=root,
        first=first,
        same_data=same_data,
        other_data=other_data,
        unmade=unmade,
        oracle={key: [tuple(row) for row in rows] for key, rows in oracle.items()},
    )


@pytest.fixture
def dvc_repository(dvc_template: DvcRepository, tmp_path: Path) -> DvcRepository:
    """A copy to break."""
    for name in ("repo", "store"):
        shutil.copytree(dvc_template.root / name, tmp_path / name, symlinks=True)
    return DvcRepository(
        root=tmp_path,
        first=dvc_template.first,
        same_data=dvc_template.same_data,
        other_data=dvc_template.other_data,
        unmade=dvc_template.unmade,
        oracle=dvc_template.oracle,
    )
