"""Every response says which bundle answered, and a request holds one to its end."""

from __future__ import annotations  # grpc's classes are generic in the stubs only

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import grpc
import grpc.aio
import pytest

from tests.support.live import live_bundle
from trilock.client import Served
from trilock.client.errors import UnresolvedError
from trilock.client.identity import answer, headers, held
from trilock.client.identity.asgi import AsgiIdentity
from trilock.client.identity.grpc_aio import GrpcAioIdentity
from trilock.client.identity.grpc_sync import GrpcIdentity
from trilock.client.identity.wsgi import WsgiIdentity

DEADLINE = 20.0
FIRST = {
    "trilock-model": "delay/1",
    "trilock-bundle": "models/delay/bundles/1",
    "trilock-revision": "10",
    "trilock-generation": "1",
}


class Changing:
    """A slot that has gone on to the next bundle whenever somebody looks."""

    def __init__(self) -> None:
        self.looks = 0

    def __call__(self) -> Served[str, None]:
        self.looks += 1
        live = live_bundle(bundle=self.looks, revision=9 + self.looks)
        return Served(live=live, bundle=live, model=f"model {self.looks}", features=None)


def nothing() -> Served[str, None]:
    raise UnresolvedError("nothing is loaded")


def test_a_name_that_no_header_can_carry_is_quoted() -> None:
    live = replace(live_bundle(), registered_model="retard à\r\nx: y", model_version="1")

    assert headers(live)["trilock-model"] == "retard%20%C3%A0%0D%0Ax%3A%20y/1"


def test_outside_of_a_request_nothing_is_held() -> None:
    with pytest.raises(LookupError, match="add a middleware"):
        held()


class TestAsgi:
    @staticmethod
    def ask(current: Callable[[], Any], *, kind: str = "http") -> list[dict[str, Any]]:
        sent: list[dict[str, Any]] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            first = held().model
            await asyncio.sleep(0)
            start = "http.response.start" if kind == "http" else "websocket.accept"
            await send({"type": start, "headers": [(b"a", b"b")]})
            await send({"type": "http.response.body", "body": f"{first} {held().model}"})

        async def send(message: Any) -> None:
            sent.append(dict(message))

        async def receive() -> Any:
            return {}

        asyncio.run(AsgiIdentity(app, current=current)({"type": kind}, receive, send))
        return sent

    @pytest.mark.parametrize("kind", ["http", "websocket"])
    def test_a_response_says_which(self, kind: str) -> None:
        start, body = self.ask(Changing(), kind=kind)

        assert start["headers"][0] == (b"a", b"b")
        assert {name.decode(): value.decode() for name, value in start["headers"][1:]} == FIRST
        assert body["body"] == "model 1 model 1"

    def test_a_canary_that_answers_is_named(self) -> None:
        sent: list[Any] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            canary = live_bundle(bundle=7)
            answer(Served(live=held().live, bundle=canary, model="canary", features=None))
            await send({"type": "http.response.start", "body": held().model})

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            return {}

        asyncio.run(AsgiIdentity(app, current=Changing())({"type": "http"}, receive, send))

        assert sent[0]["body"] == "canary"
        assert dict(sent[0]["headers"])[b"trilock-bundle"] == b"models/delay/bundles/7"
        assert dict(sent[0]["headers"])[b"trilock-revision"] == b"10"

    def test_a_handler_that_needs_a_model_is_told_that_there_is_none(self) -> None:
        with pytest.raises(UnresolvedError, match="nothing is loaded"):
            self.ask(nothing)

    def test_a_handler_that_needs_none_answers_as_ever(self) -> None:
        sent: list[Any] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "headers": []})

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            return {}

        asyncio.run(AsgiIdentity(app, current=nothing)({"type": "http"}, receive, send))

        assert sent == [{"type": "http.response.start", "headers": []}]

    def test_the_life_of_the_server_is_no_request(self) -> None:
        current = Changing()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            with pytest.raises(LookupError):
                held()

        async def silent(*_: Any) -> Any:
            return {}

        asyncio.run(AsgiIdentity(app, current=current)({"type": "lifespan"}, silent, silent))

        assert current.looks == 0


class TestWsgi:
    def test_a_response_says_which_to_the_last_part_of_its_body(self) -> None:
        closed: list[str] = []
        started: list[Any] = []

        def app(environ: Any, start_response: Any) -> Iterable[bytes]:
            start_response("200 OK", [("a", "b")])
            try:
                for _ in range(3):
                    yield str(held().model).encode()
            finally:
                closed.append("closed")

        def start_response(status: str, headers: Any) -> None:
            started.append((status, headers))

        answer: Any = WsgiIdentity(app, current=Changing())({}, start_response)
        parts = list(answer)
        answer.close()

        assert parts == [b"model 1"] * 3
        assert started == [("200 OK", [("a", "b"), *FIRST.items()])]
        assert closed == ["closed"]

    def test_a_handler_that_needs_a_model_is_told_that_there_is_none(self) -> None:
        def app(environ: Any, start_response: Any) -> list[bytes]:
            return [str(held().model).encode()]

        with pytest.raises(UnresolvedError):
            WsgiIdentity(app, current=nothing)({}, print)


def _twice(_request: bytes) -> bytes:
    return f"{held().model} {held().model}".encode()


def unary(request: bytes, context: Any) -> bytes:
    context.set_trailing_metadata((("a", "b"),))
    return _twice(request)


def stream(requests: Any, context: Any) -> Iterator[bytes]:
    for request in requests:
        yield _twice(request)


def refused(request: bytes, context: Any) -> bytes:
    context.abort(grpc.StatusCode.NOT_FOUND, "no such flight")
    raise AssertionError


async def aio_unary(request: bytes, context: Any) -> bytes:
    context.set_trailing_metadata((("a", "b"),))
    await asyncio.sleep(0)
    return _twice(request)


async def aio_stream(requests: Any, context: Any) -> AsyncIterator[bytes]:
    async for request in requests:
        yield _twice(request)


async def aio_refused(request: bytes, context: Any) -> bytes:
    await context.abort(grpc.StatusCode.NOT_FOUND, "no such flight")
    raise AssertionError


def handlers(unary: Any, stream: Any, refused: Any) -> grpc.GenericRpcHandler:
    return grpc.method_handlers_generic_handler(
        "test.Flights",
        {
            "Unary": grpc.unary_unary_rpc_method_handler(unary),
            "Stream": grpc.stream_stream_rpc_method_handler(stream),
            "Refused": grpc.unary_unary_rpc_method_handler(refused),
        },
    )


@contextmanager
def blocking_server(current: Any) -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(4), interceptors=[GrpcIdentity(current)])
    server.add_generic_rpc_handlers((handlers(unary, stream, refused),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(grace=None).wait()


@contextmanager
def calling(address: str) -> Iterator[Any]:
    with grpc.insecure_channel(address) as channel:
        yield channel


Asked = Callable[[Any], Awaitable[Any]]


async def with_aio_server(current: Any, ask: Asked, *, plain: bool) -> Any:
    server = grpc.aio.server(interceptors=[GrpcAioIdentity(current)])
    kinds = (unary, aio_stream, refused) if plain else (aio_unary, aio_stream, aio_refused)
    server.add_generic_rpc_handlers((handlers(*kinds),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            return await ask(channel)
    finally:
        await server.stop(grace=None)


def said(trailers: Any) -> dict[str, str]:
    return {name: value for name, value in trailers if not name.startswith("grpc-")}


class TestGrpc:
    def test_a_call_says_which_beside_what_the_handler_says(self) -> None:
        with (
            blocking_server(Changing()) as address,
            calling(address) as channel,
        ):
            answer, call = channel.unary_unary("/test.Flights/Unary").with_call(b"x")

        assert (answer, said(call.trailing_metadata())) == (b"model 1 model 1", {"a": "b", **FIRST})

    def test_a_stream_holds_one_to_its_end(self) -> None:
        with (
            blocking_server(Changing()) as address,
            calling(address) as channel,
        ):
            call: Any = channel.stream_stream("/test.Flights/Stream")(iter([b"x", b"y"]))
            answers = list(call)

        assert answers == [b"model 1 model 1"] * 2
        assert said(call.trailing_metadata()) == FIRST

    def test_a_refused_call_says_which_too(self) -> None:
        with (
            blocking_server(Changing()) as address,
            calling(address) as channel,
            pytest.raises(grpc.RpcError) as caught,
        ):
            channel.unary_unary("/test.Flights/Refused")(b"x")

        failed: Any = caught.value
        assert failed.code() is grpc.StatusCode.NOT_FOUND
        assert said(failed.trailing_metadata()) == FIRST

    def test_without_a_model_nothing_is_said(self) -> None:
        with (
            blocking_server(nothing) as address,
            calling(address) as channel,
            pytest.raises(grpc.RpcError) as caught,
        ):
            channel.unary_unary("/test.Flights/Unary")(b"x")

        failed: Any = caught.value
        assert "nothing is loaded" in failed.details()
        assert said(failed.trailing_metadata()) == {"a": "b"}


class TestGrpcAio:
    @pytest.mark.parametrize("plain", [False, True])
    def test_a_call_says_which_beside_what_the_handler_says(self, *, plain: bool) -> None:
        async def ask(channel: Any) -> Any:
            call: Any = channel.unary_unary("/test.Flights/Unary")(b"x", timeout=DEADLINE)
            return await call, said(await call.trailing_metadata())

        answer = asyncio.run(with_aio_server(Changing(), ask, plain=plain))

        assert answer == (b"model 1 model 1", {"a": "b", **FIRST})

    def test_a_stream_holds_one_to_its_end(self) -> None:
        async def ask(channel: Any) -> Any:
            call: Any = channel.stream_stream("/test.Flights/Stream")(
                iter([b"x", b"y"]), timeout=DEADLINE
            )
            return [answer async for answer in call], said(await call.trailing_metadata())

        answer = asyncio.run(with_aio_server(Changing(), ask, plain=False))

        assert answer == ([b"model 1 model 1"] * 2, FIRST)

    @pytest.mark.parametrize("plain", [False, True])
    def test_a_refused_call_says_which_too(self, *, plain: bool) -> None:
        async def ask(channel: Any) -> Any:
            call: Any = channel.unary_unary("/test.Flights/Refused")(b"x", timeout=DEADLINE)
            return await call.code(), said(await call.trailing_metadata())

        answer = asyncio.run(with_aio_server(Changing(), ask, plain=plain))

        assert answer == (grpc.StatusCode.NOT_FOUND, FIRST)
