"""Cases of the FIT rules about inputs without names."""

from tests.compat import raws
from tests.compat.cases.base import NEVER, NEW, Case
from tests.compat.raws import plain, signature

TENSOR_2 = [raws.tensor("float64", -1, 2)]

FIT_ORDER = [
    Case(rule="FIT009", about="names"),
    Case(
        rule="FIT009", about="a tensor without a name", signature=signature(TENSOR_2), paths=[NEW]
    ),
    Case(
        rule="FIT009",
        about="columns without names",
        signature=signature([{"type": "double"}]),
        paths=[NEW],
    ),
    Case(
        rule="FIT009",
        about="a recorded order",
        signature=signature(TENSOR_2),
        columns=("temp", "wind"),
    ),
    Case(
        rule="FIT010",
        about="two floats make a float tensor",
        features=plain({"temp": "Float64", "wind": "Float32"}),
        signature=signature(TENSOR_2),
        columns=("temp", "wind"),
        policy=NEVER,
    ),
    Case(
        rule="FIT010",
        about="an int and a float do too",
        features=plain({"temp": "Float64", "wind": "Int64"}),
        signature=signature(TENSOR_2),
        columns=("temp", "wind"),
        policy=NEVER,
    ),
    Case(
        rule="FIT010",
        about="a bool makes it an object frame",
        features=plain({"temp": "Float64", "wind": "Bool"}),
        signature=signature(TENSOR_2),
        columns=("temp", "wind"),
        policy=NEVER,
        paths=[NEW],
    ),
    Case(
        rule="FIT010",
        about="two ints make an int tensor",
        features=plain({"temp": "Int64", "wind": "Int64"}),
        signature=signature(TENSOR_2),
        columns=("temp", "wind"),
        policy=NEVER,
        paths=[NEW],
    ),
    Case(
        rule="FIT010",
        about="a batch without any row is an object frame",
        features=plain({"temp": "Float64", "wind": "Float64"}),
        signature=signature(TENSOR_2),
        columns=("temp", "wind"),
        paths=[NEW],
    ),
    Case(
        rule="FIT010",
        about="three columns for a tensor of two",
        features=plain({"a": "Float64", "b": "Float64", "c": "Float64"}),
        signature=signature(TENSOR_2),
        columns=("a", "b", "c"),
        policy=NEVER,
        paths=[NEW],
    ),
    Case(
        rule="FIT010",
        about="a column that is not delivered",
        signature=signature(TENSOR_2),
        columns=("temp", "gust"),
        policy=NEVER,
        paths=["gust"],
    ),
]
