"""The few calls that a serving process makes, answered as the real server does."""

from __future__ import annotations  # grpc's classes are generic in the stubs only

import re
import threading
import time
from collections.abc import Iterator
from typing import Any, Final, NoReturn

import grpc
from google.protobuf.any_pb2 import Any as PackedAny
from google.protobuf.message_factory import GetMessageClass
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from google.rpc.status_pb2 import Status

from trilock.client.testing._store import Store
from trilock.v1 import bundle_service_pb2, serving_service_pb2

_ALIAS: Final = re.compile(r"models/[A-Za-z0-9][\w.-]*/aliases/[A-Za-z0-9][\w.-]*", re.ASCII)
_BUNDLE: Final = re.compile(r"models/[A-Za-z0-9][\w.-]*/bundles/[1-9][0-9]*", re.ASCII)
_SCHEMA: Final = re.compile(r"featureSchemas/[^/]+/versions/[1-9][0-9]*")
_WAIT_S: Final = 5.0
_OF_DEADLINE: Final = 0.9
_POLL_S: Final = 0.05
"""How soon a stream sees that its client has left."""


class Mood:
    """How the fake behaves just now."""

    def __init__(self) -> None:
        self.down = threading.Event()
        """Calls are UNAVAILABLE and streams end."""
        self.silent = threading.Event()
        """Streams stay open and say nothing, and calls wait."""
        self.closing = threading.Event()


class ServingService:
    """See serving_service.proto."""

    def __init__(self, store: Store, mood: Mood, *, progress: float) -> None:
        self._store = store
        self._mood = mood
        self._progress = progress

    def Resolve(  # noqa: N802 - the name is the proto's
        self, request: serving_service_pb2.ResolveRequest, context: grpc.ServicerContext
    ) -> serving_service_pb2.ResolveResponse:
        """See serving_service.proto."""
        _enter(self._mood, context)
        _require_name(_ALIAS, request.alias, field="alias", context=context)
        remaining = context.time_remaining() or _WAIT_S
        with self._store.changed:
            self._store.changed.wait_for(
                lambda: self._store.revision >= request.min_revision,
                min(_WAIT_S, remaining * _OF_DEADLINE),
            )
            seen, found = self._store.revision, self._store.live.get(request.alias)
        if seen < request.min_revision:
            what = f"revision {request.min_revision} was not seen yet, only {seen}"
            _abort(context, grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE", what)
        if found is None:
            what = f"there is no {request.alias}: nothing was ever released there"
            _abort(context, grpc.StatusCode.NOT_FOUND, "NOT_FOUND", what, resource=request.alias)
        return serving_service_pb2.ResolveResponse(live_bundle=found)

    def Watch(  # noqa: N802 - the name is the proto's
        self, request: serving_service_pb2.WatchRequest, context: grpc.ServicerContext
    ) -> Iterator[serving_service_pb2.WatchResponse]:
        """See serving_service.proto."""
        _enter(self._mood, context)
        for alias in request.aliases:
            _require_name(_ALIAS, alias, field="aliases", context=context)
        store, aliases = self._store, frozenset(request.aliases)
        with store.changed:
            self._require_known(request, context)
            told = store.generation if request.start_revision else 0
        cursor, due = request.start_revision - 1, 0.0
        while context.is_active() and not self._mood.closing.is_set():
            if self._mood.down.is_set():
                _abort(
                    context, grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE", "an outage was scripted"
                )
            with store.changed:
                message = None
                if not self._mood.silent.is_set():
                    message = self._next(aliases, told=told, cursor=cursor, context=context)
                    if message is None and time.monotonic() >= due:
                        message = serving_service_pb2.WatchResponse(
                            revision=max(cursor, store.revision), generation=told
                        )
                if message is None:
                    store.changed.wait(_POLL_S)
                    continue
            told, cursor = message.generation, message.revision
            due = time.monotonic() + self._progress
            yield message

    def _next(
        self,
        aliases: frozenset[str],
        *,
        told: int,
        cursor: int,
        context: grpc.ServicerContext,
    ) -> serving_service_pb2.WatchResponse | None:
        store = self._store
        if told != store.generation:
            return serving_service_pb2.WatchResponse(
                live_bundles=store.state(aliases),
                revision=store.revision,
                generation=store.generation,
                snapshot=True,
            )
        if cursor < store.compacted:
            self._refuse_compacted(cursor + 1, context)
        changes = store.after(cursor, aliases)
        if not changes:
            return None
        return serving_service_pb2.WatchResponse(
            live_bundles=changes, revision=store.revision, generation=told
        )

    def _require_known(
        self, request: serving_service_pb2.WatchRequest, context: grpc.ServicerContext
    ) -> None:
        start, generation = request.start_revision, request.generation
        if not start:
            return
        if generation > self._store.generation:
            what = f"this server has not seen generation {generation} yet"
            _abort(context, grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE", what)
        if (generation and generation < self._store.generation) or start <= self._store.compacted:
            self._refuse_compacted(start, context)

    def _refuse_compacted(self, wanted: int, context: grpc.ServicerContext) -> NoReturn:
        what = f"revision {wanted} is no longer kept; watch anew without it"
        _abort(context, grpc.StatusCode.OUT_OF_RANGE, "REVISION_COMPACTED", what)


class BundleService:
    """See bundle_service.proto."""

    def __init__(self, store: Store, mood: Mood) -> None:
        self._store = store
        self._mood = mood

    def GetBundle(  # noqa: N802 - the name is the proto's
        self, request: bundle_service_pb2.GetBundleRequest, context: grpc.ServicerContext
    ) -> bundle_service_pb2.GetBundleResponse:
        """See bundle_service.proto."""
        _enter(self._mood, context)
        _require_name(_BUNDLE, request.name, field="name", context=context)
        found = self._store.bundles.get(request.name)
        if found is None:
            _refuse_unknown(request.name, context)
        answer = bundle_service_pb2.GetBundleResponse(bundle=found)
        answer.bundle.feature_schema.ClearField("objects")
        answer.bundle.feature_schema.ClearField("contract")
        return answer

    def GetFeatureSchema(  # noqa: N802 - the name is the proto's
        self, request: bundle_service_pb2.GetFeatureSchemaRequest, context: grpc.ServicerContext
    ) -> bundle_service_pb2.GetFeatureSchemaResponse:
        """See bundle_service.proto."""
        _enter(self._mood, context)
        _require_name(_SCHEMA, request.name, field="name", context=context)
        schemas = [bundle.feature_schema for bundle in list(self._store.bundles.values())]
        found = next((schema for schema in schemas if schema.name == request.name), None)
        if found is None:
            _refuse_unknown(request.name, context)
        return bundle_service_pb2.GetFeatureSchemaResponse(feature_schema=found)


def handler(service: ServingService | BundleService) -> grpc.GenericRpcHandler:
    """Return what answers the calls that *service* has; all others are UNIMPLEMENTED.

    As those of a server that is older than its client are.
    """
    module = serving_service_pb2 if isinstance(service, ServingService) else bundle_service_pb2
    descriptor = module.DESCRIPTOR.services_by_name[type(service).__name__]
    handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}
    for method in descriptor.methods:
        behaviour = getattr(service, method.name, None)
        if behaviour is None:
            continue
        make = (
            grpc.unary_stream_rpc_method_handler
            if method.server_streaming
            else grpc.unary_unary_rpc_method_handler
        )
        read = GetMessageClass(method.input_type).FromString
        write = GetMessageClass(method.output_type).SerializeToString
        handlers[method.name] = make(behaviour, read, write)
    return grpc.method_handlers_generic_handler(descriptor.full_name, handlers)


def _enter(mood: Mood, context: grpc.ServicerContext) -> None:
    while mood.silent.is_set() and not mood.closing.wait(_POLL_S):
        if not context.is_active():
            break
    if mood.down.is_set():
        _abort(context, grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE", "an outage was scripted")


def _refuse_unknown(name: str, context: grpc.ServicerContext) -> NoReturn:
    what = f"there is no {name}: it was never recorded"
    _abort(context, grpc.StatusCode.NOT_FOUND, "NOT_FOUND", what, resource=name)


def _require_name(
    form: re.Pattern[str], name: str, *, field: str, context: grpc.ServicerContext
) -> None:
    if not form.fullmatch(name):
        wrong = BadRequest.FieldViolation(
            field=field, description=f"{name!r} is not of the form {form.pattern}"
        )
        _abort(
            context,
            grpc.StatusCode.INVALID_ARGUMENT,
            "INVALID_ARGUMENT",
            f"{field}: {wrong.description}",
            violations=[wrong],
        )


def _abort(
    context: grpc.ServicerContext,
    code: grpc.StatusCode,
    reason: str,
    message: str,
    *,
    violations: list[BadRequest.FieldViolation] | None = None,
    **metadata: str,
) -> NoReturn:
    details: list[ErrorInfo | BadRequest] = [
        ErrorInfo(reason=reason, domain="trilock", metadata=metadata)
    ]
    if violations:
        details.append(BadRequest(field_violations=violations))
    packed = []
    for detail in details:
        envelope = PackedAny()
        envelope.Pack(detail)
        packed.append(envelope)
    status = Status(code=code.value[0], message=message, details=packed)
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(code, message)
