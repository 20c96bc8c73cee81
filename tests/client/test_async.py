"""The async twins, against the same server as the blocking ones."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import grpc
import pytest

from tests.support.fake_server import FakeServer, RefusedError
from tests.support.live import live_bundle, live_message, watch_response
from trilock.client import AsyncClient, AsyncResolver, Freshness, errors
from trilock.v1.admin_service_pb2 import GetServerInfoRequest, GetServerInfoResponse
from trilock.v1.release_service_pb2 import PromoteRequest, PromoteResponse
from trilock.v1.serving_service_pb2 import (
    ResolveRequest,
    ResolveResponse,
    WatchRequest,
    WatchResponse,
)

ASK = GetServerInfoRequest()
INFO = GetServerInfoResponse(version="1.2.3")
DEADLINE = 20.0
TOKEN = "s3cret"  # noqa: S105 - this one opens nothing
UNAVAILABLE = RefusedError(code=grpc.StatusCode.UNAVAILABLE, message="later", reason="UNAVAILABLE")


def run(scenario: Callable[[FakeServer], Awaitable[None]]) -> FakeServer:
    with FakeServer() as server:

        async def main() -> None:
            await scenario(server)

        asyncio.run(main())
    return server


def test_a_call_carries_the_token_and_a_deadline() -> None:
    async def scenario(server: FakeServer) -> None:
        server.answer("AdminService.GetServerInfo", INFO)
        async with AsyncClient(server.address, token=TOKEN, timeout=20) as client:
            assert await client.admin.GetServerInfo(ASK) == INFO

    (call,) = run(scenario).calls
    assert call.metadata["authorization"] == f"Bearer {TOKEN}"
    assert 10 < call.time_remaining < 21


def test_calls_that_run_user_code_have_more_time() -> None:
    async def scenario(server: FakeServer) -> None:
        server.answer("ReleaseService.Promote", PromoteResponse())
        async with AsyncClient(server.address) as client:
            await client.releases.Promote(PromoteRequest())

    assert 500 < run(scenario).calls[0].time_remaining < 601


def test_errors_are_typed() -> None:
    async def scenario(server: FakeServer) -> None:
        server.answer(
            "AdminService.GetServerInfo",
            RefusedError(code=grpc.StatusCode.ABORTED, message="changed", reason="STALE_ETAG"),
        )
        async with AsyncClient(server.address) as client:
            with pytest.raises(errors.StaleEtagError, match="changed"):
                await client.admin.GetServerInfo(ASK)

    run(scenario)


def test_reads_are_repeated_and_changes_are_not() -> None:
    async def scenario(server: FakeServer) -> None:
        server.answer("ServingService.Resolve", UNAVAILABLE, ResolveResponse())
        server.answer("ReleaseService.Promote", UNAVAILABLE, PromoteResponse())
        async with AsyncClient(server.address) as client:
            assert await client.serving.Resolve(ResolveRequest()) == ResolveResponse()
            with pytest.raises(errors.UnavailableError):
                await client.releases.Promote(PromoteRequest())

    assert [call.method for call in run(scenario).calls] == [
        "ServingService.Resolve",
        "ServingService.Resolve",
        "ReleaseService.Promote",
    ]


def test_a_stream_ends_with_a_typed_error() -> None:
    def changes(request: object, context: grpc.ServicerContext) -> Iterator[WatchResponse]:
        yield watch_response(revision=7)
        raise RefusedError(
            code=grpc.StatusCode.OUT_OF_RANGE, message="gone", reason="REVISION_COMPACTED"
        )

    async def scenario(server: FakeServer) -> None:
        server.answer("ServingService.Watch", changes)
        async with AsyncClient(server.address, token=TOKEN) as client:
            stream = aiter(client.serving.Watch(WatchRequest()))
            assert (await anext(stream)).revision == 7
            with pytest.raises(errors.RevisionCompactedError):
                await anext(stream)

    assert run(scenario).calls[0].metadata["authorization"] == f"Bearer {TOKEN}"


def test_the_resolver_follows_the_server_through_a_break() -> None:
    told: list[int] = []

    async def scenario(server: FakeServer) -> None:
        streams: list[list[WatchResponse | RefusedError]] = [
            [watch_response(live_message(revision=4), revision=9, snapshot=True), UNAVAILABLE],
            [watch_response(live_message(bundle=2, revision=10))],
        ]

        def changes(request: object, context: grpc.ServicerContext) -> Iterator[WatchResponse]:
            for message in streams.pop(0):
                if isinstance(message, RefusedError):
                    raise message
                yield message
            server.closing.wait()

        server.answer("ServingService.Watch", changes)
        async with AsyncResolver(
            server.address, ["delay"], on_change=lambda live: told.append(live.revision)
        ) as resolver:
            assert await resolver.wait_for(10, DEADLINE)
            assert await resolver.wait_ready(DEADLINE)
            assert resolver.current("delay") == live_bundle(bundle=2, revision=10)
            assert resolver.health().state is Freshness.READY
            assert not await resolver.wait_for(11, 0.01)
        assert resolver.health().problem == "the resolver was closed"

    server = run(scenario)
    assert told == [4, 10]
    starts = [request.start_revision for request in server.requests("ServingService.Watch")]
    assert starts == [0, 10]


def test_the_resolver_starts_while_the_server_is_down(tmp_path: Path) -> None:
    def changes(request: object, context: grpc.ServicerContext) -> Iterator[WatchResponse]:
        yield watch_response(live_message(revision=4), snapshot=True)

    async def scenario(server: FakeServer) -> None:
        server.answer("ServingService.Watch", changes)
        async with AsyncResolver(server.address, ["delay"], cache_dir=tmp_path) as resolver:
            assert await resolver.wait_ready(DEADLINE)

    run(scenario)

    async def later() -> None:
        async with AsyncResolver("127.0.0.1:1", ["delay"], cache_dir=tmp_path) as resolver:
            assert resolver.current() == live_bundle(revision=4)
            assert not await resolver.wait_ready(0.01)

    asyncio.run(later())
