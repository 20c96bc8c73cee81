"""The resolver against a real server: streams that come, go and come back."""

import contextlib
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import grpc
import pytest

from tests.support.fake_server import FakeServer, RefusedError
from tests.support.live import ALIAS, live_bundle, live_message, watch_response
from trilock.client import Client, Freshness, LiveBundle, Resolver
from trilock.client.errors import InvalidError, UnresolvedError
from trilock.v1.serving_service_pb2 import WatchRequest, WatchResponse
from trilock.v1.sink_pb2 import Sink
from trilock.v1.sink_service_pb2 import GetSinkResponse

DEADLINE = 20.0
"""Seconds after which something that should have happened has not."""


Told = WatchResponse | RefusedError | None
"""A message, an error that breaks the stream, or its end."""


class Script:
    """What each stream in turn says; the last one stays open and says what is sent later."""

    def __init__(self, server: FakeServer, *streams: Sequence[Told]) -> None:
        self._server = server
        self._streams = list(streams)
        self._later: queue.Queue[WatchResponse] = queue.Queue()
        self.left = threading.Semaphore(0)
        """Released by each stream that the client left."""
        server.answer("ServingService.Watch", self._stream)

    def send(self, message: WatchResponse) -> None:
        self._later.put(message)

    def _stream(
        self, request: WatchRequest, context: grpc.ServicerContext
    ) -> Iterator[WatchResponse]:
        context.add_callback(self.left.release)
        for told in self._streams.pop(0) if self._streams else ():
            if told is None:
                return
            if isinstance(told, RefusedError):
                raise told
            yield told
        while context.is_active() and not self._server.closing.is_set():
            with contextlib.suppress(queue.Empty):
                if not self._streams:
                    yield self._later.get(timeout=0.05)
                self._server.closing.wait(0.01)


BROKEN = RefusedError(code=grpc.StatusCode.UNAVAILABLE, message="going away", reason="UNAVAILABLE")
COMPACTED = RefusedError(
    code=grpc.StatusCode.OUT_OF_RANGE, message="compacted", reason="REVISION_COMPACTED"
)


def test_it_follows_the_server() -> None:
    with FakeServer() as server:
        script = Script(
            server, [watch_response(live_message(revision=4), revision=9, snapshot=True)]
        )
        with Resolver(server.address, ["delay"]) as resolver:
            assert resolver.wait_ready(DEADLINE)
            first = resolver.current("delay")
            script.send(watch_response(live_message(bundle=2, revision=10)))
            assert resolver.wait_for(10, DEADLINE)
            second = resolver.current("delay@production")
            health = resolver.health("delay")

    assert first == live_bundle(revision=4)
    assert second == live_bundle(bundle=2, revision=10)
    assert health.state is Freshness.READY
    (request,) = server.requests("ServingService.Watch")
    assert request == WatchRequest(aliases=[ALIAS])


def test_a_stream_that_breaks_is_resumed_right_behind_what_was_heard() -> None:
    with FakeServer() as server:
        Script(
            server,
            [watch_response(live_message(revision=4), revision=9, snapshot=True), BROKEN],
            [watch_response(revision=12), None],
            [watch_response(live_message(bundle=2, revision=13))],
        )
        with Resolver(server.address, ["delay"]) as resolver:
            assert resolver.wait_for(13, DEADLINE)
            assert resolver.current() == live_bundle(bundle=2, revision=13)

    starts = [
        (request.generation, request.start_revision)
        for request in server.requests("ServingService.Watch")
    ]
    assert starts == [(0, 0), (1, 10), (1, 13)]


def test_what_was_compacted_is_taken_from_the_present_state() -> None:
    with FakeServer() as server:
        Script(
            server,
            [watch_response(live_message(revision=4), revision=9, snapshot=True), BROKEN],
            [COMPACTED],
            [watch_response(live_message(bundle=5, revision=90), snapshot=True)],
        )
        with Resolver(server.address, ["delay"]) as resolver:
            assert resolver.wait_for(90, DEADLINE)

    starts = [request.start_revision for request in server.requests("ServingService.Watch")]
    assert starts == [0, 10, 0]


def test_a_server_that_is_behind_is_left_and_tried_again() -> None:
    told: list[int] = []

    def note(live: LiveBundle) -> None:
        told.append(live.revision)

    with FakeServer() as server:
        script = Script(
            server,
            [watch_response(live_message(revision=7), snapshot=True), BROKEN],
            [watch_response(live_message(revision=6), snapshot=True)],
            [watch_response(live_message(revision=8), snapshot=True)],
        )
        with Resolver(server.address, ["delay"], on_change=note) as resolver:
            assert resolver.wait_for(8, DEADLINE)
            for _ in range(2):
                assert script.left.acquire(timeout=DEADLINE)

    assert told == [7, 8]


def test_serving_goes_on_while_the_server_is_gone_and_after_a_restart(tmp_path: Path) -> None:
    with FakeServer() as server:
        address = server.address
        Script(server, [watch_response(live_message(revision=4), snapshot=True)])
        resolver = Resolver(address, ["delay"], cache_dir=tmp_path)
        assert resolver.wait_ready(DEADLINE)

    with resolver:
        assert resolver.current() == live_bundle(revision=4)
        with Resolver(address, ["delay"], cache_dir=tmp_path) as other_process:
            assert other_process.current() == live_bundle(revision=4)
            assert other_process.health().state is Freshness.STALE

        with FakeServer(address=address) as back:
            Script(back, [watch_response(live_message(revision=5), snapshot=True)])
            assert resolver.wait_for(5, DEADLINE)
            assert resolver.health().state is Freshness.READY


def test_every_alias_is_followed_when_none_is_named() -> None:
    canary = live_message(alias="models/delay/aliases/canary")
    with FakeServer() as server:
        Script(server, [watch_response(live_message(), canary, snapshot=True)])
        with Resolver(server.address) as resolver:
            assert resolver.wait_ready(DEADLINE)
            names = set(resolver.snapshot())

    assert names == {ALIAS, "models/delay/aliases/canary"}


def test_ten_thousand_aliases_are_no_trouble() -> None:
    many = [live_message(alias=f"models/m{number}/aliases/production") for number in range(10_000)]
    with FakeServer() as server:
        Script(server, [watch_response(*many, snapshot=True)])
        with Resolver(server.address) as resolver:
            assert resolver.wait_ready(DEADLINE)
            assert len(resolver.snapshot()) == 10_000
            assert resolver.current("m9999").registered_model == "m9999"


def test_a_client_that_was_given_is_not_closed() -> None:
    with FakeServer() as server, Client(server.address) as client:
        told = [watch_response(live_message(), snapshot=True)]
        Script(server, told, told)
        with Resolver(client, ["delay"]) as resolver:
            assert resolver.wait_ready(DEADLINE)
        with Resolver(client, ["delay"]) as again:
            assert again.wait_ready(DEADLINE)


def test_after_close_what_is_known_is_stale_and_no_thread_is_left(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with FakeServer() as server:
        Script(server, [watch_response(live_message(), snapshot=True)])
        with Resolver(server.address, ["delay"]) as resolver:
            assert resolver.wait_ready(DEADLINE)

        health = resolver.health()
        assert (health.state, health.problem) == (Freshness.STALE, "the resolver was closed")
        assert caplog.records == []
        assert not resolver._thread.is_alive()


def test_a_resolver_that_never_reached_a_server_says_which() -> None:
    with FakeServer() as server:
        address = server.address
    with Resolver(address, ["delay"]) as resolver:
        assert not resolver.wait_ready(0.01)
        with pytest.raises(UnresolvedError, match="nothing is known of delay@production"):
            resolver.current()


def test_a_malformed_alias_is_refused_at_once() -> None:
    with pytest.raises(InvalidError, match="'a/b' is not an alias"):
        Resolver(aliases=["a/b"])


_FORKED = """
import os, sys
from trilock.client import Resolver

resolver = Resolver("127.0.0.1:1", ["delay"])
if os.fork() == 0:
    print(resolver.health().problem)
    sys.stdout.flush()
    os._exit(0)
os.wait()
resolver.close()
"""


def test_a_forked_process_is_told_to_make_its_own() -> None:
    # In a process of its own: a fork of this one would take along the locks of its threads.
    run = subprocess.run(
        [sys.executable, "-c", _FORKED], capture_output=True, text=True, timeout=60, check=True
    )
    assert run.stdout == (
        "the process was forked from the one that made the resolver; make it after the fork\n"
    )


def test_a_sink_writer_holds_the_epoch_of_the_bundle_that_predicts() -> None:
    with FakeServer() as server:
        Script(server, [watch_response(live_message(release=5), snapshot=True)])
        server.answer("SinkService.GetSink", GetSinkResponse(sink=Sink(connection="warehouse")))
        with Resolver(server.address, ["delay"]) as resolver:
            assert resolver.wait_ready(DEADLINE)
            by_name = resolver.sink("predictions", connections={"warehouse": "sqlite:///w.db"})
            by_url = resolver.sink("predictions", connections="sqlite:///w.db")
            with pytest.raises(InvalidError, match=r"on connection 'warehouse'.*given are: lake"):
                resolver.sink("predictions", connections={"lake": "sqlite:///l.db"})

    for writer in (by_name, by_url):
        assert (writer._url, writer._sink, writer._epoch) == (
            "sqlite:///w.db",
            "models/delay/sinks/predictions",
            5,
        )
    assert [request.name for request in server.requests("SinkService.GetSink")] == [
        "models/delay/sinks/predictions",
        "models/delay/sinks/predictions",
    ]


def test_a_server_of_a_newer_api_is_understood_as_far_as_it_goes() -> None:
    message = live_message(revision=4)
    message.live.bundle = "models/delay/bundles/7"
    # What protobuf does not know it keeps: fields 90 and 91, and a state without a name.
    newer = message.SerializeToString() + b"\xd0\x05\x01" + b"\xda\x05\x02hi" + b"\x20\x63"
    told = watch_response(revision=4, snapshot=True)
    told.live_bundles.add().ParseFromString(newer)
    with FakeServer() as server:
        Script(server, [told])
        with Resolver(server.address, ["delay"]) as resolver:
            assert resolver.wait_ready(DEADLINE)
            live = resolver.current()

    assert (live.bundle, live.state, live.revision) == ("models/delay/bundles/7", "UNKNOWN", 4)


def test_any_number_of_aliases_takes_one_stream() -> None:
    names = [f"m{number}" for number in range(50)]
    messages = [live_message(alias=f"models/{name}/aliases/production") for name in names]
    with FakeServer() as server:
        Script(server, [watch_response(*messages, snapshot=True)])
        with Resolver(server.address, names) as resolver:
            assert resolver.wait_ready(DEADLINE)
            assert {resolver.current(name).registered_model for name in names} == set(names)

    (request,) = server.requests("ServingService.Watch")
    assert len(request.aliases) == 50


def test_an_unknown_alias_is_waited_for_and_said_to_be_unknown() -> None:
    with FakeServer() as server:
        script = Script(server, [watch_response(revision=3, snapshot=True)])
        with Resolver(server.address, ["delay"]) as resolver:
            assert not resolver.wait_ready(0.2)
            with pytest.raises(UnresolvedError, match="nothing was ever released on delay@prod"):
                resolver.current()
            script.send(watch_response(live_message(revision=4)))
            assert resolver.wait_ready(DEADLINE)
