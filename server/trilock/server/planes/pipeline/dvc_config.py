"""Where DVC keeps objects, read from `.dvc/config` and `.dvc/config.local` without DVC.

Paths in them are relative to the folder `.dvc`. What user and system wide
configuration adds is not read: the server is not that user. Only what lies in
folders of this machine can be looked at; everything else is *elsewhere*.
"""

import configparser
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from trilock.server.domain.errors import PreconditionError

_REMOTE: Final = re.compile(r"""'?\s*remote\s+"(?P<name>[^"]+)"\s*'?""")
_SCHEME: Final = re.compile(r"(?P<scheme>\w+)://(?P<rest>.*)")
_QUOTED: Final = re.compile(r"""(["'])(?P<text>.*?)\1\s*(?:#.*)?""")
_TRUE: Final = {"true", "1", "yes", "on"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """A folder of objects."""

    label: str
    """How messages call it: `the cache`, `remote 'storage'`."""
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """A remote that cannot be looked at from here."""

    label: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where objects can be: the caches first, then the remotes."""

    caches: tuple[Store, ...]
    remotes: tuple[Store, ...]
    elsewhere: tuple[Elsewhere, ...]


def places(texts: Iterable[tuple[str, str]], *, folder: Path | None) -> Places:
    """Return where the repository with these configuration files keeps objects.

    Args:
        texts: Name and text of the files; a later one overrides an earlier one.
        folder: The folder `.dvc`; None in a bare repository, where a relative path means
            nothing and there is no default cache.

    Raises:
        PreconditionError: A file cannot be read; it is named.
    """
    cache: Mapping[str, str] = {}
    remotes: dict[str, dict[str, str]] = {}
    for name, text in texts:
        sections = _sections(name, text)
        cache = {**cache, **sections.get("cache", {})}
        for section, options in sections.items():
            if match := _REMOTE.fullmatch(section):
                remotes.setdefault(match["name"], {}).update(options)
    stores: list[Store] = []
    elsewhere: list[Elsewhere] = []
    for name in sorted(remotes):
        place = _remote(name, remotes, folder=folder)
        if isinstance(place, Store):
            stores.append(place)
        else:
            elsewhere.append(place)
    return Places(
        caches=_cache(cache.get("dir"), folder=folder),
        remotes=tuple(stores),
        elsewhere=tuple(elsewhere),
    )


def _cache(value: str | None, *, folder: Path | None) -> tuple[Store, ...]:
    path = _path(value or "cache", folder=folder)
    return () if path is None else (Store(label="the cache", path=path),)


def _remote(
    name: str, remotes: Mapping[str, Mapping[str, str]], *, folder: Path | None
) -> Store | Elsewhere:
    label = f"remote {name!r}"
    options = remotes[name]
    url = _resolved(options.get("url", ""), remotes)
    scheme = _SCHEME.fullmatch(url)
    if scheme:
        return Elsewhere(label=label, why=f"it is at {scheme['scheme']}://")
    if any(options.get(flag, "").lower() in _TRUE for flag in ("worktree", "version_aware")):
        return Elsewhere(label=label, why="it keeps files by name, not by hash")
    path = _path(url, folder=folder) if url else None
    if path is None:
        why = (
            "its path is relative, and a bare repository has no folder" if url else "it has no URL"
        )
        return Elsewhere(label=label, why=why)
    return Store(label=label, path=path)


def _resolved(url: str, remotes: Mapping[str, Mapping[str, str]]) -> str:
    """Return *url* without `file://`, and with `remote://other/path` put together."""
    for _ in range(len(remotes) + 1):  # a circle of remotes ends too
        match = _SCHEME.fullmatch(url)
        if match is None or match["scheme"] not in ("file", "remote"):
            return url
        if match["scheme"] == "file":
            return match["rest"]
        other, _, rest = match["rest"].partition("/")
        url = f"{remotes.get(other, {}).get('url', 'remote://?')}/{rest}".rstrip("/")
    return url


def _path(text: str, *, folder: Path | None) -> Path | None:
    path = Path(text).expanduser()
    if path.is_absolute():
        return path
    return None if folder is None else (folder / path).resolve()


def _sections(name: str, text: str) -> dict[str, dict[str, str]]:
    parser = configparser.RawConfigParser(
        strict=False, delimiters=("=",), comment_prefixes=("#",), default_section="\0"
    )
    # Indentation means nothing in these files, and a continued line to the parser.
    flat = "\n".join(line.strip() for line in text.splitlines())
    try:
        parser.read_string(flat)
    except configparser.Error as error:
        raise PreconditionError(
            f"{name!r} cannot be read: {str(error).splitlines()[0]}", file=name
        ) from error
    return {
        section: {key: _value(value) for key, value in parser.items(section)}
        for section in parser.sections()
    }


def _value(text: str) -> str:
    if match := _QUOTED.fullmatch(text):
        return match["text"]
    return text.partition("#")[0].rstrip()
