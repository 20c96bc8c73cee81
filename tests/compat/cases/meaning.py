"""Cases of the SEMANTICS, LINEAGE, CONSUMERS and POLICY rules."""

from datetime import date

from tests.compat import raws
from tests.compat.cases.base import NEW, OTHER, TEMP, TODAY, Case, consumer
from tests.compat.raws import flights, plain, projection, service, signature, view
from trilock.compat import Lineage, Policy, Waiver, parse_features

BOTH = plain({"temp": "Float64", "wind": "Float64"})


def waived(until: date) -> Policy:
    waiver = Waiver(
        rule="FIT013", path="distance", owner="ana", reason="the caller adds it", expires=until
    )
    return Policy(waivers=(waiver,))


CELSIUS = raws.UDF.replace("70.0", "21.0")

MEANING = [
    Case(rule="SEM001", about="the same", features=flights(), before=[flights()]),
    Case(
        rule="SEM001",
        about="only a comment",
        features=flights(text=raws.UDF.replace("# Fahrenheit", "# F")),
        before=[flights()],
    ),
    Case(
        rule="SEM001",
        about="the transformation",
        features=flights(text=CELSIUS),
        before=[flights()],
        paths=["warmth:warm"],
    ),
    Case(
        rule="SEM001",
        about="the source, and so what is made from it",
        features=flights(batch_source=raws.source(timestamp_field="seen_at")),
        before=[flights()],
        paths=["warmth:warm", "weather:temp", "weather:wind"],
    ),
    Case(
        rule="SEM001",
        about="ttl",
        features=plain({"temp": "Float64"}, ttl="60s"),
        before=[TEMP],
        paths=["weather:temp"],
    ),
    Case(rule="SEM001", about="only a new feature", features=BOTH, before=[TEMP]),
    Case(
        rule="SEM001",
        about="another type is another rule's",
        features=plain({"temp": "String"}, ttl="60s"),
        before=[TEMP],
    ),
    Case(
        rule="SEM001",
        about="joined by another key",
        features=parse_features(
            [view(), service(projection(join_key_map={"airport": "dest"}))], service="delay_v1"
        ),
        before=[
            parse_features(
                [view(), service(projection(join_key_map={"airport": "origin"}))],
                service="delay_v1",
            )
        ],
        paths=["weather:temp", "weather:wind"],
    ),
    Case(rule="SEM002", about="the same bytes", features=flights(), before=[flights()]),
    Case(
        rule="SEM002",
        about="other bytes, the same text",
        features=flights(body="gASW"),
        before=[flights()],
        paths=["on_demand_feature_view/warmth"],
    ),
    Case(
        rule="SEM002",
        about="another text",
        features=flights(text=CELSIUS, body="gASW"),
        before=[flights()],
    ),
]

COMMIT = "9c1f" + "0" * 36

LINEAGE = [
    Case(
        rule="LIN001",
        about="the same commit",
        lineage=Lineage(trained_commit=COMMIT),
        revision=COMMIT,
    ),
    Case(
        rule="LIN001", about="abbreviated", lineage=Lineage(trained_commit="9C1F0"), revision=COMMIT
    ),
    Case(
        rule="LIN001",
        about="another commit",
        lineage=Lineage(trained_commit="77ab"),
        revision=COMMIT,
        paths=[NEW],
    ),
    Case(rule="LIN001", about="nothing said", revision=COMMIT),
    Case(rule="LIN002", about="the same service", lineage=Lineage(trained_service="delay_v1")),
    Case(
        rule="LIN002",
        about="another service",
        lineage=Lineage(trained_service="delay_v2"),
        paths=[NEW],
    ),
    Case(rule="LIN002", about="nothing said"),
]

CONSUMERS = [
    Case(rule="CON001", about="it still fits", consumers=[consumer(TEMP)]),
    Case(
        rule="CON001",
        about="what it reads is dropped",
        consumers=[consumer(plain({"wind": "Float64"}))],
        paths=[f"{OTHER}/temp"],
    ),
    Case(
        rule="CON001",
        about="what it reads is retyped",
        consumers=[consumer(plain({"temp": "String"}))],
        paths=[f"{OTHER}/temp"],
    ),
    Case(
        rule="CON001",
        about="it did not fit before",
        consumers=[consumer(TEMP, sig=signature({"temp": "double", "gust": "double"}))],
    ),
    Case(rule="CON002", about="it keeps its meaning", consumers=[consumer(BOTH)]),
    Case(
        rule="CON002",
        about="what it reads is made in another way",
        consumers=[consumer(plain({"temp": "Float64", "wind": "Float64"}, ttl="60s"))],
        paths=[f"{OTHER}/weather:temp"],
    ),
    Case(
        rule="CON002",
        about="without a signature it may read everything",
        consumers=[consumer(plain({"temp": "Float64", "wind": "Float64"}, ttl="60s"), sig=None)],
        paths=[f"{OTHER}/weather:temp", f"{OTHER}/weather:wind"],
    ),
    Case(rule="CON003", about="nothing that it reads differs there", shared=[BOTH, TEMP]),
    Case(
        rule="CON003",
        about="a rollback there takes away what it reads",
        shared=[plain({"wind": "Float64"})],
        paths=["temp"],
    ),
    Case(
        rule="CON003",
        about="a rollback there makes what it reads in another way",
        shared=[plain({"temp": "Float64"}, ttl="60s")],
        paths=["weather:temp"],
    ),
    Case(
        rule="CON003",
        about="what it does not read may differ",
        features=BOTH,
        shared=[TEMP],
    ),
]

POLICY = [
    Case(rule="POL001", about="a waiver is good on its last day", policy=waived(TODAY)),
    Case(
        rule="POL001",
        about="an expired waiver",
        policy=waived(date(2026, 1, 31)),
        paths=["distance"],
    ),
]
