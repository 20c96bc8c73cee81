"""Outcomes to write in every format."""

from trilock.cli.output.outcome import Item, Level, Outcome, Place, Section

HOSTILE = 'a "quoted" <b>&\x1b[31m\x00, 100%: `x` | y\nsecond line'

ERROR = Item(
    rule="CON001",
    level=Level.ERROR,
    path="models/delay/bundles/2/wind",
    message="models/delay/bundles/2 would break (FIT001): it expects 'wind'",
    remedy="keep it",
    place=Place(file="feature_repo/features.py", line=12),
)
WARNING = Item(
    rule="POL001", level=Level.WARNING, path="wind", message="the waiver expired", remedy="renew it"
)
NOTE = Item(rule="SEM002", level=Level.NOTE, path="on_demand_feature_view/x", message="other bytes")
WAIVED = Item(
    rule="CON002",
    level=Level.ERROR,
    path="models/delay/bundles/2/weather:temp",
    message="made in another way",
    waived=True,
    waiver="waived by ann until 2026-12-31: known",
)
LIVE = "delay@production, live: bundle 2"
TARGET = "delay@production, rollback target: bundle 1"

BROKEN = Outcome(
    title="feature repository feature_repo",
    verdict="INCOMPATIBLE",
    sections=(
        Section(title=LIVE, verdict="INCOMPATIBLE", items=(ERROR, WARNING, NOTE, WAIVED)),
        Section(title=TARGET, verdict="COMPATIBLE"),
    ),
    summary=("breaks delay@production: bundle 2 is live",),
    data={"verdict": "INCOMPATIBLE"},
)
FINE = Outcome(
    title="bundle 2",
    verdict="COMPATIBLE",
    sections=(Section(title="bundle 2", verdict="COMPATIBLE"),),
    data={"verdict": "COMPATIBLE"},
)
UNDECIDED = Outcome(
    title="bundle 2",
    verdict="UNDECIDABLE",
    sections=(
        Section(
            title="bundle 2",
            verdict="UNDECIDABLE",
            items=(Item(rule="EVI001", level=Level.ERROR, path="delay", message="type 99"),),
        ),
    ),
)
STRANGE = Outcome(
    title=HOSTILE,
    verdict="FROM_A_NEWER_SERVER",
    sections=(
        Section(
            title=HOSTILE,
            verdict="FROM_A_NEWER_SERVER",
            items=(
                Item(
                    rule="NEW001",
                    level=Level.ERROR,
                    path=HOSTILE,
                    message=HOSTILE,
                    remedy=HOSTILE,
                    place=Place(file="weird name, 100%.py", line=1),
                ),
            ),
        ),
    ),
    summary=(HOSTILE,),
)


def crowded(errors: int, warnings: int) -> Outcome:
    items = (ERROR,) * errors + (WARNING,) * warnings
    return Outcome(
        title="repository",
        verdict="INCOMPATIBLE",
        sections=(Section(title=LIVE, verdict="INCOMPATIBLE", items=items),),
    )


EVERY = (BROKEN, FINE, UNDECIDED, STRANGE, crowded(25, 25))
