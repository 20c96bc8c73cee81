"""Cases of the FIT rules about what a model writes."""

from typing import Any

from tests.compat import raws
from tests.compat.cases.base import TEMP, Case
from tests.compat.raws import signature
from trilock.compat import Signature


def writes(type_: Any, name: str = "delay") -> Signature:
    return signature({"temp": "double"}, outputs={name: type_})


FIT_OUTPUTS = [
    Case(
        rule="FIT015",
        about="double",
        signature=writes("double"),
        sinks={"delay": "double precision"},
    ),
    Case(
        rule="FIT015",
        about="text for a number",
        signature=writes("string"),
        sinks={"delay": "REAL"},
        paths=["delay"],
    ),
    Case(
        rule="FIT015",
        about="a number for text",
        signature=writes("double"),
        sinks={"delay": "character varying(20)"},
        paths=["delay"],
    ),
    Case(
        rule="FIT015",
        about="a number for a flag",
        signature=writes("long"),
        sinks={"delay": "boolean"},
        paths=["delay"],
    ),
    Case(
        rule="FIT015",
        about="a named tensor",
        signature=signature({"temp": "double"}, outputs=[raws.tensor("int64", -1, name="delay")]),
        sinks={"delay": "text"},
        paths=["delay"],
    ),
    Case(
        rule="FIT015",
        about="an output without a name",
        signature=signature({"temp": "double"}, outputs=[{"type": "string"}]),
        sinks={"delay": "real"},
    ),
    Case(
        rule="FIT015",
        about="SQL names are case-insensitive",
        signature=writes("double", "Delay"),
        sinks={"delay": "DOUBLE"},
    ),
    Case(
        rule="FIT016",
        about="SQL names are case-insensitive",
        signature=writes("double"),
        sinks={"Delay": "DOUBLE"},
    ),
    Case(
        rule="FIT016",
        about="a column for it",
        signature=writes("double"),
        sinks={"delay": "float8", "flight": "text"},
    ),
    Case(
        rule="FIT016",
        about="no column for it",
        signature=writes("double"),
        sinks={"flight": "text"},
        paths=["delay"],
    ),
    Case(
        rule="FIT015",
        about="one sink takes it, another does not",
        signature=writes("double"),
        sinks={"delay": "text"},
        other_sinks={"replicas": {"delay": "double precision"}},
        paths=["delay"],
    ),
    Case(
        rule="FIT016",
        about="another sink has the column",
        signature=writes("double"),
        sinks={"flight": "text"},
        other_sinks={"replicas": {"delay": "double precision"}},
    ),
    Case(rule="FIT016", about="sinks without columns", signature=writes("double"), sinks={}),
    Case(rule="FIT016", about="no sink", signature=writes("double"), sinks=None),
    Case(rule="FIT018", about="bigint", signature=writes("long"), sinks={"delay": "bigint"}),
    Case(
        rule="FIT018",
        about="integer",
        signature=writes("long"),
        sinks={"delay": "integer"},
        paths=["delay"],
    ),
    Case(
        rule="FIT018",
        about="real",
        signature=writes("double"),
        sinks={"delay": "real"},
        paths=["delay"],
    ),
    Case(
        rule="FIT018",
        about="numeric takes all",
        signature=writes("double"),
        sinks={"delay": "numeric(12, 3)"},
    ),
    Case(
        rule="FIT017",
        about="as before",
        signature=writes("double"),
        before=[(TEMP, writes("double"))],
    ),
    Case(
        rule="FIT017",
        about="another type",
        signature=writes("string"),
        before=[(TEMP, writes("double"))],
        paths=["delay"],
    ),
    Case(
        rule="FIT017",
        about="another name",
        signature=writes("double", "late"),
        before=[(TEMP, writes("double"))],
        paths=["delay"],
    ),
    Case(rule="FIT017", about="no outputs logged", before=[(TEMP, writes("double"))]),
    Case(
        rule="FIT017",
        about="one more output",
        signature=signature({"temp": "double"}, outputs={"delay": "double", "p": "double"}),
        before=[(TEMP, writes("double"))],
    ),
]
