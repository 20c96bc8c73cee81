"""The blocking client against a real server with canned answers."""

import importlib
from collections.abc import Iterator

import grpc
import pytest
from google.protobuf.message import Message

from tests.server.rpc.conftest import Certificates
from tests.support.fake_server import SERVICES, FakeServer, RefusedError
from trilock.client import Client, errors
from trilock.client._transport.channel import READS
from trilock.v1.admin_service_pb2 import GetServerInfoRequest, GetServerInfoResponse
from trilock.v1.feature_service_pb2 import (
    MaterializeFeaturesRequest,
    MaterializeFeaturesResponse,
)
from trilock.v1.release_service_pb2 import GetAliasRequest, PromoteRequest, PromoteResponse
from trilock.v1.report_pb2 import Finding, Report
from trilock.v1.serving_service_pb2 import ResolveRequest, ResolveResponse

INFO = GetServerInfoResponse(version="1.2.3")
ASK = GetServerInfoRequest()
TOKEN = "s3cret"  # noqa: S105 - this one opens nothing


def test_a_call_carries_the_token_and_a_deadline() -> None:
    with FakeServer() as server, Client(server.address, token=TOKEN, timeout=20) as client:
        server.answer("AdminService.GetServerInfo", INFO)

        assert client.admin.GetServerInfo(ASK) == INFO

    (call,) = server.calls
    assert call.metadata["authorization"] == f"Bearer {TOKEN}"
    assert 10 < call.time_remaining < 21


def test_a_call_without_token_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRILOCK_CONFIG", "/nowhere/trilock.toml")
    with FakeServer() as server, Client(server.address) as client:
        server.answer("AdminService.GetServerInfo", INFO)
        client.admin.GetServerInfo(ASK)

    assert "authorization" not in server.calls[0].metadata


def test_a_call_may_say_its_own_deadline() -> None:
    with FakeServer() as server, Client(server.address, timeout=500) as client:
        server.answer("AdminService.GetServerInfo", INFO)
        client.admin.GetServerInfo(ASK, timeout=7)

    assert server.calls[0].time_remaining < 8


def test_calls_that_run_user_code_have_more_time() -> None:
    with FakeServer() as server, Client(server.address, timeout=5) as client:
        server.answer("ReleaseService.Promote", PromoteResponse())
        client.releases.Promote(PromoteRequest())

    assert 500 < server.calls[0].time_remaining < 601


@pytest.mark.parametrize(
    ("code", "reason", "expected"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_NAME", errors.InvalidError),
        (grpc.StatusCode.NOT_FOUND, "NOT_FOUND", errors.NotFoundError),
        (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED", errors.AlreadyExistsError),
        (grpc.StatusCode.FAILED_PRECONDITION, "INCOMPATIBLE", errors.IncompatibleError),
        (grpc.StatusCode.FAILED_PRECONDITION, "UNDECIDABLE", errors.UndecidableError),
        (grpc.StatusCode.FAILED_PRECONDITION, "FOREIGN_EDIT", errors.ForeignEditError),
        (grpc.StatusCode.FAILED_PRECONDITION, "HOLD_ACTIVE", errors.HeldError),
        (grpc.StatusCode.FAILED_PRECONDITION, "NOT_READY", errors.NotReadyError),
        (grpc.StatusCode.FAILED_PRECONDITION, "NO_SAFE_TARGET", errors.NoSafeTargetError),
        (grpc.StatusCode.FAILED_PRECONDITION, "PLANE_UNAVAILABLE", errors.PlaneUnavailableError),
        (grpc.StatusCode.FAILED_PRECONDITION, "STALE_PLAN", errors.StalePlanError),
        (grpc.StatusCode.FAILED_PRECONDITION, "WRONG_STATE", errors.WrongStateError),
        (grpc.StatusCode.FAILED_PRECONDITION, "INVENTED_LATER", errors.PreconditionError),
        (grpc.StatusCode.ABORTED, "STALE_ETAG", errors.StaleEtagError),
        (grpc.StatusCode.ABORTED, "OPERATION_IN_PROGRESS", errors.BusyError),
        (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED", errors.UnauthenticatedError),
        (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED", errors.PermissionDeniedError),
        (grpc.StatusCode.OUT_OF_RANGE, "REVISION_COMPACTED", errors.RevisionCompactedError),
        (grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE", errors.UnavailableError),
        (grpc.StatusCode.INTERNAL, "INTERNAL", errors.TrilockError),
    ],
)
def test_each_reason_is_a_type(
    code: grpc.StatusCode, reason: str, expected: type[errors.TrilockError]
) -> None:
    refusal = RefusedError(code=code, message="no", reason=reason, metadata={"resource": "x"})
    with FakeServer() as server, Client(server.address) as client:
        server.answer("ReleaseService.Promote", refusal)
        with pytest.raises(errors.TrilockError) as caught:
            client.releases.Promote(PromoteRequest())

    error = caught.value
    assert type(error) is expected
    assert (str(error), error.reason, error.code) == ("no", reason, code.name)
    assert error.metadata == {"resource": "x"}


def test_bad_input_comes_with_every_violation() -> None:
    refusal = RefusedError(
        code=grpc.StatusCode.INVALID_ARGUMENT,
        message="2 fields are wrong",
        reason="INVALID_ARGUMENT",
        violations=[("alias", "is required"), ("page_size", "is negative")],
    )
    with FakeServer() as server, Client(server.address) as client:
        server.answer("ReleaseService.GetAlias", refusal)
        with pytest.raises(errors.InvalidError) as caught:
            client.releases.GetAlias(GetAliasRequest())

    assert caught.value.violations == (
        errors.Violation(field="alias", message="is required"),
        errors.Violation(field="page_size", message="is negative"),
    )


def test_a_refused_bundle_comes_with_its_report() -> None:
    report = Report(findings=[Finding(rule="FIT002", message="the model reads 'temp'")])
    refusal = RefusedError(
        code=grpc.StatusCode.FAILED_PRECONDITION,
        message="incompatible",
        reason="INCOMPATIBLE",
        details=[report],
    )
    with FakeServer() as server, Client(server.address) as client:
        server.answer("ReleaseService.Promote", refusal)
        with pytest.raises(errors.IncompatibleError) as caught:
            client.releases.Promote(PromoteRequest())

    assert caught.value.report == report


def test_other_errors_have_no_report() -> None:
    with FakeServer() as server, Client(server.address) as client:
        server.answer(
            "ReleaseService.Promote",
            RefusedError(code=grpc.StatusCode.NOT_FOUND, message="no", reason="NOT_FOUND"),
        )
        with pytest.raises(errors.NotFoundError) as caught:
            client.releases.Promote(PromoteRequest())

    assert caught.value.report is None


def test_when_nobody_answers_the_address_and_what_to_do_is_said() -> None:
    with FakeServer() as server:
        address = server.address

    with Client(address) as client, pytest.raises(errors.UnavailableError) as caught:
        client.releases.Promote(PromoteRequest())

    assert str(caught.value).startswith(f"no trilock server answers at {address} (")
    assert "trilock serve" in str(caught.value)
    assert caught.value.code == "UNAVAILABLE"


def test_a_call_that_takes_too_long_is_unknown_not_failed() -> None:
    with FakeServer() as server, Client(server.address) as client:

        def hang(request: object, context: grpc.ServicerContext) -> Message:
            server.closing.wait()
            return INFO

        server.answer("AdminService.GetServerInfo", hang)
        with pytest.raises(errors.DeadlineError, match="may still be at work"):
            client.admin.GetServerInfo(ASK, timeout=0.05)


def test_a_call_the_server_does_not_know_hints_at_its_version() -> None:
    with (
        FakeServer() as server,
        Client(server.address) as client,
        pytest.raises(errors.TrilockError, match="is it an older trilock"),
    ):
        client.admin.GetServerInfo(ASK)


UNAVAILABLE = RefusedError(code=grpc.StatusCode.UNAVAILABLE, message="later", reason="UNAVAILABLE")


def test_reads_are_repeated_when_nobody_answers() -> None:
    with FakeServer() as server, Client(server.address) as client:
        server.answer("ServingService.Resolve", UNAVAILABLE, UNAVAILABLE, ResolveResponse())

        assert client.serving.Resolve(ResolveRequest()) == ResolveResponse()
    assert len(server.calls) == 3


def test_every_call_that_changes_nothing_is_among_them() -> None:
    methods = {
        (service.name, method.name)
        for name in SERVICES
        for service in importlib.import_module(
            f"trilock.v1.{name}_service_pb2"
        ).DESCRIPTOR.services_by_name.values()
        for method in service.methods
        if not method.server_streaming
    }
    reading = ("Get", "List", "Plan", "Resolve", "Diff")

    assert {(service, method) for service, *names in READS for method in names} == {
        (service, method)
        for service, method in methods
        if method.startswith(reading) or method == "Check"
    }


def test_changes_are_never_repeated() -> None:
    with FakeServer() as server, Client(server.address) as client:
        server.answer("ReleaseService.Promote", UNAVAILABLE, PromoteResponse())
        with pytest.raises(errors.UnavailableError, match="later"):
            client.releases.Promote(PromoteRequest())

    assert len(server.calls) == 1


def test_a_stream_ends_with_a_typed_error() -> None:
    line = MaterializeFeaturesResponse(project="delay__s1", progress="weather")

    def half(request: object, context: grpc.ServicerContext) -> Iterator[Message]:
        yield line
        raise RefusedError(
            code=grpc.StatusCode.FAILED_PRECONDITION, message="no source", reason="NOT_READY"
        )

    with FakeServer() as server, Client(server.address, token=TOKEN) as client:
        server.answer("FeatureService.MaterializeFeatures", half)
        stream = client.features.MaterializeFeatures(MaterializeFeaturesRequest())

        assert next(stream) == line
        with pytest.raises(errors.NotReadyError, match="no source"):
            next(stream)

    assert server.calls[0].metadata["authorization"] == f"Bearer {TOKEN}"
    assert server.calls[0].time_remaining > 1e9


def test_a_future_may_be_waited_for() -> None:
    with FakeServer() as server, Client(server.address) as client:
        server.answer("AdminService.GetServerInfo", INFO)

        assert client.admin.GetServerInfo.future(ASK).result(timeout=10) == INFO


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


class TestOverTls:
    @pytest.fixture
    def server(self, certificates: Certificates) -> Iterator[FakeServer]:
        """A server that asks every caller for a certificate."""
        pair = (certificates.server_key.read_bytes(), certificates.server_cert.read_bytes())
        credentials = grpc.ssl_server_credentials(
            [pair], certificates.authority.read_bytes(), require_client_auth=True
        )
        with FakeServer(credentials=credentials) as server:
            server.answer("AdminService.GetServerInfo", INFO)
            yield server

    def test_both_sides_prove_who_they_are(
        self, server: FakeServer, certificates: Certificates
    ) -> None:
        certificates.client("ci", "cert")
        folder = certificates.authority.parent
        with Client(
            server.address,
            ca_file=certificates.authority,
            cert_file=folder / "ci-cert.pem",
            key_file=folder / "ci-key.pem",
            token=TOKEN,
        ) as client:
            assert client.admin.GetServerInfo(ASK) == INFO

        assert server.calls[0].metadata["authorization"] == f"Bearer {TOKEN}"

    def test_a_caller_without_a_certificate_is_told_what_failed(
        self, server: FakeServer, certificates: Certificates
    ) -> None:
        with (
            Client(server.address, ca_file=certificates.authority) as client,
            pytest.raises(errors.UnavailableError, match=f"answers at {server.address}"),
        ):
            client.admin.GetServerInfo(ASK)

    def test_a_server_that_nobody_vouches_for_gets_no_token(
        self, server: FakeServer, certificates: Certificates
    ) -> None:
        with (
            Client(server.address, ca_file=certificates.server_cert, token=TOKEN) as client,
            pytest.raises(errors.UnavailableError),
        ):
            client.admin.GetServerInfo(ASK)

        assert server.calls == []
