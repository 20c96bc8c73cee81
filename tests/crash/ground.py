"""Where worlds are made, copied and removed: a folder, and on PostgreSQL a server."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from tests.support.real_world import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """Where the worlds are: a folder, and on PostgreSQL a server."""

    folder: Path
    postgres: str | None
    """URL of a database `postgres`; None for SQLite."""

    @property
    def name(self) -> str:
        """`sqlite` or `postgresql`."""
        return "sqlite" if self.postgres is None else "postgresql"

    def site(self, name: str) -> Site:
        """Return where the world called *name* is."""
        folder = self.folder / name
        if self.postgres is None:
            return Site(
                folder=folder, store_url=f"sqlite:///{folder / 'trilock.db'}", feast_url=None
            )
        urls = [
            self.postgres.replace("/postgres?", f"/{kind}_{name}?") for kind in ("store", "feast")
        ]
        return Site(folder=folder, store_url=urls[0], feast_url=urls[1])

    def create(self, name: str, *, like: str | None = None) -> Site:
        """Make room for a world called *name*: empty, or a copy of the world *like*."""
        site = self.site(name)
        if like is None:
            site.folder.mkdir()
        else:
            # Artifacts are never written again, and MLflow knows them by absolute paths.
            shutil.copytree(
                self.folder / like, site.folder, ignore=shutil.ignore_patterns("artifacts")
            )
        for database, template in zip(_databases(site), self._templates(like), strict=True):
            self._execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                    sql.Identifier(database), sql.Identifier(template)
                )
            )
        return site

    def remove(self, name: str) -> None:
        """Forget the world called *name*."""
        site = self.site(name)
        for database in _databases(site):
            self._execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(database)))
        shutil.rmtree(site.folder)

    def _templates(self, like: str | None) -> tuple[str, ...]:
        if self.postgres is None:
            return ()
        return ("template1", "template1") if like is None else _databases(self.site(like))

    def _execute(self, statement: sql.Composed) -> None:
        assert self.postgres is not None
        with psycopg.connect(self.postgres, autocommit=True) as connection:
            connection.execute(statement)


def _databases(site: Site) -> tuple[str, ...]:
    if site.feast_url is None:
        return ()
    return tuple(str(make_url(url).database) for url in (site.store_url, site.feast_url))
