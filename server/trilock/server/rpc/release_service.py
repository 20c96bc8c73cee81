"""ReleaseService: the verbs. What it only reads is in `release_reads`."""

from collections.abc import Callable
from functools import partial

from trilock.server.domain.names import AliasRef, BundleRef, ReleaseRef, operation_id
from trilock.server.domain.operation import Operation
from trilock.server.rpc.convert.operations import operation_to_proto
from trilock.server.rpc.convert.releases import fallback_to_proto, release_to_proto
from trilock.server.rpc.principals import current_principal
from trilock.server.rpc.release_reads import ReleaseReads
from trilock.server.rpc.service import Context
from trilock.server.rpc.validate import validating
from trilock.server.rpc.validate_release import ALL, companions_of, trial_of
from trilock.server.usecases.abort import abort
from trilock.server.usecases.advance import advance
from trilock.server.usecases.describe_operation import describe_operation
from trilock.server.usecases.finalize import finalize
from trilock.server.usecases.manage_fallback import clear_fallback, set_fallback
from trilock.server.usecases.pause import Paused, pause, resume
from trilock.server.usecases.promote import promote
from trilock.server.usecases.promote_together import Subject, promote_together
from trilock.server.usecases.roll_back import roll_back
from trilock.v1 import operation_pb2, release_service_pb2


class ReleaseService(ReleaseReads):
    """See release_service.proto."""

    async def Promote(
        self, request: release_service_pb2.PromoteRequest, _context: Context
    ) -> release_service_pb2.PromoteResponse:
        """See release_service.proto."""
        with validating() as check:
            alias = check.name("alias", request.alias, AliasRef.parse)
            bundle = check.name("bundle", request.bundle, BundleRef.parse)
            check.same_model("bundle", bundle, alias=alias)
            window = check.window("feature_window", request.feature_window, required=False)
            plan_id = check.text("plan", request.plan, limit=128)
            reason = check.text("reason", request.reason)
            accept_unready = check.text("accept_unready", request.accept_unready)
            etag = check.text("etag", request.etag, limit=128)
            request_id = check.request_id(request.request_id)
            trial = trial_of(check, request)
            deadline = check.duration("deadline", request)
            accept_window = check.text("accept_window", request.accept_window)
            companions = companions_of(check, request.companions)
        lead = Subject(alias=alias, bundle=bundle)
        operation = await self.threads.slow(
            partial(promote_together, self.runtime, subjects=[lead, *companions])
            if companions
            else partial(promote, self.runtime, alias=alias, bundle=bundle, trial=trial),
            window=window,
            plan_id=plan_id,
            reason=reason,
            accept_unready=accept_unready,
            etag=etag,
            request_id=request_id,
            validate_only=request.validate_only,
            principal=current_principal().name,
            deadline_seconds=deadline,
            accept_window=accept_window,
        )
        return release_service_pb2.PromoteResponse(operation=await self._told(operation))

    async def Advance(
        self, request: release_service_pb2.AdvanceRequest, _context: Context
    ) -> release_service_pb2.AdvanceResponse:
        """See release_service.proto."""
        with validating() as check:
            alias = check.name("alias", request.alias, AliasRef.parse)
            if not 1 <= request.percent <= ALL:
                check.wrong("percent", f"is {request.percent}; it must be from 1 to {ALL}")
            reason = check.text("reason", request.reason)
            etag = check.text("etag", request.etag, limit=128)
            request_id = check.request_id(request.request_id)
        operation = await self.threads.slow(
            advance,
            self.runtime,
            alias=alias,
            percent=request.percent,
            reason=reason,
            etag=etag,
            request_id=request_id,
            validate_only=request.validate_only,
            principal=current_principal().name,
        )
        return release_service_pb2.AdvanceResponse(operation=await self._told(operation))

    async def Finalize(
        self, request: release_service_pb2.FinalizeRequest, _context: Context
    ) -> release_service_pb2.FinalizeResponse:
        """See release_service.proto."""
        with validating() as check:
            alias = check.name("alias", request.alias, AliasRef.parse)
            reason = check.text("reason", request.reason)
            etag = check.text("etag", request.etag, limit=128)
            request_id = check.request_id(request.request_id)
        operation = await self.threads.quick(
            finalize,
            self.runtime,
            alias=alias,
            reason=reason,
            etag=etag,
            request_id=request_id,
            validate_only=request.validate_only,
            principal=current_principal().name,
        )
        return release_service_pb2.FinalizeResponse(operation=await self._told(operation))

    async def RollBack(
        self, request: release_service_pb2.RollBackRequest, _context: Context
    ) -> release_service_pb2.RollBackResponse:
        """See release_service.proto."""
        with validating() as check:
            alias = check.name("alias", request.alias, AliasRef.parse)
            leaves = check.name("leaves", request.leaves, ReleaseRef.parse)
            check.same_model("leaves", leaves, alias=alias)
            to_bundle = check.optional("to_bundle", request.to_bundle, BundleRef.parse)
            check.same_model("to_bundle", to_bundle, alias=alias)
            reason = check.text("reason", request.reason)
            incident = check.text("incident", request.incident, limit=255)
            request_id = check.request_id(request.request_id)
        started = await self.threads.quick(
            roll_back,
            self.runtime,
            alias=alias,
            leaves=leaves,
            to_bundle=to_bundle,
            reason=reason,
            incident=incident,
            request_id=request_id,
            validate_only=request.validate_only,
            principal=current_principal().name,
        )
        return release_service_pb2.RollBackResponse(
            operation=await self._told(started.operation), already_done=started.already_done
        )

    async def Pause(
        self, request: release_service_pb2.PauseRequest, _context: Context
    ) -> release_service_pb2.PauseResponse:
        """See release_service.proto."""
        paused = await self._pause_or_resume(pause, request)
        return release_service_pb2.PauseResponse(
            release=release_to_proto(paused.release), already_done=paused.already_done
        )

    async def Resume(
        self, request: release_service_pb2.ResumeRequest, _context: Context
    ) -> release_service_pb2.ResumeResponse:
        """See release_service.proto."""
        paused = await self._pause_or_resume(resume, request)
        return release_service_pb2.ResumeResponse(
            release=release_to_proto(paused.release), already_done=paused.already_done
        )

    async def _pause_or_resume(
        self,
        verb: Callable[..., Paused],
        request: release_service_pb2.PauseRequest | release_service_pb2.ResumeRequest,
    ) -> Paused:
        with validating() as check:
            alias = check.name("alias", request.alias, AliasRef.parse)
            reason = check.text("reason", request.reason)
            etag = check.text("etag", request.etag, limit=128)
            request_id = check.request_id(request.request_id)
        return await self.threads.quick(
            verb,
            self.runtime,
            alias=alias,
            reason=reason,
            etag=etag,
            request_id=request_id,
            validate_only=request.validate_only,
            principal=current_principal().name,
        )

    async def Abort(
        self, request: release_service_pb2.AbortRequest, _context: Context
    ) -> release_service_pb2.AbortResponse:
        """See release_service.proto."""
        with validating() as check:
            operation = check.name("operation", request.operation, operation_id)
            reason = check.text("reason", request.reason)
            incident = check.text("incident", request.incident, limit=255)
            request_id = check.request_id(request.request_id)
        aborted = await self.threads.quick(
            abort,
            self.runtime,
            operation,
            reason=reason,
            incident=incident,
            request_id=request_id,
            validate_only=request.validate_only,
            principal=current_principal().name,
        )
        return release_service_pb2.AbortResponse(
            operation=await self._told(aborted.operation),
            rolls_back=aborted.rolls_back,
            already_done=aborted.already_done,
            aliases=[str(alias) for alias in aborted.aliases],
        )

    async def SetFallback(
        self, request: release_service_pb2.SetFallbackRequest, _context: Context
    ) -> release_service_pb2.SetFallbackResponse:
        """See release_service.proto."""
        with validating() as check:
            alias = check.name("alias", request.alias, AliasRef.parse)
            bundle = check.name("bundle", request.bundle, BundleRef.parse)
            check.same_model("bundle", bundle, alias=alias)
            reason = check.text("reason", request.reason)
        fallback = await self.threads.slow(
            set_fallback,
            self.runtime,
            alias=alias,
            bundle=bundle,
            reason=reason,
            validate_only=request.validate_only,
            principal=current_principal().name,
        )
        return release_service_pb2.SetFallbackResponse(
            fallback=None if fallback is None else fallback_to_proto(fallback)
        )

    async def ClearFallback(
        self, request: release_service_pb2.ClearFallbackRequest, _context: Context
    ) -> release_service_pb2.ClearFallbackResponse:
        """See release_service.proto."""
        with validating() as check:
            alias = check.name("alias", request.alias, AliasRef.parse)
            reason = check.text("reason", request.reason)
        await self.threads.quick(
            clear_fallback,
            self.runtime,
            alias=alias,
            reason=reason,
            principal=current_principal().name,
        )
        return release_service_pb2.ClearFallbackResponse()

    async def _told(self, operation: Operation | None) -> operation_pb2.Operation | None:
        if operation is None:
            return None
        status = await self.threads.quick(describe_operation, self.runtime, operation)
        return operation_to_proto(status)
