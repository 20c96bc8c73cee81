"""Make tokens, list them, take them back."""

import hashlib
import secrets
from collections.abc import Collection

from trilock.server.domain.access import Role, Token
from trilock.server.domain.errors import AlreadyExistsError, NotFoundError, PreconditionError
from trilock.server.store import tokens
from trilock.server.usecases.runtime import Runtime


def new_secret() -> tuple[str, str]:
    """Return the secret of a new token, and its digest.

    The prefix is there for programs that look for secrets in what is published.
    """
    secret = f"trilock_{secrets.token_urlsafe(32)}"
    return secret, hashlib.sha256(secret.encode()).hexdigest()


def create_token(
    runtime: Runtime,
    *,
    principal: str,
    roles: frozenset[Role],
    reserved: Collection[str],
    creator: str,
) -> tuple[Token, str]:
    """Make the token of *principal*; return it, and its secret, which is nowhere else.

    Args:
        runtime: What to work on.
        principal: Whose.
        roles: What they may do.
        reserved: Principals that have a token in the settings.
        creator: Who asks.

    Raises:
        AlreadyExistsError: The principal has a token.
    """
    secret, digest = new_secret()
    with runtime.database.write() as session:
        if principal in reserved:
            raise AlreadyExistsError(f"token of {principal}", what="in the server's settings")
        if tokens.get_token(session, principal) is not None:
            raise AlreadyExistsError(f"token of {principal}", what="revoke it first")
        token = tokens.add_token(
            session, principal=principal, roles=roles, sha256=digest, creator=creator
        )
    return token, secret


def revoke_token(runtime: Runtime, *, principal: str, reserved: Collection[str]) -> None:
    """Make the token of *principal* useless.

    Raises:
        NotFoundError: The principal has no token.
        PreconditionError: It is in the settings, where only a person can remove it.
    """
    with runtime.database.write() as session:
        if tokens.remove_token(session, principal):
            return
    if principal in reserved:
        raise PreconditionError(
            f"the token of {principal} is in the server's settings: remove it there and restart",
            principal=principal,
        )
    raise NotFoundError(f"token of {principal}", hint="`trilock tokens list` lists them")
