"""Tokens as messages."""

from trilock.server.domain.access import Token
from trilock.server.rpc.convert.fields import timestamp
from trilock.v1 import admin_service_pb2


def token_to_proto(token: Token) -> admin_service_pb2.Token:
    """Return the message of *token*: no secret, no digest."""
    return admin_service_pb2.Token(
        principal=token.principal,
        roles=sorted(token.roles),
        create_time=timestamp(token.created),
        creator=token.creator,
        settings=token.in_settings,
    )
