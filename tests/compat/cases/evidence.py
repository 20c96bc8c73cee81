"""Cases of the EVIDENCE rules."""

from tests.compat.cases.base import NEW, OLD, OTHER, TEMP, Case, consumer, unknown
from tests.compat.raws import plain, signature
from trilock.compat import Mode, Policy, ServingPath

EVIDENCE = [
    Case(rule="EVI001", about="everything is there"),
    Case(
        rule="EVI001", about="a view is not in the capture", features=unknown(), paths=["delay_v1"]
    ),
    Case(
        rule="EVI001",
        about="a type of a newer Feast",
        features=plain([{"name": "x", "value_type": 99}]),
        paths=["delay_v1"],
    ),
    Case(
        rule="EVI001",
        about="a type that Feast cannot feed online",
        signature=signature({"x": {"type": "map", "values": {"type": "string"}}}),
        features=plain([{"name": "x", "value_type": 47}]),
        paths=["x"],
    ),
    Case(
        rule="EVI001",
        about="a type that Feast cannot feed online, on the historical path",
        signature=signature({"x": {"type": "array", "items": {"type": "string"}}}),
        features=plain([{"name": "x", "value_type": 47}]),
        policy=Policy(serving_path=ServingPath.HISTORICAL),
    ),
    Case(
        rule="EVI001",
        about="a type that Feast cannot feed online, and the model does not read it",
        features=plain([{"name": "temp", "value_type": 5}, {"name": "x", "value_type": 47}]),
    ),
    Case(
        rule="EVI002",
        about="a mode compares with a predecessor that cannot be read",
        policy=Policy(mode=Mode.FULL),
        before=[unknown()],
        paths=[OLD],
    ),
    Case(rule="EVI002", about="no mode, no comparison", before=[unknown()]),
    Case(
        rule="EVI002",
        about="a mode that is not transitive does not look further back",
        policy=Policy(mode=Mode.FULL),
        before=[TEMP, unknown()],
    ),
    Case(
        rule="EVI003",
        about="another bundle without a signature, and its contract changes",
        consumers=[consumer(TEMP, sig=None)],
        paths=[OTHER],
    ),
    Case(
        rule="EVI003",
        about="another bundle without a signature, and its contract stays",
        consumers=[consumer(plain({"wind": "Float64", "temp": "Float64"}), sig=None)],
    ),
    Case(
        rule="EVI003",
        about="what another alias mirrors cannot be told",
        shared=[unknown()],
        paths=[NEW],
    ),
    Case(
        rule="EVI004",
        about="a type of the user's own",
        signature=signature({"temp": "double"}, outputs={"delay": "double"}),
        sinks={"delay": "minutes_t"},
        paths=["delay"],
    ),
    Case(
        rule="EVI004",
        about="a type that is known",
        signature=signature({"temp": "double"}, outputs={"delay": "double"}),
        sinks={"delay": "double precision"},
    ),
]
