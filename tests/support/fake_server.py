"""A real gRPC server with canned answers, for tests of the client and the command line.

    with FakeServer() as server:
        server.answer("ReleaseService.GetAlias", GetAliasResponse(...))
        server.answer("ReleaseService.Promote", RefusedError(code=..., message=..., reason=...))

An answer is a message, a `RefusedError`, or a function of request and context;
several are given one a call. What has no answer is UNIMPLEMENTED. Every call
is recorded.
"""

from __future__ import annotations  # grpc's classes are generic in the stubs only

import importlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, NoReturn, Self, cast

import grpc
from google.protobuf.any_pb2 import Any as PackedAny
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from google.rpc.status_pb2 import Status

SERVICES: Final = (
    "admin",
    "bundle",
    "check",
    "drift",
    "feature",
    "fleet",
    "operation",
    "pipeline",
    "policy",
    "release",
    "serving",
    "sink",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call that arrived."""

    method: str
    """`Service.Method`."""
    request: Any
    metadata: Mapping[str, str | bytes]
    time_remaining: float
    """Seconds until its deadline; astronomical if it has none."""


@dataclass(kw_only=True, eq=False)
class RefusedError(Exception):
    """Answer with an error, the way the server does."""

    code: grpc.StatusCode
    message: str
    reason: str = ""
    """Empty to send no details at all, as a proxy would."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    violations: Sequence[tuple[str, str]] = ()
    details: Sequence[Message] = ()
    """Messages to pack after ErrorInfo, such as a Report."""

    def trailers(self) -> tuple[tuple[str, bytes], ...]:
        """Return the trailing metadata that carries the details."""
        if not self.reason:
            return ()
        parts: list[Message] = [
            ErrorInfo(reason=self.reason, domain="trilock", metadata=dict(self.metadata))
        ]
        if self.violations:
            parts.append(
                BadRequest(
                    field_violations=[
                        BadRequest.FieldViolation(field=name, description=what)
                        for name, what in self.violations
                    ]
                )
            )
        packed = []
        for part in (*parts, *self.details):
            envelope = PackedAny()
            envelope.Pack(part)
            packed.append(envelope)
        status = Status(code=self.code.value[0], message=self.message, details=packed)
        return (("grpc-status-details-bin", status.SerializeToString()),)


Answer = Message | RefusedError | Callable[[Any, grpc.ServicerContext], Any]


class FakeServer:
    """Serves all of trilock.v1 on a free port of loopback, with what it is told to answer."""

    def __init__(
        self, *, address: str = "127.0.0.1:0", credentials: grpc.ServerCredentials | None = None
    ) -> None:
        self.calls: list[Call] = []
        self.closing = threading.Event()
        """Set when the server stops; streams of a test end on it."""
        self._answers: dict[str, list[Answer]] = {}
        # Streams hold a thread each.
        self._server = grpc.server(ThreadPoolExecutor(max_workers=64))
        for service in SERVICES:
            self._add(service)
        if credentials is None:
            self.port = self._server.add_insecure_port(address)
        else:
            self.port = self._server.add_secure_port(address, credentials)
        self.address = f"127.0.0.1:{self.port}"

    def answer(self, method: str, *answers: Answer) -> None:
        """Answer calls of `Service.Method`: with each once, with the last one for good."""
        self._answers[method] = list(answers)

    def requests(self, method: str) -> list[Any]:
        """Return the requests that arrived for `Service.Method`, oldest first."""
        return [call.request for call in list(self.calls) if call.method == method]

    def stop(self) -> None:
        """End every call and free the port."""
        self.closing.set()
        self._server.stop(grace=None).wait()

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _add(self, service: str) -> None:
        module = importlib.import_module(f"trilock.v1.{service}_service_pb2")
        (descriptor,) = module.DESCRIPTOR.services_by_name.values()
        handlers = {method.name: self._handler(method) for method in descriptor.methods}
        handler = grpc.method_handlers_generic_handler(descriptor.full_name, handlers)
        self._server.add_generic_rpc_handlers((handler,))

    def _handler(self, method: MethodDescriptor) -> grpc.RpcMethodHandler[Any, Any]:
        name = f"{method.containing_service.name}.{method.name}"

        def answer(request: Message, context: grpc.ServicerContext) -> Message:
            return cast("Message", self._reply(name, request, context))

        def stream(request: Message, context: grpc.ServicerContext) -> Iterator[Message]:
            # The body runs while it is iterated, so the try is around the iteration.
            try:
                yield from self._reply(name, request, context)
            except RefusedError as refusal:
                _abort(context, refusal)

        read = GetMessageClass(method.input_type).FromString
        write = GetMessageClass(method.output_type).SerializeToString
        if method.server_streaming:
            return grpc.unary_stream_rpc_method_handler(stream, read, write)
        return grpc.unary_unary_rpc_method_handler(answer, read, write)

    def _reply(self, name: str, request: Message, context: grpc.ServicerContext) -> Any:
        self.calls.append(
            Call(
                method=name,
                request=request,
                metadata=dict(context.invocation_metadata()),
                time_remaining=context.time_remaining() or 0.0,
            )
        )
        answers = self._answers.get(name, [])
        if not answers:
            context.abort(grpc.StatusCode.UNIMPLEMENTED, f"no answer for {name}")
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, RefusedError):
            _abort(context, answer)
        if isinstance(answer, Message):
            return answer
        try:
            return answer(request, context)
        except RefusedError as refusal:
            _abort(context, refusal)


def _abort(context: grpc.ServicerContext, refusal: RefusedError) -> NoReturn:
    context.set_trailing_metadata(refusal.trailers())
    context.abort(refusal.code, refusal.message)
