"""Real media and models; what is missing is fetched, so nothing here is ever skipped."""

import hashlib
from collections.abc import Iterator

import pytest

from inference.analyses.text import PaddleReader
from inference.detector import Detector
from inference.engine import Engine, EngineOptions
from infra import assets


@pytest.fixture(scope="session")
def real() -> assets.Assets:
    return assets.fetch()


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    made = Engine(EngineOptions(threads=2))
    yield made
    made.close()


@pytest.fixture(scope="session")
def detector(real: assets.Assets, engine: Engine) -> Detector:
    data = real.model.read_bytes()
    return Detector.load(engine, hashlib.sha256(data).hexdigest(), lambda: data)


@pytest.fixture(scope="session")
def reader() -> PaddleReader:
    return PaddleReader(threads=2)
