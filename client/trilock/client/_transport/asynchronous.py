"""The async client: the twin of `Client`, for one event loop."""

from __future__ import annotations  # grpc's classes are generic in the stubs only

import importlib
import os
from collections.abc import AsyncIterator
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

import grpc
import grpc.aio

from trilock.client._transport import channel
from trilock.client._transport.status import to_error
from trilock.client._transport.target import Target, find_target

if TYPE_CHECKING:
    from trilock.v1.admin_service_pb2_grpc import AdminServiceAsyncStub
    from trilock.v1.bundle_service_pb2_grpc import BundleServiceAsyncStub
    from trilock.v1.check_service_pb2_grpc import CheckServiceAsyncStub
    from trilock.v1.drift_service_pb2_grpc import DriftServiceAsyncStub
    from trilock.v1.feature_service_pb2_grpc import FeatureServiceAsyncStub
    from trilock.v1.fleet_service_pb2_grpc import FleetServiceAsyncStub
    from trilock.v1.operation_service_pb2_grpc import OperationServiceAsyncStub
    from trilock.v1.pipeline_service_pb2_grpc import PipelineServiceAsyncStub
    from trilock.v1.policy_service_pb2_grpc import PolicyServiceAsyncStub
    from trilock.v1.release_service_pb2_grpc import ReleaseServiceAsyncStub
    from trilock.v1.serving_service_pb2_grpc import ServingServiceAsyncStub
    from trilock.v1.sink_service_pb2_grpc import SinkServiceAsyncStub


class AsyncClient:
    """Every call of the API, to be awaited. Made inside the event loop that uses it.

        async with AsyncClient() as client:
            await client.releases.GetAlias(GetAliasRequest(name="models/delay/aliases/production"))

    Arguments, errors, deadlines and repeats are those of `Client`.
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
        interceptors = (_UnaryInterceptor(target, timeout=timeout), _StreamInterceptor(target))
        if credentials is None:
            self._channel = grpc.aio.insecure_channel(
                target.address, channel.options(), interceptors=interceptors
            )
        else:
            self._channel = grpc.aio.secure_channel(
                target.address, credentials, channel.options(), interceptors=interceptors
            )
        self.address = target.address

    async def close(self) -> None:
        """End every call that runs, and the channel."""
        await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def _stub(self, name: str) -> Any:  # noqa: ANN401 - each property says the type
        module = importlib.import_module(f"trilock.v1.{name}_service_pb2_grpc")
        return getattr(module, f"{name.capitalize()}ServiceStub")(self._channel)

    @cached_property
    def admin(self) -> AdminServiceAsyncStub:
        """See admin_service.proto."""
        return cast("AdminServiceAsyncStub", self._stub("admin"))

    @cached_property
    def bundles(self) -> BundleServiceAsyncStub:
        """See bundle_service.proto."""
        return cast("BundleServiceAsyncStub", self._stub("bundle"))

    @cached_property
    def checks(self) -> CheckServiceAsyncStub:
        """See check_service.proto."""
        return cast("CheckServiceAsyncStub", self._stub("check"))

    @cached_property
    def drifts(self) -> DriftServiceAsyncStub:
        """See drift_service.proto."""
        return cast("DriftServiceAsyncStub", self._stub("drift"))

    @cached_property
    def features(self) -> FeatureServiceAsyncStub:
        """See feature_service.proto."""
        return cast("FeatureServiceAsyncStub", self._stub("feature"))

    @cached_property
    def fleet(self) -> FleetServiceAsyncStub:
        """See fleet_service.proto."""
        return cast("FleetServiceAsyncStub", self._stub("fleet"))

    @cached_property
    def operations(self) -> OperationServiceAsyncStub:
        """See operation_service.proto."""
        return cast("OperationServiceAsyncStub", self._stub("operation"))

    @cached_property
    def policies(self) -> PolicyServiceAsyncStub:
        """See policy_service.proto."""
        return cast("PolicyServiceAsyncStub", self._stub("policy"))

    @cached_property
    def pipelines(self) -> PipelineServiceAsyncStub:
        """See pipeline_service.proto."""
        return cast("PipelineServiceAsyncStub", self._stub("pipeline"))

    @cached_property
    def releases(self) -> ReleaseServiceAsyncStub:
        """See release_service.proto."""
        return cast("ReleaseServiceAsyncStub", self._stub("release"))

    @cached_property
    def serving(self) -> ServingServiceAsyncStub:
        """See serving_service.proto."""
        return cast("ServingServiceAsyncStub", self._stub("serving"))

    @cached_property
    def sinks(self) -> SinkServiceAsyncStub:
        """See sink_service.proto."""
        return cast("SinkServiceAsyncStub", self._stub("sink"))


def _with(
    details: grpc.aio.ClientCallDetails,
    metadata: tuple[tuple[str, str], ...],
    *,
    timeout: float | None,
) -> grpc.aio.ClientCallDetails:
    """Return *details* with more metadata and another deadline."""
    return grpc.aio.ClientCallDetails(
        method=details.method,
        timeout=timeout,
        metadata=grpc.aio.Metadata(*(details.metadata or ()), *metadata),
        credentials=details.credentials,
        wait_for_ready=details.wait_for_ready,
    )


class _UnaryInterceptor(grpc.aio.UnaryUnaryClientInterceptor):
    """Adds the token and the deadline; turns what fails into typed errors."""

    def __init__(self, target: Target, *, timeout: float) -> None:
        self._address = target.address
        self._metadata = channel.authorization(target)
        self._timeout = timeout

    async def intercept_unary_unary(
        self,
        continuation: Any,  # noqa: ANN401
        client_call_details: grpc.aio.ClientCallDetails,
        request: object,
    ) -> Any:  # noqa: ANN401
        """Call, and raise what failed."""
        # grpc.aio hands out bytes, whatever its types say.
        method = cast("bytes | str", client_call_details.method)
        timeout = channel.deadline(
            method.decode() if isinstance(method, bytes) else method,
            asked=client_call_details.timeout,
            default=self._timeout,
        )
        try:
            call = await continuation(
                _with(client_call_details, self._metadata, timeout=timeout), request
            )
            return await call
        except grpc.aio.AioRpcError as error:
            raise to_error(cast("Any", error), address=self._address) from error


class _StreamInterceptor(grpc.aio.UnaryStreamClientInterceptor):
    """Adds the token; turns what fails while the stream is read into typed errors."""

    def __init__(self, target: Target) -> None:
        self._address = target.address
        self._metadata = channel.authorization(target)

    async def intercept_unary_stream(
        self,
        continuation: Any,  # noqa: ANN401
        client_call_details: grpc.aio.ClientCallDetails,
        request: object,
    ) -> Any:  # noqa: ANN401
        """Call, and raise what fails while the stream is read."""
        details = _with(client_call_details, self._metadata, timeout=client_call_details.timeout)
        return self._read(await continuation(details, request))

    async def _read(self, call: AsyncIterator[Any]) -> AsyncIterator[Any]:
        try:
            async for response in call:
                yield response
        except grpc.aio.AioRpcError as error:
            raise to_error(cast("Any", error), address=self._address) from error
