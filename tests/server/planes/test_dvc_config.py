"""Where DVC's configuration says that objects are."""

from pathlib import Path

import pytest

from trilock.server.domain.errors import PreconditionError
from trilock.server.planes.pipeline.dvc_config import Elsewhere, Places, Store, places

FOLDER = Path("/srv/repo/.dvc")


def read(*texts: str, folder: Path | None = FOLDER) -> Places:
    return places([(f"config-{number}", text) for number, text in enumerate(texts)], folder=folder)


def remote(url: str, *more: str) -> str:
    return "\n".join(["['remote \"r\"']", f"    url = {url}", *more])


def test_the_cache_is_beside_the_configuration() -> None:
    assert read() == Places(
        caches=(Store(label="the cache", path=Path("/srv/repo/.dvc/cache")),),
        remotes=(),
        elsewhere=(),
    )


def test_a_cache_is_where_it_was_put() -> None:
    (cache,) = read("[cache]\n    dir = ../../cache").caches

    assert cache.path == Path("/srv/cache")


def test_a_cache_stays_where_it_was_put_when_another_option_is_set() -> None:
    (cache,) = read("[cache]\n    dir = /mnt/cache", "[cache]\n    type = symlink").caches

    assert cache.path == Path("/mnt/cache")


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("../../store", "/srv/store"),
        ("/mnt/store", "/mnt/store"),
        ("file:///mnt/store", "/mnt/store"),
        ('"/mnt/my, store"', "/mnt/my, store"),
        ("'/mnt/a#b'  # comment", "/mnt/a#b"),
        ("/mnt/store  # comment", "/mnt/store"),
    ],
)
def test_a_remote_in_a_folder(url: str, path: str) -> None:
    assert read(remote(url)).remotes == (Store(label="remote 'r'", path=Path(path)),)


def test_a_remote_in_a_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")

    assert read(remote("~/store")).remotes[0].path == Path("/home/ada/store")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (remote("s3://bucket/key"), "it is at s3://"),
        (remote("ssh://user:secret@host/path"), "it is at ssh://"),
        (remote("/mnt/store", "    version_aware = true"), "it keeps files by name, not by hash"),
        ("['remote \"r\"']\n    jobs = 4", "it has no URL"),
        (remote("remote://r/again"), "it is at remote://"),
        (remote("remote://gone/x"), "it is at remote://"),
    ],
)
def test_a_remote_that_cannot_be_looked_at(text: str, why: str) -> None:
    assert read(text).elsewhere == (Elsewhere(label="remote 'r'", why=why),)


def test_a_remote_in_another_remote() -> None:
    base = "['remote \"base\"']\n    url = /mnt/base\n"

    found = {store.label: store.path for store in read(base, remote("remote://base/sub")).remotes}

    assert found == {"remote 'base'": Path("/mnt/base"), "remote 'r'": Path("/mnt/base/sub")}


def test_a_later_file_overrides_option_by_option() -> None:
    (found,) = read(remote("/mnt/one", "    jobs = 4"), remote("/mnt/two")).remotes

    assert found.path == Path("/mnt/two")


def test_a_bare_repository_has_no_relative_paths() -> None:
    found = read(remote("../store"), folder=None)

    assert found.caches == ()
    assert found.elsewhere[0].why == "its path is relative, and a bare repository has no folder"


def test_what_cannot_be_read_is_named() -> None:
    with pytest.raises(PreconditionError, match=r"^'config-1' cannot be read"):
        read("", "nonsense")
