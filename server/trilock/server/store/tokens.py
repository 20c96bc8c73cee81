"""Tokens of principals, stored by the digest of their secret."""

from sqlmodel import Session, col, select

from trilock.server.domain.access import Role, Token
from trilock.server.store.clock import now_ms, to_datetime
from trilock.server.store.tables import TokenRow


def get_token(session: Session, principal: str) -> Token | None:
    """Return the token of *principal*, or None."""
    row = session.get(TokenRow, principal)
    return None if row is None else _to_domain(row)


def list_tokens(session: Session) -> list[Token]:
    """Return every token, sorted by principal."""
    return [
        _to_domain(row) for row in session.exec(select(TokenRow).order_by(col(TokenRow.principal)))
    ]


def add_token(
    session: Session, *, principal: str, roles: frozenset[Role], sha256: str, creator: str
) -> Token:
    """Store the token of a principal that has none."""
    row = TokenRow(
        principal=principal,
        sha256=sha256,
        roles=sorted(roles),
        created_ms=now_ms(),
        creator=creator,
    )
    session.add(row)
    session.flush()
    return _to_domain(row)


def remove_token(session: Session, principal: str) -> bool:
    """Remove the token of *principal*; return whether there was one."""
    row = session.get(TokenRow, principal)
    if row is None:
        return False
    session.delete(row)
    return True


def _to_domain(row: TokenRow) -> Token:
    return Token(
        principal=row.principal,
        # A role that only a newer trilock knows gives no right here.
        roles=frozenset(role for role in Role if role.value in row.roles),
        created=to_datetime(row.created_ms),
        creator=row.creator,
        sha256=row.sha256,
    )
