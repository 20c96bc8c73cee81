"""A text that is another one after any change of a project: exact for bytes, and cheap.

Feast's own stamp has a resolution of one second, so that two changes within one
look alike (research/feast.md, section 3.5). PostgreSQL hashes where the bytes are.
"""

import hashlib
from typing import Final

from sqlalchemy import ColumnElement, func, literal, literal_column, select, union_all
from sqlalchemy.dialects.postgresql import aggregate_order_by

from trilock.server.planes.feast.registry import RegistrySession
from trilock.server.planes.feast.registry_tables import OBJECTS
from trilock.server.planes.feast.sql_registry import SqlSession

_COMMA: Final[ColumnElement[str]] = literal_column("','")


def token(session: RegistrySession, project: str) -> str:
    """Return the token of *project*."""
    if isinstance(session, SqlSession) and session.database.is_postgres:
        return _on_postgres(session, project)
    digest = hashlib.sha256()
    for (kind, name), proto in sorted(session.read(project).items()):
        digest.update(f"{kind}\n{name}\n{len(proto)}\n".encode())
        digest.update(proto)
    return digest.hexdigest()


def _on_postgres(session: SqlSession, project: str) -> str:
    parts = [
        select(
            literal(at).label("at"),
            func.string_agg(
                table.name + func.md5(table.proto), aggregate_order_by(_COMMA, table.name)
            ).label("objects"),
        ).where(table.project == project)
        for at, table in enumerate(OBJECTS.values())
    ]
    every = union_all(*parts).subquery()
    objects = func.string_agg(every.c.objects, aggregate_order_by(_COMMA, every.c.at))
    query = select(func.md5(objects))
    return str(session.connection.execute(query).scalar() or "")
