"""Properties of a check that hold for whatever features and models there are."""

import json
import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.compat.raws import columns, field, plain, projection, service, view
from trilock.compat import (
    FOR_OTHERS,
    RULES,
    Consumer,
    FeatureSet,
    Finding,
    Mode,
    NullPolicy,
    Policy,
    Predecessor,
    Report,
    ServingPath,
    Severity,
    SharedState,
    Signature,
    Subject,
    Verdict,
    check,
    parse_features,
    parse_signature,
)

NAMES = ["temp", "wind", "gust", "sky", "hour"]
TYPES = ["Int32", "Int64", "Float32", "Float64", "Bool", "String", "UnixTimestamp", "Array(Int64)"]
SERVED_AS = {
    ("Int32", ServingPath.ONLINE): "long",
    ("Int32", ServingPath.HISTORICAL): "integer",
    ("Int64", ServingPath.ONLINE): "long",
    ("Int64", ServingPath.HISTORICAL): "long",
    ("Float32", ServingPath.ONLINE): "double",
    ("Float32", ServingPath.HISTORICAL): "float",
    ("Float64", ServingPath.ONLINE): "double",
    ("Float64", ServingPath.HISTORICAL): "double",
    ("Bool", ServingPath.ONLINE): "boolean",
    ("Bool", ServingPath.HISTORICAL): "boolean",
    ("String", ServingPath.ONLINE): "string",
    ("String", ServingPath.HISTORICAL): "string",
}
"""What `infer_signature` makes of a frame of each path."""

feature_types = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(TYPES), min_size=1)
servable = st.dictionaries(
    st.sampled_from(NAMES), st.sampled_from(sorted({type_ for type_, _ in SERVED_AS})), min_size=1
)
model_types = st.dictionaries(
    st.sampled_from(NAMES),
    st.sampled_from(["long", "integer", "double", "float", "string", "boolean", "datetime"]),
    min_size=1,
)
policies = st.builds(
    Policy,
    mode=st.sampled_from(Mode),
    serving_path=st.sampled_from(ServingPath),
    null_policy=st.sampled_from(NullPolicy),
)
ttls = st.sampled_from(["60s", "3600s"])
feature_sets = st.builds(lambda types, ttl: plain(types, ttl=ttl), feature_types, ttls)


def reading(types: dict[str, str]) -> Signature:
    found = parse_signature(inputs=json.dumps(columns(types)), outputs=None, params=None)
    assert found is not None
    return found


signatures = model_types.map(reading)


def subject(features: FeatureSet, signature: Signature | None) -> Subject:
    return Subject(name="new", signature=signature, features=features)


def before(*features: FeatureSet) -> list[Predecessor]:
    return [
        Predecessor(name=f"old{index}", subject=subject(one, None))
        for index, one in enumerate(features)
    ]


def evolution(report: Report) -> set[Finding]:
    return {one for one in report.findings if one.rule.startswith("EVO")}


def spots(report: Report) -> set[tuple[str, str, str]]:
    """Return where evolution is broken, without the mode that the message names."""
    return {(one.rule, one.path, one.expected) for one in evolution(report)}


@given(types=servable, path=st.sampled_from(ServingPath))
def test_a_model_fits_the_features_it_was_inferred_from(
    types: dict[str, str], path: ServingPath
) -> None:
    signature = reading({name: SERVED_AS[type_, path] for name, type_ in types.items()})
    policy = Policy(serving_path=path, null_policy=NullPolicy.NEVER_MISSING)

    report = check(subject(plain(types), signature), policy=policy)

    assert (report.verdict, report.findings) == (Verdict.COMPATIBLE, ())


@given(features=feature_sets, mode=st.sampled_from(Mode))
def test_a_schema_follows_itself(features: FeatureSet, mode: Mode) -> None:
    report = check(subject(features, None), policy=Policy(mode=mode), predecessors=before(features))

    assert {one.rule for one in report.findings} == {"FIT002"}


@given(features=feature_sets, signature=signatures)
def test_a_swap_that_changes_nothing_breaks_nobody(
    features: FeatureSet, signature: Signature
) -> None:
    consumer = Consumer(name="other", signature=signature, recorded=features, after=features)

    report = check(subject(features, None), consumers=[consumer])

    assert {one.rule for one in report.findings} == {"FIT002"}


@given(
    types=feature_types,
    inputs=model_types,
    old=st.lists(feature_sets, max_size=2),
    policy=policies,
    seed=st.integers(),
)
def test_order_does_not_matter(
    types: dict[str, str],
    inputs: dict[str, str],
    old: list[FeatureSet],
    policy: Policy,
    seed: int,
) -> None:
    def shuffled(table: dict[str, str]) -> dict[str, str]:
        items = list(table.items())
        random.Random(seed).shuffle(items)  # noqa: S311
        return dict(items)

    consumers = [
        Consumer(name=f"c{index}", signature=reading(inputs), recorded=one, after=plain(types))
        for index, one in enumerate(old)
    ]
    first = check(
        subject(plain(types), reading(inputs)),
        policy=policy,
        predecessors=before(*old),
        consumers=consumers,
    )
    second = check(
        subject(plain(shuffled(types)), reading(shuffled(inputs))),
        policy=policy,
        predecessors=before(*old),
        consumers=consumers[::-1],
    )

    assert first == second


@given(new=feature_sets, old=st.lists(feature_sets, min_size=1, max_size=3))
def test_full_is_backward_and_forward(new: FeatureSet, old: list[FeatureSet]) -> None:
    def found(mode: Mode) -> set[tuple[str, str, str]]:
        report = check(subject(new, None), policy=Policy(mode=mode), predecessors=before(*old))
        return spots(report)

    for suffix in ("", "_TRANSITIVE"):
        full = found(Mode(f"FULL{suffix}"))
        assert full == found(Mode(f"BACKWARD{suffix}")) | found(Mode(f"FORWARD{suffix}"))


@given(new=feature_sets, old=st.lists(feature_sets, min_size=1, max_size=3))
def test_transitive_finds_all_that_plain_finds(new: FeatureSet, old: list[FeatureSet]) -> None:
    for mode in (Mode.BACKWARD, Mode.FORWARD, Mode.FULL):
        subjects = subject(new, None)
        plain_found = spots(check(subjects, policy=Policy(mode=mode), predecessors=before(*old)))
        transitive = Mode(f"{mode}_TRANSITIVE")
        found = spots(check(subjects, policy=Policy(mode=transitive), predecessors=before(*old)))
        assert plain_found <= found


@given(one=feature_sets, other=feature_sets)
def test_forward_there_is_backward_on_the_way_back(one: FeatureSet, other: FeatureSet) -> None:
    there = check(subject(one, None), policy=Policy(mode=Mode.FORWARD), predecessors=before(other))
    back = check(subject(other, None), policy=Policy(mode=Mode.BACKWARD), predecessors=before(one))

    assert {(item.rule, item.path) for item in evolution(there)} == {
        (item.rule, item.path) for item in evolution(back)
    }


@given(types=feature_types, signature=signatures, path=st.sampled_from(ServingPath))
def test_rows_that_are_never_missing_only_help(
    types: dict[str, str], signature: Signature, path: ServingPath
) -> None:
    def errors(nulls: NullPolicy) -> set[tuple[str, str]]:
        policy = Policy(serving_path=path, null_policy=nulls)
        report = check(subject(plain(types), signature), policy=policy)
        return {(one.rule, one.path) for one in report.findings}

    assert errors(NullPolicy.NEVER_MISSING) <= errors(NullPolicy.MAY_BE_MISSING)


@given(types=feature_types, signature=signatures, policy=policies)
def test_one_more_feature_only_helps_the_fit(
    types: dict[str, str], signature: Signature, policy: Policy
) -> None:
    def errors(features: FeatureSet) -> set[tuple[str, str]]:
        report = check(subject(features, signature), policy=policy)
        return {(one.rule, one.path) for one in report.findings}

    assert errors(plain({**types, "extra": "Bool"})) <= errors(plain(types))


@given(features=feature_sets, signature=st.none() | signatures, policy=policies)
def test_a_report_survives_json(
    features: FeatureSet, signature: Signature | None, policy: Policy
) -> None:
    report = check(subject(features, signature), policy=policy, predecessors=before(features))

    assert Report.from_json(json.loads(json.dumps(report.to_json()))) == report


@given(features=feature_sets, signature=st.none() | signatures, policy=policies)
def test_the_verdict_is_what_the_findings_add_up_to(
    features: FeatureSet, signature: Signature | None, policy: Policy
) -> None:
    report = check(subject(features, signature), policy=policy)
    severities = {one.severity for one in report.findings}

    assert (report.verdict is Verdict.INCOMPATIBLE) == (Severity.ERROR in severities)
    assert list(report.findings) == sorted(set(report.findings))


def closure(spec: dict[str, Any], ttl: str, description: str) -> FeatureSet:
    objects = [
        view(features=[spec], ttl=ttl, description=description),
        service(projection(features=[spec])),
    ]
    return parse_features(objects, service="delay_v1")


specs = st.builds(field, st.sampled_from(NAMES), st.sampled_from(TYPES))
descriptions = st.sampled_from(["", "hourly"])


@given(one=st.tuples(specs, ttls, descriptions), other=st.tuples(specs, ttls, descriptions))
def test_a_digest_is_equal_exactly_when_its_class_of_thing_is(
    one: tuple[dict[str, Any], str, str], other: tuple[dict[str, Any], str, str]
) -> None:
    first, second = closure(*one).digests, closure(*other).digests

    assert (first.contract == second.contract) == (one[0] == other[0])
    assert (first.semantics == second.semantics) == (one[1] == other[1])
    assert (first.docs == second.docs) == (one[2] == other[2])


def others(report: Report) -> set[tuple[str, str]]:
    found = {*FOR_OTHERS}
    return {(one.rule, one.path) for one in report.findings if one.rule in found}


@given(features=feature_sets, own=feature_sets, signature=signatures, policy=policies)
def test_a_swap_that_changes_nothing_for_another_bundle_breaks_nothing_of_it(
    features: FeatureSet, own: FeatureSet, signature: Signature, policy: Policy
) -> None:
    reader = Consumer(name="eta", signature=signature, recorded=own, after=own, policy=policy)
    state = SharedState(cause="what is there", after=features)

    report = check(subject(features, signature), consumers=[reader], shared=[state])

    assert others(report) == set()


@given(now=feature_sets, then=feature_sets, signature=signatures, policy=policies)
def test_what_breaks_a_consumer_is_what_would_break_the_bundle_that_shares_it(
    now: FeatureSet, then: FeatureSet, signature: Signature, policy: Policy
) -> None:
    consumer = Consumer(name="new", signature=signature, recorded=now, after=then, policy=policy)
    shared = SharedState(cause="a rollback there", after=then)

    as_consumer = check(subject(then, None), consumers=[consumer])
    as_subject = check(subject(now, signature), policy=policy, shared=[shared])

    assert {path.removeprefix("new/") for _, path in others(as_consumer)} == {
        path for _, path in others(as_subject)
    }


@given(
    features=feature_sets,
    before_=feature_sets,
    signature=signatures,
    rule_severities=st.dictionaries(
        st.sampled_from([rule.id for rule in RULES]), st.sampled_from(Severity)
    ),
)
def test_a_policy_changes_what_findings_weigh_and_never_what_is_found(
    features: FeatureSet,
    before_: FeatureSet,
    signature: Signature,
    rule_severities: dict[str, Severity],
) -> None:
    reader = Consumer(name="eta", signature=signature, recorded=before_, after=features)

    def found(policy: Policy) -> dict[tuple[str, str, str], Severity]:
        report = check(
            subject(features, signature),
            policy=policy,
            predecessors=before(before_),
            consumers=[reader],
        )
        return {(one.rule, one.path, one.found): one.severity for one in report.findings}

    plain_, weighed = found(Policy()), found(Policy(severities=rule_severities))

    assert weighed == {key: rule_severities.get(key[0], weight) for key, weight in plain_.items()}
