"""Which server to call, how to prove who calls, and whether in clear.

Beyond loopback a call is always encrypted, so a token never travels in clear;
on loopback it is encrypted if a CA or a certificate is given. The server keeps the same rule.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from trilock.client.errors import InvalidError

DEFAULT_ADDRESS: Final = "127.0.0.1:7420"
DEFAULT_PORT: Final = "7420"
LOCAL_TOKEN: Final = Path(".trilock", "token")
"""Where `trilock init` puts the local token, beside trilock.toml."""

_HOST_PORT: Final = re.compile(
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?"
)
_LOOPBACK: Final = re.compile(r"localhost|127(?:\.[0-9]{1,3}){3}|\[::1\]")
_TOKEN: Final = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One server, and what a call to it carries."""

    address: str
    """`host:port`, or `unix:/path`."""
    secure: bool
    """Whether calls are encrypted."""
    roots: bytes | None
    """The CA certificates to trust, PEM; None for the system's."""
    identity: tuple[bytes, bytes] | None
    """The caller's own key and certificate, PEM; None for none."""
    token: str | None
    """What proves who calls; None to call without."""

    def __repr__(self) -> str:
        # A token must not end up in a log because somebody printed a target.
        return f"Target({self.address!r}, secure={self.secure})"


def find_target(
    address: str | None = None,
    *,
    token: str | None = None,
    token_file: str | os.PathLike[str] | None = None,
    ca_file: str | os.PathLike[str] | None = None,
    cert_file: str | os.PathLike[str] | None = None,
    key_file: str | os.PathLike[str] | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Target:
    """Return the server to call; what is not given is looked up.

    Args:
        address: `host:port`, `host` or `unix:/path`; by default `TRILOCK_SERVER`, else
            `127.0.0.1:7420`.
        token: The token itself.
        token_file: A file with nothing but the token. Without either: the file that
            `TRILOCK_TOKEN_FILE` names, else `.trilock/token` beside the `trilock.toml` that
            `TRILOCK_CONFIG` names, else `.trilock/token` in the current folder, else none.
        ca_file: CA certificates to trust, PEM; by default `TRILOCK_CA_FILE`, else the system's.
        cert_file: The caller's own certificate, PEM, with its `key_file`; by default
            `TRILOCK_CERT_FILE` and `TRILOCK_KEY_FILE`, else none.
        key_file: See `cert_file`.
        environ: The environment to look into.

    Raises:
        InvalidError: The address is malformed, or a file that was named cannot be used.
    """
    address = _checked_address(address or environ.get("TRILOCK_SERVER") or DEFAULT_ADDRESS)
    ca_file = ca_file or environ.get("TRILOCK_CA_FILE") or None
    identity = _find_identity(
        cert_file or environ.get("TRILOCK_CERT_FILE") or None,
        key_file or environ.get("TRILOCK_KEY_FILE") or None,
    )
    return Target(
        address=address,
        secure=ca_file is not None or identity is not None or not _is_local(address),
        roots=None if ca_file is None else _read(Path(ca_file), what="CA file"),
        identity=identity,
        token=_find_token(token, token_file=token_file, environ=environ),
    )


def _checked_address(text: str) -> str:
    if text.startswith("unix:"):
        return text
    match = _HOST_PORT.fullmatch(text)
    port = int(match["port"] or DEFAULT_PORT) if match else 0
    if match is None or not 0 < port < 1 << 16:
        raise InvalidError(
            f"{text!r} is not the address of a server: it must be HOST:PORT or unix:PATH",
            metadata={"kind": "address", "value": text},
        )
    return f"{match['host']}:{port}"


def _is_local(address: str) -> bool:
    return address.startswith("unix:") or bool(_LOOPBACK.fullmatch(address.rpartition(":")[0]))


def _find_identity(
    cert_file: str | os.PathLike[str] | None, key_file: str | os.PathLike[str] | None
) -> tuple[bytes, bytes] | None:
    if cert_file is None and key_file is None:
        return None
    if cert_file is None or key_file is None:
        raise InvalidError("a certificate file and a key file go together: only one is named")
    key = _read(Path(key_file), what="key file")
    return key, _read(Path(cert_file), what="certificate file")


def _find_token(
    token: str | None, *, token_file: str | os.PathLike[str] | None, environ: Mapping[str, str]
) -> str | None:
    if token is not None:
        return _checked_token(token, origin="the token given")
    named = token_file or environ.get("TRILOCK_TOKEN_FILE")
    if named:
        path = Path(named)
    else:
        path = Path(environ.get("TRILOCK_CONFIG") or "trilock.toml").parent / LOCAL_TOKEN
        if not path.is_file():
            return None
    text = _read(path, what="token file").decode("latin-1").strip()
    return _checked_token(text, origin=f"token file {str(path)!r}")


def _checked_token(token: str, *, origin: str) -> str:
    if not _TOKEN.fullmatch(token):
        # The value itself is a secret, even when it is malformed.
        raise InvalidError(f"{origin} does not hold a token: one line of printable ASCII")
    return token


def _read(path: Path, *, what: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidError(
            f"{what} {str(path)!r} cannot be read: {error.strerror or error}",
            metadata={"kind": what, "value": str(path)},
        ) from error
