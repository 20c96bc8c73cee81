"""The blocking client: one channel, every service, typed errors."""

from __future__ import annotations  # grpc's classes are generic in the stubs only

import importlib
import os
from collections.abc import Iterator
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self, cast

import grpc

from trilock.client._transport import channel
from trilock.client._transport.status import to_error
from trilock.client._transport.target import Target, find_target

if TYPE_CHECKING:
    from trilock.v1.admin_service_pb2_grpc import AdminServiceStub
    from trilock.v1.bundle_service_pb2_grpc import BundleServiceStub
    from trilock.v1.check_service_pb2_grpc import CheckServiceStub
    from trilock.v1.drift_service_pb2_grpc import DriftServiceStub
    from trilock.v1.feature_service_pb2_grpc import FeatureServiceStub
    from trilock.v1.fleet_service_pb2_grpc import FleetServiceStub
    from trilock.v1.operation_service_pb2_grpc import OperationServiceStub
    from trilock.v1.pipeline_service_pb2_grpc import PipelineServiceStub
    from trilock.v1.policy_service_pb2_grpc import PolicyServiceStub
    from trilock.v1.release_service_pb2_grpc import ReleaseServiceStub
    from trilock.v1.serving_service_pb2_grpc import ServingServiceStub
    from trilock.v1.sink_service_pb2_grpc import SinkServiceStub


class Client:
    """Every call of the API, over one channel that is opened on first use.

    Each service is an attribute with the calls of its proto file:

        with Client() as client:
            client.releases.GetAlias(GetAliasRequest(name="models/delay/aliases/production"))

    A failed call raises one of `trilock.client.errors`. Calls that change
    nothing are repeated by themselves when no server answers. Threads may
    share a client; a process forked from one makes its own.

    Args:
        address: `host:port`; by default `TRILOCK_SERVER`, else `127.0.0.1:7420`.
        token: The token itself.
        token_file: A file with nothing but the token. Without either: the file that
            `TRILOCK_TOKEN_FILE` names, else `.trilock/token` beside the `trilock.toml` that
            `TRILOCK_CONFIG` names, else `.trilock/token` in the current folder, else none.
        ca_file: CA certificates to trust, PEM; by default `TRILOCK_CA_FILE`, else the
            system's. Beyond loopback every call is encrypted.
        cert_file: The caller's own certificate, PEM, with its `key_file`; by default
            `TRILOCK_CERT_FILE` and `TRILOCK_KEY_FILE`, else none.
        key_file: See `cert_file`.
        timeout: Seconds a call may take that says nothing itself (`timeout=` of each call).
            Streams have no limit; calls that run a feature repository's code have 600 s.

    Raises:
        InvalidError: The address is malformed, or a file that was named cannot be used.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        token: str | None = None,
        token_file: str | os.PathLike[str] | None = None,
        ca_file: str | os.PathLike[str] | None = None,
        cert_file: str | os.PathLike[str] | None = None,
        key_file: str | os.PathLike[str] | None = None,
        timeout: float = 30.0,
    ) -> None:
        target = find_target(
            address,
            token=token,
            token_file=token_file,
            ca_file=ca_file,
            cert_file=cert_file,
            key_file=key_file,
        )
        credentials = channel.credentials(target)
        if credentials is None:
            bare = grpc.insecure_channel(target.address, channel.options())
        else:
            bare = grpc.secure_channel(target.address, credentials, channel.options())
        self._channel = grpc.intercept_channel(bare, _Interceptor(target, timeout=timeout))
        self.address = target.address

    def close(self) -> None:
        """End every call that runs, and the channel."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _stub(self, name: str) -> Any:  # noqa: ANN401 - each property says the type
        # Imported on first use: a serving process needs two of them.
        module = importlib.import_module(f"trilock.v1.{name}_service_pb2_grpc")
        return getattr(module, f"{name.capitalize()}ServiceStub")(self._channel)

    @cached_property
    def admin(self) -> AdminServiceStub:
        """See admin_service.proto."""
        return cast("AdminServiceStub", self._stub("admin"))

    @cached_property
    def bundles(self) -> BundleServiceStub:
        """See bundle_service.proto."""
        return cast("BundleServiceStub", self._stub("bundle"))

    @cached_property
    def checks(self) -> CheckServiceStub:
        """See check_service.proto."""
        return cast("CheckServiceStub", self._stub("check"))

    @cached_property
    def drifts(self) -> DriftServiceStub:
        """See drift_service.proto."""
        return cast("DriftServiceStub", self._stub("drift"))

    @cached_property
    def features(self) -> FeatureServiceStub:
        """See feature_service.proto."""
        return cast("FeatureServiceStub", self._stub("feature"))

    @cached_property
    def fleet(self) -> FleetServiceStub:
        """See fleet_service.proto."""
        return cast("FleetServiceStub", self._stub("fleet"))

    @cached_property
    def operations(self) -> OperationServiceStub:
        """See operation_service.proto."""
        return cast("OperationServiceStub", self._stub("operation"))

    @cached_property
    def policies(self) -> PolicyServiceStub:
        """See policy_service.proto."""
        return cast("PolicyServiceStub", self._stub("policy"))

    @cached_property
    def pipelines(self) -> PipelineServiceStub:
        """See pipeline_service.proto."""
        return cast("PipelineServiceStub", self._stub("pipeline"))

    @cached_property
    def releases(self) -> ReleaseServiceStub:
        """See release_service.proto."""
        return cast("ReleaseServiceStub", self._stub("release"))

    @cached_property
    def serving(self) -> ServingServiceStub:
        """See serving_service.proto."""
        return cast("ServingServiceStub", self._stub("serving"))

    @cached_property
    def sinks(self) -> SinkServiceStub:
        """See sink_service.proto."""
        return cast("SinkServiceStub", self._stub("sink"))


class _Details(NamedTuple):
    """What grpc reads of a ClientCallDetails."""

    method: str
    timeout: float | None
    metadata: tuple[tuple[str, str | bytes], ...]
    credentials: grpc.CallCredentials | None
    wait_for_ready: bool | None
    compression: grpc.Compression | None


class _Interceptor(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):
    """Adds the token and the deadline; turns what fails into typed errors."""

    def __init__(self, target: Target, *, timeout: float) -> None:
        self._address = target.address
        self._metadata = channel.authorization(target)
        self._timeout = timeout

    # grpc's stubs want these methods to be generic over types that only they can name.
    def intercept_unary_unary(
        self,
        continuation: Any,  # noqa: ANN401
        client_call_details: grpc.ClientCallDetails,
        request: object,
    ) -> Any:  # noqa: ANN401
        """Call, and raise what failed. `.future()` raises grpc's own errors instead."""
        timeout = channel.deadline(
            client_call_details.method, asked=client_call_details.timeout, default=self._timeout
        )
        outcome = continuation(self._details(client_call_details, timeout=timeout), request)
        # A future that still runs is an RpcError too, as grpc builds it.
        if isinstance(outcome, grpc.RpcError) and isinstance(outcome, grpc.Future):
            failure = outcome.exception() if outcome.done() else None
            if isinstance(failure, grpc.RpcError):
                raise to_error(cast("Any", failure), address=self._address) from failure
        return outcome

    def intercept_unary_stream(
        self,
        continuation: Any,  # noqa: ANN401
        client_call_details: grpc.ClientCallDetails,
        request: object,
    ) -> Any:  # noqa: ANN401
        """Call, and raise what fails while the stream is read."""
        details = self._details(client_call_details, timeout=client_call_details.timeout)
        return _Stream(continuation(details, request), address=self._address)

    def _details(self, given: grpc.ClientCallDetails, *, timeout: float | None) -> _Details:
        return _Details(
            method=given.method,
            timeout=timeout,
            metadata=(*(given.metadata or ()), *self._metadata),
            credentials=given.credentials,
            wait_for_ready=given.wait_for_ready,
            compression=given.compression,
        )


class _Stream:
    """A call that streams, with typed errors; everything else is the call's own."""

    def __init__(self, call: Any, *, address: str) -> None:  # noqa: ANN401
        self._call = call
        self._address = address

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:  # noqa: ANN401
        try:
            return next(self._call)
        except grpc.RpcError as error:
            raise to_error(cast("Any", error), address=self._address) from error

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._call, name)
