"""Serves what trilock says is live: a model of MLflow, with the features it was recorded with.

    TRILOCK_SERVER=127.0.0.1:7420 ALIAS=delay MLFLOW=http://127.0.0.1:5000 \
        FEATURE_REPOSITORY=feature_repo CACHE=/var/cache/delay uvicorn app:app

Every request has one model and its features from beginning to end, and its response says
which; a promotion or a rollback switches between two requests. When trilock, MLflow or
Feast's registry is down, the last good ones answer.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from trilock.client import Freshness, ModelSlot, Resolver, Served
from trilock.client.errors import ResolverError
from trilock.client.identity import held
from trilock.client.identity.asgi import AsgiIdentity
from trilock.client.loaders import FeastFeatures, FeastLoader, MlflowLoader, MlflowModel


class Asked(BaseModel):
    """What to predict for: join keys and request fields, a row each."""

    rows: list[dict[str, Any]]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Follow trilock for as long as the server runs."""
    cache = Path(os.environ["CACHE"])
    with (
        Resolver(aliases=[os.environ["ALIAS"]], cache_dir=cache / "live") as resolver,
        ModelSlot[MlflowModel, FeastFeatures](
            resolver,
            load=MlflowLoader(os.environ["MLFLOW"], folder=cache / "models"),
            features=FeastLoader(os.environ["FEATURE_REPOSITORY"]),
        ) as slot,
    ):
        app.state.slot = slot
        yield


def current() -> Served[MlflowModel, FeastFeatures]:
    """Return what answers the request that begins now."""
    slot: ModelSlot[MlflowModel, FeastFeatures] = app.state.slot
    return slot.current()


app = FastAPI(lifespan=lifespan)
app.add_middleware(AsgiIdentity, current=current)


@app.post("/predict")
def predict(asked: Asked) -> dict[str, list[float]]:
    """Return a prediction for each row."""
    served = held()  # what the request began with, whatever is promoted meanwhile
    frame = served.features.read(asked.rows)
    return {"predictions": [float(value) for value in served.model.predict(frame)]}


@app.get("/health")
def health() -> JSONResponse:
    """Say whether to send requests here, and what is wrong if something is."""
    found = app.state.slot.health()
    said = {
        "state": found.state,
        "problem": found.problem,
        "bundle": found.serving and found.serving.bundle,
        "standby": found.standby and found.standby.bundle,
    }
    return JSONResponse(said, status_code=503 if found.state is Freshness.ERROR else 200)


@app.exception_handler(ResolverError)
def not_served(_request: Request, error: ResolverError) -> JSONResponse:
    """Answer 503 while there is nothing to serve."""
    return JSONResponse({"problem": str(error)}, status_code=503)
