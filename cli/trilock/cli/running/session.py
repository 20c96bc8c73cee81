"""One connection to the server for one command."""

import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import typer

from trilock.cli.exits import UsageError
from trilock.cli.input.grammar import Names
from trilock.cli.running.extras import call
from trilock.client import Client
from trilock.client.errors import NotFoundError, TrilockError
from trilock.client.names import short_alias
from trilock.v1.admin_service_pb2 import GetServerInfoRequest
from trilock.v1.release_service_pb2 import ListAliasesRequest

_PAGE: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Which server, and as whom; what is None is looked up by the client."""

    server: str | None = None
    token_file: str | None = None
    ca_file: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A client, and the names of its server."""

    client: Client
    names: Names


@contextmanager
def connected(context: typer.Context) -> Iterator[Session]:
    """Yield a session with the server that the command line names."""
    access: Access = context.obj or Access()
    with Client(access.server, token_file=access.token_file, ca_file=access.ca_file) as client:
        session = _session(client)
        try:
            yield session
        except NotFoundError as error:
            name = error.metadata.get("resource", "")
            if "/aliases/" not in name:
                raise
            raise nothing_released(session, [name]) from error


def nothing_released(session: Session, names: Sequence[str]) -> UsageError:
    """Return the error that says that *names*, which are aliases, are none, and what there is."""
    told = f"nothing was ever released on {', '.join(short_alias(name) for name in names)}"
    try:
        known = all_aliases(session)
    except TrilockError:  # who may not list them is told as much as is known
        return UsageError(told)
    there = ", ".join(short_alias(name) for name in known) or "none yet"
    return UsageError(f"{told}; an alias is spelt MODEL[@ALIAS], and there is: {there}")


def all_aliases(session: Session) -> list[str]:
    """Return the full name of every alias on which something was released."""
    request = ListAliasesRequest()
    found = pages(session.client.releases.ListAliases, request, items="aliases")
    return [alias.name for alias in found]


def _session(client: Client) -> Session:
    def models() -> Sequence[str]:
        return client.admin.GetServerInfo(GetServerInfoRequest()).models

    return Session(client=client, names=Names(models))


@contextmanager
def local_session(config: str | None) -> Iterator[Session]:
    """Yield a session with a server that runs in this process, while no other has the database.

    Raises:
        CommandError: A server has the SQLite file, which is then named with its pid; or
            the database cannot be served like this.
    """
    with (
        call(
            "trilock.server.commands",
            "in_process",
            Path(config) if config else None,
            purpose="--local",
        ) as served,
        Client(served.address, token=served.token) as client,
    ):
        yield _session(client)


def new_request_id() -> str:
    """Return an id that makes a repeat of a change harmless."""
    return str(uuid.uuid4())


def pages(
    call: Callable[[Any], Any],
    request: Any,  # noqa: ANN401 - any List request
    *,
    items: str,
    limit: int | None = None,
) -> list[Any]:
    """Return what *call* lists, page by page.

    Args:
        call: A List method.
        request: Its request; the paging fields are set here.
        items: The field of the response that holds a page.
        limit: How many to return at most.
    """
    found: list[Any] = []
    while True:
        request.page_size = min(_PAGE, limit - len(found)) if limit else _PAGE
        response = call(request)
        found += getattr(response, items)
        request.page_token = response.next_page_token
        if not request.page_token or (limit and len(found) >= limit):
            return found
