import os
from pathlib import Path

import pytest

from trilock.client._transport.target import find_target
from trilock.client.errors import InvalidError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.mark.usefixtures("folder")
def test_by_default_the_server_is_local_and_needs_no_thought() -> None:
    target = find_target(environ={})

    assert (target.address, target.secure, target.token) == ("127.0.0.1:7420", False, None)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("given", "address", "secure"),
    [
        ("localhost", "localhost:7420", False),
        ("127.0.0.1:9000", "127.0.0.1:9000", False),
        ("[::1]:9000", "[::1]:9000", False),
        ("unix:/run/trilock", "unix:/run/trilock", False),
        ("trilock.internal:443", "trilock.internal:443", True),
        ("10.0.0.7", "10.0.0.7:7420", True),
        ("127.example.org:7420", "127.example.org:7420", True),
    ],
)
def test_calls_beyond_loopback_are_encrypted(*, given: str, address: str, secure: bool) -> None:
    target = find_target(given, environ={})

    assert (target.address, target.secure) == (address, secure)


def test_a_ca_file_encrypts_on_loopback_too(folder: Path) -> None:
    ca_file = write(folder / "ca.pem", "certificates")

    target = find_target("localhost", environ={"TRILOCK_CA_FILE": str(ca_file)})

    assert (target.secure, target.roots) == (True, b"certificates")


@pytest.mark.parametrize(
    "address", ["http://localhost:7420", "a b", "host:0", "host:65536", ":7420"]
)
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(InvalidError, match="it must be HOST:PORT or unix:PATH"):
        find_target(address, environ={})


@pytest.mark.parametrize(
    ("given", "from_file", "environ", "found"),
    [
        ("given", "file", {"TRILOCK_TOKEN_FILE": "named"}, "given"),
        (None, "file", {"TRILOCK_TOKEN_FILE": "named"}, "in-file"),
        (None, None, {"TRILOCK_TOKEN_FILE": "named", "TRILOCK_CONFIG": "etc/t.toml"}, "in-named"),
        (None, None, {"TRILOCK_CONFIG": "etc/t.toml"}, "beside-config"),
        (None, None, {}, "here"),
    ],
)
def test_the_token_is_looked_for_in_order(
    *,
    folder: Path,
    given: str | None,
    from_file: str | None,
    environ: dict[str, str],
    found: str,
) -> None:
    write(folder / "file", "in-file\n")
    write(folder / "named", "in-named\n")
    write(folder / "etc/.trilock/token", "beside-config\n")
    write(folder / ".trilock/token", "here\n")

    assert find_target(token=given, token_file=from_file, environ=environ).token == found


def test_a_token_is_not_shown() -> None:
    assert "s3cret" not in repr(find_target(token="s3cret", environ={}))  # noqa: S106


def test_a_token_file_that_was_named_must_be_there(folder: Path) -> None:
    with pytest.raises(InvalidError, match="token file 'gone' cannot be read: No such file"):
        find_target(token_file=os.fspath(folder.relative_to(folder) / "gone"), environ={})


@pytest.mark.parametrize("content", ["", "two words", "naïve", "a\nb"])
def test_a_token_file_with_something_else_is_refused_without_showing_it(
    *, folder: Path, content: str
) -> None:
    path = write(folder / "token", content)

    with pytest.raises(InvalidError) as caught:
        find_target(token_file=path, environ={})

    assert str(caught.value) == (
        f"token file {str(path)!r} does not hold a token: one line of printable ASCII"
    )


def test_a_certificate_of_ones_own_needs_its_key(folder: Path) -> None:
    write(folder / "cert.pem", "certificate")
    write(folder / "key.pem", "key")
    both = {"TRILOCK_CERT_FILE": "cert.pem", "TRILOCK_KEY_FILE": "key.pem"}

    target = find_target(environ=both)

    assert (target.secure, target.identity) == (True, (b"key", b"certificate"))
    with pytest.raises(InvalidError, match="go together"):
        find_target(environ={"TRILOCK_CERT_FILE": "cert.pem"})
