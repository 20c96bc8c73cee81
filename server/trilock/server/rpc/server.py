"""The gRPC server: services, interceptors, health, reflection, TLS, and a graceful end.

It is NOT_SERVING before it stops, ends the streams so that clients resume them
elsewhere, and gives calls a time to finish.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, Final

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from trilock.server.domain.errors import PreconditionError, UnavailableError
from trilock.server.rpc.admin_service import AdminService
from trilock.server.rpc.bundle_service import BundleService
from trilock.server.rpc.check_service import CheckService
from trilock.server.rpc.drift_service import DriftService
from trilock.server.rpc.feature_service import FeatureService
from trilock.server.rpc.fleet_service import FleetService
from trilock.server.rpc.interceptors import ErrorInterceptor, PrincipalInterceptor
from trilock.server.rpc.operation_service import OperationService
from trilock.server.rpc.pipeline_service import PipelineService
from trilock.server.rpc.policy_service import PolicyService
from trilock.server.rpc.principals import Authenticator
from trilock.server.rpc.release_service import ReleaseService
from trilock.server.rpc.service import Parts, Service
from trilock.server.rpc.serving_service import ServingService
from trilock.server.rpc.sink_service import SinkService
from trilock.server.rpc.threads import Threads
from trilock.server.serving.bell import Bell
from trilock.server.serving.compaction import compact
from trilock.server.serving.hub import Hub
from trilock.server.settings import ServerSettings, Settings, SettingsError
from trilock.server.store.migrate import head
from trilock.server.usecases.runtime import Runtime
from trilock.v1 import (
    admin_service_pb2_grpc,
    bundle_service_pb2_grpc,
    check_service_pb2_grpc,
    drift_service_pb2_grpc,
    feature_service_pb2_grpc,
    fleet_service_pb2_grpc,
    operation_service_pb2_grpc,
    pipeline_service_pb2_grpc,
    policy_service_pb2_grpc,
    release_service_pb2_grpc,
    serving_service_pb2_grpc,
    sink_service_pb2_grpc,
)

_log = logging.getLogger(__name__)

_SERVICES: Final[tuple[tuple[type[Service], Callable[[Any, grpc.aio.Server], None]], ...]] = (
    (AdminService, admin_service_pb2_grpc.add_AdminServiceServicer_to_server),
    (BundleService, bundle_service_pb2_grpc.add_BundleServiceServicer_to_server),
    (CheckService, check_service_pb2_grpc.add_CheckServiceServicer_to_server),
    (DriftService, drift_service_pb2_grpc.add_DriftServiceServicer_to_server),
    (FeatureService, feature_service_pb2_grpc.add_FeatureServiceServicer_to_server),
    (FleetService, fleet_service_pb2_grpc.add_FleetServiceServicer_to_server),
    (OperationService, operation_service_pb2_grpc.add_OperationServiceServicer_to_server),
    (PolicyService, policy_service_pb2_grpc.add_PolicyServiceServicer_to_server),
    (PipelineService, pipeline_service_pb2_grpc.add_PipelineServiceServicer_to_server),
    (ReleaseService, release_service_pb2_grpc.add_ReleaseServiceServicer_to_server),
    (ServingService, serving_service_pb2_grpc.add_ServingServiceServicer_to_server),
    (SinkService, sink_service_pb2_grpc.add_SinkServiceServicer_to_server),
)

SERVICE_NAMES: Final = tuple(f"trilock.v1.{servicer.__name__}" for servicer, _ in _SERVICES)
"""Full names of trilock's own services."""

_OPTIONS: Final[Sequence[tuple[str, Any]]] = (
    # Two servers on one port would share the calls between two databases.
    ("grpc.so_reuseport", 0),
    # The largest request has 64 KiB of serving config.
    ("grpc.max_receive_message_length", 1 << 20),
    ("grpc.max_send_message_length", -1),
    # Watchers idle for long: find the dead ones, and let clients look for us.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
)

_COMPACTION_SECONDS: Final = 3600.0

_LAST_BYTES_SECONDS: Final = 0.1
"""How long the last answers have to leave before connections are cut."""


class RpcServer:
    """Serves one runtime. Made, started and stopped on one event loop."""

    def __init__(
        self,
        settings: Settings,
        *,
        runtime: Runtime,
        hub: Hub,
        authenticator: Authenticator,
    ) -> None:
        self._settings = settings
        self._runtime = runtime
        self._hub = hub
        self._authenticator = authenticator
        self._threads = Threads()
        self._health = health.aio.HealthServicer()
        self._errors = ErrorInterceptor()
        self._tasks: list[asyncio.Task[None]] = []
        self._server: grpc.aio.Server | None = None

    async def start(self) -> str:
        """Begin to serve; return the address that is listened on.

        The hub has been started.

        Raises:
            SettingsError: It would not be safe to listen there, or a TLS file is not there.
            PreconditionError: The address cannot be listened on.
            UnavailableError: The database does not answer.
        """
        await self._threads.quick(self._authenticator.refresh)
        listen = self._settings.server
        require_safe(listen, nobody=self._authenticator.knows_nobody)
        writes = Bell(asyncio.get_running_loop())
        self._runtime.database.after_write(writes.ring)
        parts = Parts(
            runtime=self._runtime,
            hub=self._hub,
            threads=self._threads,
            authenticator=self._authenticator,
            writes=writes,
            keep_receipts_ms=self._settings.sinks.keep_ms,
            version=version("trilock"),
            schema=head(),
            started=datetime.now(UTC),
        )
        server = grpc.aio.server(
            interceptors=(self._errors, PrincipalInterceptor(self._authenticator)),
            options=_OPTIONS,
        )
        for servicer, add in _SERVICES:
            add(servicer(parts), server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        reflection.enable_server_reflection(
            (*SERVICE_NAMES, health.SERVICE_NAME, reflection.SERVICE_NAME), server
        )
        address = _bind(server, listen)
        await server.start()
        self._server = server
        self._tasks = [
            asyncio.create_task(self._every(self._settings.serving.poll_seconds, self._tokens)),
            asyncio.create_task(self._every(_COMPACTION_SECONDS, self._compact)),
        ]
        for name in ("", *SERVICE_NAMES):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        return address

    async def stop(self, grace: float) -> None:
        """Stop serving: calls have *grace* seconds to end, streams are ended now. Idempotent."""
        await self._health.enter_graceful_shutdown()
        await self._hub.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._server is not None:
            stopping = asyncio.ensure_future(self._server.stop(grace))
            idle = asyncio.ensure_future(self._errors.idle())
            # gRPC itself would wait for those, too, who only watch our health.
            await asyncio.wait((stopping, idle), return_when=asyncio.FIRST_COMPLETED)
            idle.cancel()
            await asyncio.wait((stopping,), timeout=_LAST_BYTES_SECONDS)
            if not stopping.done():
                await self._server.stop(0)
            await stopping
        self._threads.close()

    async def _every(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
            except UnavailableError:
                # The hub has said so already; what is in memory goes on to count.
                _log.debug("the database does not answer")
            except Exception as error:  # noqa: BLE001 - the next time may be better
                _log.error("a defect of trilock", exc_info=error)
            await asyncio.sleep(seconds)

    async def _tokens(self) -> None:
        await self._threads.quick(self._authenticator.refresh)

    async def _compact(self) -> None:
        await self._threads.quick(
            compact,
            self._runtime.database,
            hours=self._settings.serving.keep_events_hours,
            acknowledgement_days=self._settings.fleet.keep_days,
        )


def require_safe(listen: ServerSettings, *, nobody: bool) -> None:
    """Do nothing if it is safe to listen.

    Raises:
        SettingsError: It is beyond loopback without TLS, or nobody could prove who they are.
    """
    if not listen.loopback and (listen.tls_cert is None or nobody):
        what = (
            f"is {listen.listen}, beyond loopback: that needs tls_cert, tls_key and at least one "
            "token or certificate"
        )
        raise SettingsError("settings", (("server.listen", what),))


def _bind(server: grpc.aio.Server, listen: ServerSettings) -> str:
    try:
        if listen.tls_cert is None or listen.tls_key is None:
            port = server.add_insecure_port(listen.listen)
        else:
            port = server.add_secure_port(listen.listen, _credentials(listen))
    except RuntimeError as error:
        raise PreconditionError(
            f"cannot listen on {listen.listen}: is another server there? "
            "`listen` in [server] of the settings says where",
            listen=listen.listen,
        ) from error
    return f"{listen.host}:{port}"


def _credentials(listen: ServerSettings) -> grpc.ServerCredentials:
    files: dict[str, bytes] = {}
    for key in ("tls_cert", "tls_key", "tls_client_ca"):
        path = getattr(listen, key)
        if path is None:
            continue
        try:
            files[key] = path.read_bytes()
        except OSError as error:
            what = f"{path} cannot be read: {error.strerror}"
            raise SettingsError("settings", ((f"server.{key}", what),)) from error
    authority = files.get("tls_client_ca")
    return grpc.ssl_server_credentials(
        [(files["tls_key"], files["tls_cert"])],
        root_certificates=authority,
        require_client_auth=authority is not None,
    )
