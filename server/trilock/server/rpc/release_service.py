"""ReleaseService."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from trilock.server.domain.names import AliasRef, BundleRef, ReleaseRef, model_name, operation_id
from trilock.server.domain.operation import Operation, Plan
from trilock.server.domain.release import Release
from trilock.server.planning.planner import Trial
from trilock.server.rpc.convert import (
    alias_to_proto,
    fallback_to_proto,
    operation_to_proto,
    refusal_to_proto,
    release_to_proto,
)
from trilock.server.rpc.convert_plan import plan_to_proto
from trilock.server.rpc.principals import current_principal
from trilock.server.rpc.service import Context, Service
from trilock.server.rpc.validate import Validation, validating
from trilock.server.serving.messages import serving_bundle_message
from trilock.server.store.releases import get_release, list_releases
from trilock.server.store.sinks import ReleaseSink, list_release_sinks
from trilock.server.usecases.abort import abort
from trilock.server.usecases.advance import advance
from trilock.server.usecases.describe_alias import describe_alias, describe_aliases
from trilock.server.usecases.describe_operation import describe_operation
from trilock.server.usecases.describe_past import describe_past
from trilock.server.usecases.describe_rollback import describe_rollback
from trilock.server.usecases.finalize import finalize
from trilock.server.usecases.manage_fallback import clear_fallback, set_fallback
from trilock.server.usecases.pause import Paused, pause, resume
from trilock.server.usecases.promote import PlannedPromotion, promote
from trilock.server.usecases.promote_together import (
    Subject,
    plan_promote_together,
    promote_together,
)
from trilock.server.usecases.roll_back import roll_back
from trilock.v1 import (
    operation_pb2,
    release_pb2,
    release_service_pb2,
    release_service_pb2_grpc,
)

_MAX_COMPANIONS: Final = 16
_ALL: Final = 100
"""Of a hundred requests."""


class ReleaseService(Service, release_service_pb2_grpc.ReleaseServiceServicer):
    """See release_service.proto."""

    async def PlanPromotion(
        self, request: release_service_pb2.PlanPromotionRequest, _context: Context
    ) -> release_service_pb2.PlanPromotionResponse:
        """See release_service.proto."""
        with validating() as check:
            alias = check.name("alias", request.alias, AliasRef.parse)
            bundle = check.name("bundle", request.bundle, BundleRef.parse)
            check.same_model("bundle", bundle, alias=alias)
            window = check.window("feature_window", request.feature_window, required=False)
            companions = _companions(check, request.companions)
            accept_window = check.text("accept_window", request.accept_window)
        planned = await self.threads.slow(
            plan_promote_together,
            self.runtime,
            subjects=[Subject(alias=alias, bundle=bundle), *companions],
            window=window,
            accept_window=accept_window,
        )
        lead, *others = planned.parts
        refusal = planned.refusal
        return release_service_pb2.PlanPromotionResponse(
            plan=_promotion_to_proto(lead, plan=planned.plan),
            refusal=None if refusal is None else refusal_to_proto(refusal),
            companions=[_promotion_to_proto(other, plan=other.plan) for other in others],
        )

    async def PlanRollback(
        self, request: release_service_pb2.PlanRollbackRequest, _context: Context
    ) -> release_service_pb2.PlanRollbackResponse:
        """See release_service.proto."""
        with validating() as check:
            alias = check.name("alias", request.alias, AliasRef.parse)
            to_bundle = check.optional("to_bundle", request.to_bundle, BundleRef.parse)
            check.same_model("to_bundle", to_bundle, alias=alias)
            leaves = check.optional("leaves", request.leaves, ReleaseRef.parse)
            check.same_model("leaves", leaves, alias=alias)
        described = await self.threads.quick(
            describe_rollback, self.runtime, alias=alias, to_bundle=to_bundle, leaves=leaves
        )
        planned, target = described.planned, described.planned.target
        return release_service_pb2.PlanRollbackResponse(
            plan=plan_to_proto(
                planned.plan,
                from_bundle=described.serves,
                to_bundle=target.bundle,
                changes=described.changes,
                not_undone=described.not_undone,
                pace=described.pace,
                between=None if described.middle is None else described.middle.taken,
            ),
            leaves=release_to_proto(planned.leaves, sinks=described.sinks),
            restores=None if target.release is None else release_to_proto(target.release),
            why=target.why,
            passed_over=[
                release_service_pb2.PassedOver(bundle=str(one.bundle), reason=one.reason)
                for one in target.passed_over
            ],
            principal=current_principal().name,
        )

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
            trial = _trial(check, request)
            deadline = check.duration("deadline", request)
            accept_window = check.text("accept_window", request.accept_window)
            companions = _companions(check, request.companions)
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
            if not 1 <= request.percent <= _ALL:
                check.wrong("percent", f"is {request.percent}; it must be from 1 to {_ALL}")
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

    async def GetAlias(
        self, request: release_service_pb2.GetAliasRequest, _context: Context
    ) -> release_service_pb2.GetAliasResponse:
        """See release_service.proto."""
        with validating() as check:
            alias = check.name("name", request.name, AliasRef.parse)
        status = await self.threads.quick(describe_alias, self.runtime, alias)
        return release_service_pb2.GetAliasResponse(alias=alias_to_proto(status))

    async def ListAliases(
        self, request: release_service_pb2.ListAliasesRequest, _context: Context
    ) -> release_service_pb2.ListAliasesResponse:
        """See release_service.proto."""
        with validating() as check:
            model = check.optional("model", request.model, model_name)
            page = check.page(request)
        found = await self.threads.quick(describe_aliases, self.runtime, model=model)
        shown, token = page.of(found)
        return release_service_pb2.ListAliasesResponse(
            aliases=[alias_to_proto(status) for status in shown], next_page_token=token
        )

    async def GetRelease(
        self, request: release_service_pb2.GetReleaseRequest, _context: Context
    ) -> release_service_pb2.GetReleaseResponse:
        """See release_service.proto."""
        with validating() as check:
            ref = check.name("name", request.name, ReleaseRef.parse)

        def read() -> tuple[Release, list[ReleaseSink]]:
            with self.runtime.database.read() as session:
                return get_release(session, ref), list_release_sinks(session, ref)

        release, sinks = await self.threads.quick(read)
        return release_service_pb2.GetReleaseResponse(
            release=release_to_proto(release, sinks=sinks)
        )

    async def GetReleaseAt(
        self, request: release_service_pb2.GetReleaseAtRequest, _context: Context
    ) -> release_service_pb2.GetReleaseAtResponse:
        """See release_service.proto."""
        with validating() as check:
            alias = check.name("alias", request.alias, AliasRef.parse)
            at = check.moment("time", request)
        past = await self.threads.quick(describe_past, self.runtime, alias, at=at)
        return release_service_pb2.GetReleaseAtResponse(
            release=release_to_proto(past.release),
            serving_bundle=serving_bundle_message(past.serving),
        )

    async def ListReleases(
        self, request: release_service_pb2.ListReleasesRequest, _context: Context
    ) -> release_service_pb2.ListReleasesResponse:
        """See release_service.proto."""
        with validating() as check:
            alias = check.optional("alias", request.alias, AliasRef.parse)
            page = check.page(request)

        def read() -> Sequence[Release]:
            with self.runtime.database.read() as session:
                return list_releases(session, alias=alias, offset=page.offset, limit=page.limit)

        shown, token = page.cut(await self.threads.quick(read))
        return release_service_pb2.ListReleasesResponse(
            releases=[release_to_proto(release) for release in shown], next_page_token=token
        )

    async def _told(self, operation: Operation | None) -> operation_pb2.Operation | None:
        if operation is None:
            return None
        status = await self.threads.quick(describe_operation, self.runtime, operation)
        return operation_to_proto(status)


def _promotion_to_proto(planned: PlannedPromotion, *, plan: Plan) -> release_pb2.Plan:
    live = planned.around.live
    return plan_to_proto(
        plan,
        from_bundle=None if live is None else live.bundle,
        to_bundle=planned.bundle.ref,
        report=planned.report,
        changes=planned.changes,
        pace=planned.pace,
        between=None if planned.middle is None else planned.middle.taken,
    )


def _companions(
    check: Validation, companions: Sequence[release_service_pb2.Companion]
) -> list[Subject]:
    if len(companions) > _MAX_COMPANIONS:
        check.wrong("companions", f"has more than {_MAX_COMPANIONS} entries")
    found = []
    for at, companion in enumerate(companions[:_MAX_COMPANIONS]):
        alias = check.name(f"companions[{at}].alias", companion.alias, AliasRef.parse)
        bundle = check.name(f"companions[{at}].bundle", companion.bundle, BundleRef.parse)
        check.same_model(f"companions[{at}].bundle", bundle, alias=alias)
        found.append(Subject(alias=alias, bundle=bundle))
    return found


def _trial(check: Validation, request: release_service_pb2.PromoteRequest) -> Trial | None:
    """Return as what a bundle is tried; None if it is to go live."""
    if not 0 <= request.canary_percent < _ALL:
        check.wrong("canary_percent", f"is {request.canary_percent}; it must be from 1 to 99")
    if request.canary_percent and request.shadow:
        check.wrong("shadow", "give either this or canary_percent")
    if not (request.canary_percent or request.shadow):
        return None
    if request.companions:
        check.wrong("companions", "only what is to be live at once has them")
    return Trial(percent=request.canary_percent)
