"""Who may call what, held against the real server."""

from __future__ import annotations  # grpc's classes are generic in the stubs only

from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import ErrorInfo

from tests.support.served_world import (
    DEADLINE,
    SERVICES,
    Served,
    bearer,
    detail,
    refused,
    served_world,
    status_of,
)
from trilock.server.domain.access import Role
from trilock.server.rpc.principals import ROLES
from trilock.v1.admin_service_pb2 import (
    CreateTokenRequest,
    GetServerInfoRequest,
    ListTokensRequest,
    RevokeTokenRequest,
)
from trilock.v1.serving_service_pb2 import WatchRequest
from trilock.v1.serving_service_pb2_grpc import ServingServiceStub

INFO = "Admin.GetServerInfo"


def every_method() -> dict[str, Any]:
    """Return the descriptor of every method of trilock's services, by `/package.Service/Method`."""
    methods: dict[str, Any] = {}
    for service in SERVICES:
        module = import_module(f"trilock.v1.{service.lower()}_service_pb2")
        for descriptor in module.DESCRIPTOR.services_by_name.values():
            for method in descriptor.methods:
                methods[f"/{descriptor.full_name}/{method.name}"] = method
    return methods


def test_every_method_needs_a_role() -> None:
    assert sorted(ROLES) == sorted(every_method())


@pytest.mark.parametrize(
    ("method", "role"),
    [
        ("ServingService/Watch", Role.SERVE),
        ("ReleaseService/GetAlias", Role.SERVE),
        ("ReleaseService/PlanRollback", Role.CHECK),
        ("CheckService/Check", Role.CHECK),
        ("BundleService/RecordBundle", Role.RECORD),
        ("BundleService/DeriveBundle", Role.RECORD),
        ("ReleaseService/RollBack", Role.ROLLBACK),
        ("ReleaseService/Abort", Role.ROLLBACK),
        ("ReleaseService/Pause", Role.ROLLBACK),
        ("ReleaseService/Resume", Role.PROMOTE),
        ("ReleaseService/SetFallback", Role.PROMOTE),
        ("OperationService/CancelOperation", Role.ROLLBACK),
        ("OperationService/RetryOperation", Role.ROLLBACK),
        ("ReleaseService/Promote", Role.PROMOTE),
        ("FeatureService/MaterializeFeatures", Role.PROMOTE),
        ("FeatureService/RetireFeatures", Role.PROMOTE),
        ("AdminService/CreateToken", Role.ADMIN),
    ],
)
def test_the_role_of_a_method(method: str, role: Role) -> None:
    assert ROLES[f"/trilock.v1.{method}"] is role


MAY = {
    Role.SERVE: {Role.SERVE},
    Role.CHECK: {Role.SERVE, Role.CHECK},
    Role.RECORD: {Role.SERVE, Role.CHECK, Role.RECORD},
    Role.ROLLBACK: {Role.SERVE, Role.CHECK, Role.ROLLBACK},
    Role.PROMOTE: {Role.SERVE, Role.CHECK, Role.PROMOTE},
    Role.ADMIN: set(Role),
}


@pytest.mark.parametrize("principal", Role)
def test_a_method_is_closed_to_whoever_lacks_its_role(served: Served, principal: Role) -> None:
    closed = set()
    for path, method in every_method().items():
        service, name = method.containing_service.name.removesuffix("Service"), method.name
        if (service, name) == ("Serving", "Watch"):
            continue  # it would go on
        request = import_module(f"trilock.v1.{service.lower()}_service_pb2").__dict__[
            method.input_type.name
        ]()
        try:
            response = served.call(f"{service}.{name}", request, principal=principal.value)
            if method.server_streaming:
                next(response, None)
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.PERMISSION_DENIED:
                closed.add(ROLES[path])

    assert closed == set(Role) - MAY[principal]


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ((), "the call has no token"),
        ((("authorization", "Bearer "),), "the authorization header is not `Bearer TOKEN`"),
        ((("authorization", "Basic abc"),), "the authorization header is not `Bearer TOKEN`"),
        ((bearer("wrong"),), "the token is unknown or was revoked"),
    ],
)
def test_who_does_not_prove_who_they_are_is_nobody(
    served: Served, metadata: tuple[tuple[str, str], ...], message: str
) -> None:
    with served.channel() as channel:
        stub = SERVICES["Admin"].AdminServiceStub(channel)
        error = refused(
            lambda: stub.GetServerInfo(GetServerInfoRequest(), timeout=DEADLINE, metadata=metadata)
        )

    assert error.code() is grpc.StatusCode.UNAUTHENTICATED
    assert status_of(error).message.startswith(message)


def test_a_stream_is_closed_to_nobody_too(served: Served) -> None:
    error = refused(lambda: next(served.call("Serving.Watch", WatchRequest(), principal=None)))

    assert error.code() is grpc.StatusCode.UNAUTHENTICATED


def test_the_server_says_who_asks(served: Served) -> None:
    info = served.call(INFO, GetServerInfoRequest(), principal="rollback")

    assert (info.principal, list(info.roles)) == ("rollback", ["rollback"])
    assert (info.database, list(info.models)) == ("sqlite", ["delay"])
    assert info.generation > 0


def test_a_token_is_made_used_listed_and_revoked(tmp_path: Path) -> None:
    with served_world(tmp_path) as served:
        made = served.call(
            "Admin.CreateToken", CreateTokenRequest(principal="ci", roles=["record", "check"])
        )
        listed = served.call("Admin.ListTokens", ListTokensRequest()).tokens
        with served.channel() as channel:
            admin = SERVICES["Admin"].AdminServiceStub(channel)
            metadata = (bearer(made.secret),)
            info = admin.GetServerInfo(GetServerInfoRequest(), timeout=DEADLINE, metadata=metadata)
            stream = ServingServiceStub(channel).Watch(
                WatchRequest(), timeout=DEADLINE, metadata=metadata
            )
            next(stream)

            served.call("Admin.RevokeToken", RevokeTokenRequest(principal="ci"))

            unary = refused(
                lambda: admin.GetServerInfo(
                    GetServerInfoRequest(), timeout=DEADLINE, metadata=metadata
                )
            )
            ended = refused(lambda: list(stream))

    assert (info.principal, list(info.roles)) == ("ci", ["check", "record"])
    assert made.secret.startswith("trilock_")
    assert made.token.creator == "admin"
    assert {token.principal: token.settings for token in listed} == {
        "admin": True,
        "check": True,
        "ci": False,
        "promote": True,
        "record": True,
        "rollback": True,
        "serve": True,
    }
    assert unary.code() is ended.code() is grpc.StatusCode.UNAUTHENTICATED


def test_a_token_that_is_revoked_elsewhere_is_soon_useless_here(tmp_path: Path) -> None:
    with served_world(tmp_path) as served:
        made = served.call("Admin.CreateToken", CreateTokenRequest(principal="ci", roles=["serve"]))
        with served.channel() as channel:
            stream = ServingServiceStub(channel).Watch(
                WatchRequest(), timeout=DEADLINE, metadata=(bearer(made.secret),)
            )
            next(stream)
            with served.world.database.engine.connect() as connection:
                connection.exec_driver_sql("DELETE FROM token")
                connection.commit()

            ended = refused(lambda: list(stream))

    assert ended.code() is grpc.StatusCode.UNAUTHENTICATED


def test_what_cannot_be_done_with_tokens(served: Served) -> None:
    served.call("Admin.CreateToken", CreateTokenRequest(principal="twice", roles=["serve"]))
    calls: dict[str, tuple[str, Message]] = {
        "settings": ("Admin.CreateToken", CreateTokenRequest(principal="serve", roles=["serve"])),
        "twice": ("Admin.CreateToken", CreateTokenRequest(principal="twice", roles=["serve"])),
        "keep": ("Admin.RevokeToken", RevokeTokenRequest(principal="serve")),
        "nobody": ("Admin.RevokeToken", RevokeTokenRequest(principal="nobody")),
        "bad": ("Admin.CreateToken", CreateTokenRequest(principal="a b", roles=["boss"])),
    }
    codes = {
        name: refused(partial(served.call, method, request)).code().name
        for name, (method, request) in calls.items()
    }

    assert codes == {
        "settings": "ALREADY_EXISTS",
        "twice": "ALREADY_EXISTS",
        "keep": "FAILED_PRECONDITION",
        "nobody": "NOT_FOUND",
        "bad": "INVALID_ARGUMENT",
    }


def test_the_secret_is_nowhere_in_the_database(tmp_path: Path) -> None:
    with served_world(tmp_path) as served:
        made = served.call("Admin.CreateToken", CreateTokenRequest(principal="ci", roles=["serve"]))

    written = b"".join(file.read_bytes() for file in tmp_path.glob("trilock.db*"))
    assert made.token.principal.encode() in written
    assert made.secret.encode() not in written


def test_denied_says_what_is_needed(served: Served) -> None:
    error = refused(
        lambda: served.call("Admin.ListTokens", ListTokensRequest(), principal="promote")
    )

    info = detail(error, ErrorInfo())
    assert (info.reason, dict(info.metadata)) == (
        "PERMISSION_DENIED",
        {"principal": "promote", "needed": "admin"},
    )
