"""Models by digest, batches across callers, one thread a session."""

import hashlib
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import onnx
import pytest

from inference.detector import Detector
from inference.engine import Engine, EngineOptions, Model, ModelError, alike, gather
from inference.heads import HeadOptions
from inference.tensors import Still


@pytest.fixture
def engine() -> Iterator[Engine]:
    made = Engine(EngineOptions(threads=1, batch=4, linger=0.05))
    yield made
    made.close()


def load(engine: Engine, data: bytes) -> Model:
    return engine.load(hashlib.sha256(data).hexdigest(), lambda: data)


def test_loaded_once_and_only_with_the_right_bytes(engine: Engine, mean_model: bytes) -> None:
    model = load(engine, mean_model)
    digest = hashlib.sha256(mean_model).hexdigest()
    assert engine.load(digest, lambda: pytest.fail("fetched again")) is model
    with pytest.raises(ModelError, match="digest"):
        engine.load("0" * 64, lambda: mean_model)
    with pytest.raises(ModelError):
        load(engine, b"no model")


def test_batches_form_across_callers(engine: Engine, mean_model: bytes) -> None:
    model = load(engine, mean_model)
    sizes: list[int] = []
    plain = model._session.run  # the one seam: what the runtime is handed

    class Spy:
        def run(self, names: list[str], feed: dict[str, np.ndarray]) -> list[np.ndarray]:
            sizes.append(len(feed["image-"]))
            return plain(names, feed)  # type: ignore[no-any-return]

    model._session = Spy()
    futures = [model.submit(np.full((1, 3, 8, 8), n, np.float32)) for n in range(8)]
    results = [future.result(timeout=10)["scores-0:red;1:green;2:blue"] for future in futures]
    assert [float(result[0, 0]) for result in results] == list(range(8))
    assert all(result.shape == (1, 3) for result in results)
    assert sum(sizes) == 8
    assert max(sizes) == 4


def test_many_threads_share_one_session(engine: Engine, mean_model: bytes) -> None:
    model = load(engine, mean_model)
    answers: dict[int, float] = {}

    def ask(number: int) -> None:
        given = np.full((1, 3, 8, 8), number, np.float32)
        answers[number] = float(next(iter(model.run(given).values()))[0, 0])

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert answers == {number: float(number) for number in range(12)}


def test_a_bad_tensor_fails_its_caller_only(engine: Engine, mean_model: bytes) -> None:
    model = load(engine, mean_model)
    bad = model.submit(np.zeros((1, 3, 9, 9), np.float32))
    good = model.submit(np.ones((1, 3, 8, 8), np.float32))
    with pytest.raises(ModelError):
        bad.result(timeout=10)
    assert float(next(iter(good.result(timeout=10).values()))[0, 0]) == 1


def test_a_detector_gives_fractions(engine: Engine, boxes_model: Callable[..., onnx.ModelProto]) -> None:
    model = load(engine, boxes_model().SerializeToString())
    detector = Detector(model, HeadOptions(score=0.8))
    found = detector.find(Still(np.zeros((64, 64, 3), np.uint8)))
    assert [(one.label, round(one.score, 3)) for one in found] == [("person", 0.9)]
    assert (found[0].x, found[0].y, found[0].width, found[0].height) == pytest.approx((0.125, 0.125, 0.25, 0.75))
    assert detector.version == model.digest


def test_gather_stops_at_the_size_and_at_the_end() -> None:
    waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()
    first: Any = 1
    for number in (2, 3, 4):
        waiting.put(number)
    taken: Any = gather(waiting, first, most=2, linger=0.01)
    assert taken == ([1, 2], False)
    waiting.put(None)
    taken = gather(waiting, first, most=9, linger=0.01)
    assert taken == ([1, 3, 4], True)
    assert alike([]) == []
