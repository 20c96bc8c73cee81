"""The job that feeds Feast: writes the tables of the days that are served.

    python -m pipeline.feed FOLDER FIRST_DAY DAYS

It runs on a schedule of its own, from whatever commit it was deployed with.
"""

import sys
from pathlib import Path

import pandas as pd

from . import data, params, tables


def main(folder: Path, *, first: pd.Timestamp, days: int) -> None:
    """Write one parquet file per feature view into *folder*."""
    last = first + pd.Timedelta(days=days)
    built = tables.build(data.flights(), cutoff=params.load().cutoff)
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in built._asdict().items():
        if name == "weather":
            stamps = table["event_timestamp"]
            served = table[(stamps >= first) & (stamps < last)]
        else:
            # What is known of planes, routes and carriers does not change while they are served.
            served = table.assign(event_timestamp=first)
        served.to_parquet(folder / f"{name}.parquet", index=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]), first=pd.Timestamp(sys.argv[2], tz="UTC"), days=int(sys.argv[3]))
