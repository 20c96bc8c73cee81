"""What compat says of Feast is what Feast does: its protos, its types and its frames."""

import datetime as dt
import decimal
import importlib
import uuid
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from trilock.compat.feast_types import StructType
from trilock.compat.frame import Batch, Frame, ServingPath, UnknownCell
from trilock.compat.proto_shapes import SHAPES

Frames = Mapping[tuple[ServingPath, Batch], tuple[pd.DataFrame, Frame]]

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

LOOSE = frozenset({"json", "map"})
"""Only the declared type tells these from other dicts and lists."""


@pytest.fixture(scope="module")
def world() -> Any:
    """Return tests.compat.feast_world, which takes seconds to import."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module("tests.compat.feast_world")


@pytest.fixture(scope="module")
def truth(world: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Frames, frozenset[str]]:
    """Return what Feast serves, and what it cannot feed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found: tuple[Frames, frozenset[str]] = world.served(tmp_path_factory.mktemp("feast"))
        return found


@pytest.fixture(scope="module")
def frames(truth: tuple[Frames, frozenset[str]]) -> Frames:
    """Return, per serving path and batch, Feast's frame and ours."""
    return truth[0]


def dtype_of(series: "pd.Series[Any]") -> str:
    """Return a pandas column in the words of the conversion matrix."""
    if isinstance(series.dtype, pd.DatetimeTZDtype):
        return "datetime64[UTC]"
    if series.dtype != object:
        return str(series.dtype)
    present = [one for one in series if one is not None]
    if not present:
        return "object[None]"
    kind = kind_of(present[0]).split(" of ")[0]
    return f"object[{kind}+None]" if len(present) < len(series) else f"object[{kind}]"


def kind_of(value: Any) -> str:  # noqa: PLR0911 - one line per case of a table
    """Return a value in the words of a cell."""
    match value:
        case bool() | np.bool_():
            return "bool"
        case np.generic():
            return "datetime64" if isinstance(value, np.datetime64) else str(value.dtype)
        case int():
            return "int64"
        case float():
            return "float64"
        case dt.datetime():
            return "datetime64[UTC]" if value.tzinfo else "datetime64"
        case list() | np.ndarray():
            return f"list of {kind_of(value[0])}"
        case set():
            return f"set of {kind_of(next(iter(value)))}"
        case dict():
            inside = ", ".join(f"{name}: {kind_of(value[name])}" for name in sorted(value))
            return f"dict of {inside}"
        case str() | bytes() | uuid.UUID() | decimal.Decimal():
            return type(value).__name__
        case _:
            return repr(type(value))


@pytest.mark.parametrize("batch", Batch)
@pytest.mark.parametrize("path", ServingPath)
def test_columns_are_what_feast_makes(
    path: ServingPath, batch: Batch, world: Any, frames: Frames
) -> None:
    theirs, ours = frames[path, batch]
    names = (world.feast_types().keys() | world.plain_types().keys()) - LOOSE
    if path is ServingPath.HISTORICAL:
        names |= {"zoned_timestamp"}

    assert {name: dtype_of(theirs[name]) for name in names} == {
        name: ours.columns[name].dtype(batch) for name in names
    }


@pytest.mark.parametrize("path", ServingPath)
def test_values_in_object_columns_are_what_feast_makes(
    path: ServingPath, world: Any, frames: Frames
) -> None:
    theirs, ours = frames[path, Batch.FULL]
    names = {name for name in world.feast_types() if theirs[name].dtype == object} - LOOSE

    assert {name: kind_of(theirs[name].iloc[0]) for name in names} == {
        name: str(ours.columns[name].cell) for name in names
    }


def test_maps_are_historical_pairs(frames: Frames) -> None:
    theirs, ours = frames[ServingPath.HISTORICAL, Batch.FULL]

    assert str(ours.columns["scalar_map"].cell) == "array of pairs"
    assert [list(pair) for pair in theirs["scalar_map"].iloc[0]] == [["a", "x"]]
    assert str(ours.columns["list_map"].cell) == "list of array of pairs"
    assert [list(pair) for pair in theirs["list_map"].iloc[0][0]] == [["a", "x"]]


def test_what_feast_cannot_feed_is_unknown_online(
    world: Any, truth: tuple[Frames, frozenset[str]]
) -> None:
    frames, refused = truth
    _, ours = frames[ServingPath.ONLINE, Batch.FULL]

    assert refused == world.never_fed().keys()
    assert {name for name, one in ours.columns.items() if isinstance(one.cell, UnknownCell)} == (
        refused
    )


def test_request_fields_are_not_in_the_online_frame(frames: Frames) -> None:
    """FIT013 rests on this. Join keys, on the contrary, are there."""
    online, ours = frames[ServingPath.ONLINE, Batch.FULL]
    historical, _ = frames[ServingPath.HISTORICAL, Batch.FULL]

    assert ours.columns.keys() - set(online.columns) == {"request"}
    assert ours.columns.keys() - set(historical.columns) == set()


@pytest.mark.parametrize("path", ServingPath)
def test_what_is_computed_from_the_request_is_never_missing(
    path: ServingPath, frames: Frames
) -> None:
    theirs, _ = frames[path, Batch.EMPTY]

    assert list(theirs["doubled"]) == [5.0, 5.0]


def test_types_are_spelled_as_feast_spells_them(world: Any) -> None:
    for type_, _, _ in world.feast_types().values():
        ours = world.parsed_type(type_)
        if isinstance(ours, StructType):
            assert {name: str(one) for name, one in ours.fields} == {
                name: str(one) for name, one in type_.fields.items()
            }
        else:
            assert str(ours) == str(type_)


def test_every_field_of_every_proto_is_classified(world: Any) -> None:
    """A new Feast with a new field fails here, before it is met in a registry."""
    assert world.real_fields() == {name: shape.fields for name, shape in SHAPES.items()}


def test_where_a_repository_is_and_what_is_above_does_not_count(world: Any, tmp_path: Path) -> None:
    """File moves, line shifts and comments change the pickled body and nothing else."""
    other = tmp_path / "checkout"
    other.mkdir()

    here = world.defined_in(tmp_path / "features.py", above="")
    there = world.defined_in(other / "moved.py", above="# one\n# two\n\n")

    assert here.undecidable == ()
    assert here.digests == there.digests
    assert dict(here.semantics) == dict(there.semantics)
    assert here.bodies != there.bodies
