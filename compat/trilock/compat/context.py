"""Make the context of a check: the frame and the readings, worked out once."""

from datetime import date

from trilock.compat.fit import readings
from trilock.compat.frame import build_frame
from trilock.compat.policy import Policy
from trilock.compat.rule import Context
from trilock.compat.subject import Consumer, Predecessor, SharedState, Subject


def make_context(
    subject: Subject,
    *,
    policy: Policy,
    predecessors: tuple[Predecessor, ...] = (),
    consumers: tuple[Consumer, ...] = (),
    shared: tuple[SharedState, ...] = (),
    today: date | None = None,
) -> Context:
    """Return what the rules see of *subject*."""
    frame = build_frame(
        subject.features,
        path=policy.serving_path,
        may_be_missing=policy.may_be_missing(subject.features),
        full_feature_names=policy.full_feature_names,
    )
    return Context(
        subject=subject,
        policy=policy,
        frame=frame,
        readings=()
        if subject.signature is None
        else tuple(readings(subject.signature, frame, columns=subject.columns)),
        predecessors=predecessors,
        consumers=consumers,
        shared=shared,
        today=today,
    )
