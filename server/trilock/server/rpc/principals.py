"""Who calls, and which role each method needs.

A principal is proven by a token, or by the certificate that the client's TLS
showed. Tokens come from the settings and from the database; all of them are
kept in memory, by the SHA-256 of their secret, so that serving goes on when the
database is away.
"""

from __future__ import annotations  # grpc's classes are generic in the stubs only

import hashlib
import hmac
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, Final

import grpc

from trilock.server.domain.access import Principal, Role, Token
from trilock.server.domain.errors import UnauthenticatedError
from trilock.server.settings import Settings
from trilock.server.store.database import Database
from trilock.server.store.tokens import list_tokens

_METHODS: Final = {
    Role.SERVE: (
        "AdminService/GetServerInfo",
        "BundleService/Diff",
        "BundleService/GetBundle",
        "BundleService/GetFeatureSchema",
        "BundleService/ListBundles",
        "BundleService/ListFeatureSchemas",
        "DriftService/ListDrifts",
        "FeatureService/ListFeatureProjects",
        "FleetService/ListAcknowledgements",
        "FleetService/ListWatchers",
        "FleetService/ReportServing",
        "OperationService/GetOperation",
        "OperationService/ListOperations",
        "OperationService/WaitOperation",
        "PolicyService/GetPolicy",
        "PolicyService/ListPolicies",
        "PolicyService/ListWaivers",
        "PipelineService/GetPipeline",
        "PipelineService/GetRevertPatch",
        "ReleaseService/GetAlias",
        "ReleaseService/GetRelease",
        "ReleaseService/GetReleaseAt",
        "ReleaseService/ListAliases",
        "ReleaseService/ListReleases",
        "ServingService/Resolve",
        "ServingService/Watch",
        "SinkService/GetReceipt",
        "SinkService/GetSink",
        "SinkService/ListSinks",
    ),
    Role.CHECK: (
        "CheckService/Check",
        "CheckService/GetBaseline",
        "ReleaseService/PlanPromotion",
        "ReleaseService/PlanRollback",
        # Keys and rows are the user's data, which a serving process need not read here.
        "SinkService/ListQuarantinedRows",
        "SinkService/ListReceiptRows",
    ),
    Role.RECORD: (
        "BundleService/CaptureFeatureSchema",
        "BundleService/DeriveBundle",
        "BundleService/RecordBundle",
    ),
    Role.ROLLBACK: (
        "BundleService/PlaceHold",
        "OperationService/CancelOperation",
        "OperationService/RetryOperation",
        "ReleaseService/Abort",
        "ReleaseService/Pause",
        "ReleaseService/RollBack",
    ),
    Role.PROMOTE: (
        "BundleService/LiftHold",
        "DriftService/Adopt",
        "DriftService/Reassert",
        "FeatureService/MaterializeFeatures",
        "PolicyService/CreateWaiver",
        "PolicyService/RevokeWaiver",
        "PolicyService/SetPolicy",
        "FeatureService/RetireFeatures",
        "ReleaseService/ClearFallback",
        "PipelineService/CheckoutPipeline",
        "ReleaseService/Advance",
        "ReleaseService/Finalize",
        "ReleaseService/Resume",
        "ReleaseService/SetFallback",
        "ReleaseService/Promote",
        "SinkService/PurgeReceipts",
        "SinkService/RegisterSink",
    ),
    Role.ADMIN: (
        "AdminService/CreateToken",
        "AdminService/ListTokens",
        "AdminService/RevokeToken",
    ),
}

ROLES: Final[Mapping[str, Role]] = {
    f"/trilock.v1.{method}": role for role, methods in _METHODS.items() for method in methods
}
"""The role that each method needs. A method that is not here cannot be called."""

_principal: ContextVar[Principal] = ContextVar("principal")


def current_principal() -> Principal:
    """Return who makes the call that is being served."""
    return _principal.get()


def act_as(principal: Principal) -> None:
    """Have `current_principal` return *principal* for the rest of this call's task."""
    _principal.set(principal)


class Authenticator:
    """Says who calls, from memory."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.settings_tokens = tuple(
            Token(
                principal=name,
                roles=token.roles,
                created=None,
                creator="settings",
                sha256=token.sha256,
            )
            for name, token in sorted(settings.tokens.items())
        )
        """The tokens that only a person with the settings file can change."""
        self._certificates = {
            name: Principal(name=name, roles=certificate.roles)
            for name, certificate in settings.certificates.items()
        }
        self._database = database
        self.edition = 0
        """Another number whenever the tokens are others: who was admitted may not be any more."""
        self._tokens: Mapping[str, Token] = {}
        self._principals: Mapping[str, Principal] = {}
        self._know(self.settings_tokens)

    @property
    def knows_nobody(self) -> bool:
        """Whether there is no token and no certificate at all, so that every call fails."""
        return not self._tokens and not self._certificates

    def refresh(self) -> None:
        """Read the tokens of the database. Blocks; replaces all of them at once.

        Raises:
            UnavailableError: The database does not answer; the known tokens stay.
        """
        with self._database.read() as session:
            stored = list_tokens(session)
        # The settings win: a row must not take the right of a principal in them away.
        self._know((*stored, *self.settings_tokens))

    def _know(self, tokens: tuple[Token, ...]) -> None:
        by_digest = _by_digest(tokens)
        if by_digest == self._tokens:
            return
        # Made here, not for each call. Principals first: who is found has one.
        self._principals = {
            **self._principals,
            **{
                digest: Principal(name=token.principal, roles=token.roles)
                for digest, token in by_digest.items()
            },
        }
        self._tokens = by_digest
        self.edition += 1

    def authenticate(self, context: grpc.aio.ServicerContext[Any, Any]) -> Principal:
        """Return who makes the call of *context*.

        Raises:
            UnauthenticatedError: Nobody that is known.
        """
        header = _authorization(context)
        if header is not None:
            return self._by_token(header)
        names = context.auth_context().get("x509_common_name")
        if not names:
            raise UnauthenticatedError("the call has no token")
        name = next(iter(names)).decode(errors="replace")
        if name not in self._certificates:
            raise UnauthenticatedError(f"the settings have no certificate {name!r}")
        return self._certificates[name]

    def _by_token(self, header: str) -> Principal:
        scheme, _, secret = header.partition(" ")
        if scheme.lower() != "bearer" or not secret:
            raise UnauthenticatedError("the authorization header is not `Bearer TOKEN`")
        digest = hashlib.sha256(secret.encode()).hexdigest()
        # Looking a digest up tells at most how a digest begins, and nobody can
        # make a token for that; the comparison itself takes the same time for all.
        token = self._tokens.get(digest)
        if token is None or not hmac.compare_digest(token.sha256, digest):
            raise UnauthenticatedError("the token is unknown or was revoked")
        return self._principals[digest]


def _by_digest(tokens: tuple[Token, ...]) -> Mapping[str, Token]:
    return {token.sha256: token for token in tokens}


def _authorization(context: grpc.aio.ServicerContext[Any, Any]) -> str | None:
    for key, text in context.invocation_metadata() or ():
        if key == "authorization" and isinstance(text, str):
            return text
    return None
