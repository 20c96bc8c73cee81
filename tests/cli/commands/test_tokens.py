import stat
from pathlib import Path

import pytest

from tests.support.command_line import Trilock
from tests.support.fake_server import FakeServer
from tests.support.releases import ago
from trilock.v1.admin_service_pb2 import (
    CreateTokenRequest,
    CreateTokenResponse,
    ListTokensResponse,
    RevokeTokenRequest,
    RevokeTokenResponse,
    Token,
)


@pytest.fixture(autouse=True)
def created(server: FakeServer) -> None:
    token = Token(
        principal="ci", roles=["check", "record"], creator="alice", create_time=ago(days=2)
    )
    secret = "s3cret"  # noqa: S105 - it opens nothing
    server.answer("AdminService.CreateToken", CreateTokenResponse(token=token, secret=secret))
    kept = Token(principal="root", roles=["admin"], settings=True)
    server.answer("AdminService.ListTokens", ListTokensResponse(tokens=[token, kept]))
    server.answer("AdminService.RevokeToken", RevokeTokenResponse())


def test_the_secret_alone_goes_to_stdout(server: FakeServer, trilock: Trilock) -> None:
    run = trilock("tokens", "create", "ci", "--role=check", "--role=record")

    assert (run.code, run.out) == (0, "s3cret\n")
    assert run.err == "the token of ci, shown this once:\n"
    assert server.requests("AdminService.CreateToken") == [
        CreateTokenRequest(principal="ci", roles=["check", "record"])
    ]


def test_or_into_a_file_that_only_its_owner_can_read(trilock: Trilock, tmp_path: Path) -> None:
    file = tmp_path / "token"

    run = trilock("tokens", "create", "ci", "--role=check", f"--file={file}", "-o", "json")

    assert file.read_text() == "s3cret\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert run.json["secret"] is None
    assert "s3cret" not in run.err


def test_a_file_that_is_there_is_never_replaced(
    server: FakeServer, trilock: Trilock, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("mine")

    run = trilock("tokens", "create", "ci", "--role=check", f"--file={file}")

    assert (run.code, file.read_text()) == (2, "mine")
    assert server.requests("AdminService.CreateToken") == []


def test_tokens_are_listed_without_secrets(trilock: Trilock) -> None:
    run = trilock("tokens", "list")

    ci, root = run.out.splitlines()[1:]
    assert ci.split()[:4] == ["ci", "check,", "record", "alice"]
    assert root.split() == ["root", "admin", "-", "settings"]
    assert trilock("tokens", "list", "-o", "json").json[0]["principal"] == "ci"


def test_a_token_is_revoked(server: FakeServer, trilock: Trilock) -> None:
    run = trilock("tokens", "revoke", "ci")

    assert (run.code, run.err) == (0, "the token of ci is revoked\n")
    assert server.requests("AdminService.RevokeToken") == [RevokeTokenRequest(principal="ci")]
