"""FleetService."""

from collections.abc import Sequence
from typing import Final

from google.protobuf.duration_pb2 import Duration

from trilock.server.domain.errors import AlreadyExistsError
from trilock.server.domain.fleet import EXPIRES_SECONDS, MAX_REFUSAL, Acknowledgement, ServingReport
from trilock.server.domain.names import AliasRef
from trilock.server.rpc.batches import Batches
from trilock.server.rpc.convert.fleet import (
    acknowledgement_to_proto,
    fleet_to_proto,
    watcher_to_proto,
)
from trilock.server.rpc.principals import current_principal
from trilock.server.rpc.service import Context, Parts, Service
from trilock.server.rpc.validate import MAX_LIST, REQUEST_ID, Validation, validating
from trilock.server.store.fleet import Recorded
from trilock.server.usecases.describe_fleet import describe_fleet, describe_who_served
from trilock.server.usecases.report_serving import report_serving
from trilock.v1 import fleet_service_pb2, fleet_service_pb2_grpc

_WATCHER: Final = REQUEST_ID
"""A process's own name has the grammar of an id."""


class FleetService(Service, fleet_service_pb2_grpc.FleetServiceServicer):
    """See fleet_service.proto."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self._reports = Batches[ServingReport, Recorded | AlreadyExistsError](self._write)

    async def ReportServing(
        self, request: fleet_service_pb2.ReportServingRequest, _context: Context
    ) -> fleet_service_pb2.ReportServingResponse:
        """See fleet_service.proto."""
        with validating() as check:
            watcher = check.token("watcher", request.watcher, _WATCHER)
            if len(request.acknowledgements) > MAX_LIST:
                check.wrong("acknowledgements", f"has more than {MAX_LIST} entries")
            given = [
                _acknowledgement(check, f"acknowledgements[{at}]", one)
                for at, one in enumerate(request.acknowledgements[:MAX_LIST])
            ]
        outcome = await self._reports.add(
            ServingReport(
                watcher=watcher,
                principal=current_principal().name,
                acknowledgements=tuple(given),
                leaves=request.leaves,
            )
        )
        if isinstance(outcome, AlreadyExistsError):
            raise outcome
        return fleet_service_pb2.ReportServingResponse(
            expires_in=Duration(seconds=int(EXPIRES_SECONDS)),
            resend=outcome.resend,
            unknown_aliases=[str(alias) for alias in outcome.unknown],
        )

    async def ListWatchers(
        self, request: fleet_service_pb2.ListWatchersRequest, _context: Context
    ) -> fleet_service_pb2.ListWatchersResponse:
        """See fleet_service.proto."""
        with validating() as check:
            alias = check.name("alias", request.alias, AliasRef.parse)
            page = check.page(request)
        fleet = await self.threads.quick(describe_fleet, self.runtime, alias)
        shown, token = page.of(fleet.watchers)
        return fleet_service_pb2.ListWatchersResponse(
            watchers=[
                watcher_to_proto(watcher, alias=alias, revision=fleet.revision) for watcher in shown
            ],
            next_page_token=token,
            fleet=fleet_to_proto(fleet),
        )

    async def ListAcknowledgements(
        self, request: fleet_service_pb2.ListAcknowledgementsRequest, _context: Context
    ) -> fleet_service_pb2.ListAcknowledgementsResponse:
        """See fleet_service.proto."""
        with validating() as check:
            revision = check.number("revision", request.revision)
            page = check.page(request)
        found = await self.threads.quick(
            describe_who_served,
            self.runtime,
            revision=revision,
            offset=page.offset,
            limit=page.limit,
        )
        shown, token = page.cut(found)
        return fleet_service_pb2.ListAcknowledgementsResponse(
            acknowledgements=[
                acknowledgement_to_proto(one, bundle=bundle) for one, bundle in shown
            ],
            next_page_token=token,
        )

    async def _write(
        self, reports: Sequence[ServingReport]
    ) -> Sequence[Recorded | AlreadyExistsError]:
        return await self.threads.quick(report_serving, self.runtime, reports)


def _acknowledgement(
    check: Validation, field: str, message: fleet_service_pb2.Acknowledgement
) -> Acknowledgement:
    return Acknowledgement(
        alias=check.name(f"{field}.alias", message.alias, AliasRef.parse),
        generation=check.number(f"{field}.generation", message.generation),
        revision=check.number(f"{field}.revision", message.revision),
        standby_warm=message.standby_warm,
        refusal=check.text(f"{field}.refusal", message.refusal, limit=MAX_REFUSAL),
    )
