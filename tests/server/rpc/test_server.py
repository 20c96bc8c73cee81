"""The server around the services: health, reflection, malformed requests, limits, its end."""

from __future__ import annotations  # grpc's classes are generic in the stubs only

import logging
import threading
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tests.support.served_world import (
    DEADLINE,
    SERVICES,
    Served,
    bearer,
    detail,
    refused,
    secret_of,
    served_world,
    settings_text,
    status_of,
)
from trilock.compat import Category, Finding, Report, Severity
from trilock.server.domain.errors import IncompatibleError, PreconditionError, UnavailableError
from trilock.server.settings import SettingsError
from trilock.v1 import report_pb2
from trilock.v1.admin_service_pb2 import GetServerInfoRequest
from trilock.v1.bundle_service_pb2 import GetBundleRequest, ListBundlesRequest
from trilock.v1.check_service_pb2 import CheckRequest
from trilock.v1.serving_service_pb2 import WatchRequest

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def raw_call(served: Served, method: str, content: bytes) -> Any:
    """Call a method with bytes that no generated code would send."""
    with served.channel() as channel:
        call: Any = channel.unary_unary(f"/trilock.v1.{method}")
        return refused(
            lambda: call(content, timeout=DEADLINE, metadata=(bearer(secret_of("admin")),))
        )


def test_health_needs_no_token_and_knows_every_service(served: Served) -> None:
    names = ["", *(f"trilock.v1.{service}Service" for service in SERVICES)]
    with served.channel() as channel:
        health = health_pb2_grpc.HealthStub(channel)
        found = {
            name: health.Check(health_pb2.HealthCheckRequest(service=name), timeout=DEADLINE).status
            for name in names
        }

    assert found == dict.fromkeys(names, SERVING)


def test_reflection_lists_every_service(served: Served) -> None:
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    with served.channel() as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        (answer,) = stub.ServerReflectionInfo(iter([request]), timeout=DEADLINE)

    assert sorted(service.name for service in answer.list_services_response.service) == [
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
        *sorted(f"trilock.v1.{service}Service" for service in SERVICES),
    ]


@pytest.mark.parametrize("content", [b"\xff\xff\xff", b"\x0a\x02\xc3\x28"])
@pytest.mark.parametrize("method", ["BundleService/GetBundle", "ServingService/Watch"])
def test_bytes_that_are_no_request_are_the_callers_mistake(
    served: Served, method: str, content: bytes
) -> None:
    error = raw_call(served, method, content)

    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    (violation,) = detail(error, BadRequest()).field_violations
    assert violation.field == "request"


def test_an_unknown_method_is_unimplemented(served: Served) -> None:
    assert raw_call(served, "BundleService/Nope", b"").code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_request_that_is_too_large_is_refused(served: Served) -> None:
    request = GetBundleRequest(name="x" * (2 << 20))

    error = refused(lambda: served.call("Bundle.GetBundle", request))

    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_defect_is_internal_with_a_number_that_the_log_has(
    served: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        message = "password=hunter2"
        raise ZeroDivisionError(message)

    monkeypatch.setattr("trilock.server.rpc.bundle_service.list_bundles", broken)
    with caplog.at_level(logging.ERROR):
        error = refused(lambda: served.call("Bundle.ListBundles", ListBundlesRequest()))

    info = detail(error, ErrorInfo())
    assert (error.code(), info.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    assert "hunter2" not in str(status_of(error))
    (record,) = [item for item in caplog.records if info.metadata["error"] in item.getMessage()]
    assert "/trilock.v1.BundleService/ListBundles" in record.getMessage()
    assert record.exc_info is not None


def test_a_defect_in_a_stream_is_internal_too(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(served.hub, "watch", broken)

    error = refused(lambda: next(served.call("Serving.Watch", WatchRequest())))

    assert error.code() is grpc.StatusCode.INTERNAL


def test_an_unavailable_database_is_unavailable(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object, **__: object) -> None:
        message = "trilock's database: database is locked"
        raise UnavailableError(message)

    monkeypatch.setattr("trilock.server.rpc.bundle_service.list_bundles", busy)

    error = refused(lambda: served.call("Bundle.ListBundles", ListBundlesRequest()))

    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert error.details() == "trilock's database: database is locked"


def test_an_error_with_a_long_story_still_arrives_as_what_it_is(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    findings = [
        Finding(
            path=f"größe_{number}",
            rule="FIT002",
            category=Category.FIT,
            severity=Severity.ERROR,
            expected="double",
            found="string",
            message="ß" * 300,
            remedy="ä" * 300,
        )
        for number in range(500)
    ]

    def refuse(*_: object, **__: object) -> None:
        raise IncompatibleError(subject="ü" * 5000, report=Report.of(findings))

    monkeypatch.setattr("trilock.server.rpc.check_service.check_bundle", refuse)
    request = CheckRequest(alias="models/delay/aliases/production", bundle="models/delay/bundles/1")

    error = refused(lambda: served.call("Check.Check", request))

    assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert detail(error, ErrorInfo()).reason == "INCOMPATIBLE"
    assert detail(error, report_pb2.Report()).findings[0].rule == "FIT002"


def test_the_end_is_told_before_it_comes_and_streams_are_ended(tmp_path: Path) -> None:
    with served_world(tmp_path) as served, served.channel() as channel:
        watched = health_pb2_grpc.HealthStub(channel).Watch(
            health_pb2.HealthCheckRequest(service="trilock.v1.ServingService"), timeout=DEADLINE
        )
        statuses = [next(watched).status]
        stream = served.call("Serving.Watch", WatchRequest())
        next(stream)
        ended: list[Any] = []
        reader = threading.Thread(target=lambda: ended.append(refused(lambda: list(stream))))
        reader.start()

        served.stop()

        reader.join(DEADLINE)
        statuses.append(next(watched).status)

    assert statuses == [SERVING, NOT_SERVING]
    assert ended[0].code() is grpc.StatusCode.UNAVAILABLE
    assert detail(ended[0], ErrorInfo()).reason == "UNAVAILABLE"


def test_a_port_that_is_taken_is_not_shared(served: Served, tmp_path: Path) -> None:
    with (
        served_world(tmp_path, text=settings_text(served.address), start=False) as second,
        pytest.raises(PreconditionError, match=f"cannot listen on {served.address}"),
    ):
        second.start()


def test_beyond_loopback_somebody_must_be_known(tmp_path: Path, certificates: Any) -> None:
    text = f"""
[server]
listen = "0.0.0.0:0"
tls_cert = "{certificates.server_cert}"
tls_key = "{certificates.server_key}"
"""
    with (
        served_world(tmp_path, text=text, start=False) as served,
        pytest.raises(SettingsError, match=r"beyond loopback: .* at least one token"),
    ):
        served.start()


def test_a_tls_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    text = settings_text(more='tls_cert = "no.pem"\ntls_key = "no.key"')
    with (
        served_world(tmp_path, text=text, start=False) as served,
        pytest.raises(SettingsError, match=r"server.tls_cert: .*no.pem cannot be read"),
    ):
        served.start()


def test_over_tls_a_token_and_a_certificate_both_prove_who_calls(
    tmp_path: Path, certificates: Any
) -> None:
    tls = f"""
tls_cert = "{certificates.server_cert}"
tls_key = "{certificates.server_key}"
tls_client_ca = "{certificates.authority}"
"""
    text = settings_text(more=tls) + '[certificates."ci.example"]\nroles = ["check"]\n'
    with served_world(tmp_path, text=text) as served:

        def info(client: str, *metadata: tuple[str, str]) -> Any:
            credentials = grpc.ssl_channel_credentials(
                certificates.authority.read_bytes(),
                certificates.client(client, "key"),
                certificates.client(client, "cert"),
            )
            with grpc.secure_channel(served.address, credentials) as channel:
                stub = SERVICES["Admin"].AdminServiceStub(channel)
                return stub.GetServerInfo(
                    GetServerInfoRequest(), timeout=DEADLINE, metadata=metadata
                )

        by_certificate = info("ci.example")
        by_token = info("ci.example", bearer(secret_of("promote")))
        unknown = refused(lambda: info("stranger.example"))
        with served.channel() as channel:
            clear = refused(
                lambda: (
                    SERVICES["Admin"]
                    .AdminServiceStub(channel)
                    .GetServerInfo(GetServerInfoRequest(), timeout=DEADLINE)
                )
            )

    assert (by_certificate.principal, list(by_certificate.roles)) == ("ci.example", ["check"])
    assert by_token.principal == "promote"
    assert unknown.code() is grpc.StatusCode.UNAUTHENTICATED
    assert unknown.details() == (
        "the settings have no certificate 'stranger.example'; set TRILOCK_TOKEN_FILE, or run "
        "`trilock init` beside the server"
    )
    assert clear.code() is grpc.StatusCode.UNAVAILABLE
