"""The downstream table that the model writes its predictions to."""

import sqlite3
from contextlib import closing
from typing import Final

from examples.flights.world import World

TABLE: Final = "predictions"
KEY: Final = "flight_id"


def create(world: World) -> None:
    """Make the table, empty."""
    with closing(sqlite3.connect(world.predictions)) as database, database:
        database.execute(
            "CREATE TABLE predictions ("
            "flight_id TEXT NOT NULL PRIMARY KEY, "
            "predicted DOUBLE PRECISION NOT NULL, "
            "model_version TEXT NOT NULL)"
        )


def rows_by_version(world: World) -> dict[str, int]:
    """Return how many rows each model version has in the table, seen with trilock or without."""
    with closing(sqlite3.connect(world.predictions)) as database:
        query = "SELECT model_version, count(*) FROM predictions GROUP BY model_version"
        return dict(database.execute(query).fetchall())
