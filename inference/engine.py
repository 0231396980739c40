"""ONNX Runtime: load by digest, warm up, form batches across callers, run.

One thread owns each session; callers from any thread hand it work and wait for a future. The only module that runs a
model.
"""

import hashlib
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from inference.providers import ORDER, choose
from inference.signature import Signature, TensorSpec

Array = NDArray[Any]
Outputs = dict[str, Array]

_TYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(bool)": "bool",
    "tensor(uint8)": "uint8",
    "tensor(int8)": "int8",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
}


class ModelError(Exception):
    """The model cannot be loaded or run."""


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """`threads` 0 lets ONNX Runtime take all cores; `linger` is how long a batch waits for more, in seconds."""

    threads: int = 0
    batch: int = 8
    linger: float = 0.010
    providers: tuple[str, ...] = ORDER


@dataclass(frozen=True, slots=True)
class _Request:
    feed: dict[str, Array]
    image: str
    answer: "Future[Outputs]"


_STOP = None


class Model:
    """A loaded model: its signature, and `submit` to run it."""

    def __init__(self, data: bytes, digest: str, options: EngineOptions) -> None:
        self.digest = digest
        self._options = options
        self._session = _session(data, options)
        self.signature = signature_of(self._session)
        self.providers = tuple(self._session.get_providers())
        self._waiting: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name=f"model-{digest[:8]}", daemon=True)
        self._thread.start()

    @property
    def most(self) -> int:
        """The largest batch one run may have: the options' when the batch axis of input and outputs is free."""
        image = self.signature.image
        first = image.shape[0] if image is not None and image.shape else 1
        if isinstance(first, int):
            return max(1, first)
        shared = all(spec.shape and spec.shape[0] == first for spec in self.signature.outputs)
        return self._options.batch if shared else 1

    def submit(self, tensor: Array, extras: dict[str, Array] | None = None) -> "Future[Outputs]":
        """Queues one picture, [1, ...]; the future gives its outputs by name, batch axis kept."""
        image = self.signature.image
        if image is None:
            raise ModelError("the model has no image input")
        feed = {image.name: tensor.astype(image.dtype, copy=False), **self._side_inputs(extras or {})}
        request = _Request(feed, image.name, Future())
        self._waiting.put(request)
        return request.answer

    def run(self, tensor: Array, extras: dict[str, Array] | None = None) -> Outputs:
        """`submit`, and wait."""
        return self.submit(tensor, extras).result()

    def warm_up(self) -> float:
        """Runs zeros once; gives the seconds it took."""
        image = self.signature.image
        if image is None:
            raise ModelError("the model has no image input")
        shape = (1, *(size if isinstance(size, int) and size > 0 else 64 for size in image.shape[1:]))
        start = time.perf_counter()
        self.run(np.zeros(shape, image.dtype))
        return time.perf_counter() - start

    def close(self) -> None:
        """Ends the thread after what is queued."""
        self._waiting.put(_STOP)
        self._thread.join(timeout=30)

    def _side_inputs(self, extras: dict[str, Array]) -> dict[str, Array]:
        """Values for the inputs besides the picture: as given, else the neutral ones of the Nx conventions."""
        image = self.signature.image
        return {
            spec.name: extras.get(spec.role, _neutral(spec))
            for spec in self.signature.inputs
            if image is None or spec.name != image.name
        }

    def _serve(self) -> None:
        ending = False
        while not ending:
            first = self._waiting.get()
            if first is _STOP:
                return
            batch, ending = gather(self._waiting, first, self.most, self._options.linger)
            for group in alike(batch):
                self._answer(group)

    def _answer(self, group: list[_Request]) -> None:
        live = [request for request in group if request.answer.set_running_or_notify_cancel()]
        if not live:
            return
        try:
            results = self._run_batch(live)
        except Exception as error:  # what ONNX Runtime raises has no common class
            for request in live:
                request.answer.set_exception(ModelError(str(error)[:500]))
            return
        for request, result in zip(live, results, strict=True):
            request.answer.set_result(result)

    def _run_batch(self, live: list[_Request]) -> list[Outputs]:
        image = live[0].image
        stacked = np.concatenate([request.feed[image] for request in live])
        size = self.signature.image.shape[0] if self.signature.image else 1
        if isinstance(size, int) and len(stacked) < size:
            stacked = np.concatenate([stacked, np.repeat(stacked[-1:], size - len(stacked), 0)])
        names = [spec.name for spec in self.signature.outputs]
        outputs = self._session.run(names, {**live[0].feed, image: stacked})
        if len(stacked) == 1:
            return [dict(zip(names, outputs, strict=True))]
        return [
            {name: output[i : i + 1] for name, output in zip(names, outputs, strict=True)} for i in range(len(live))
        ]


def gather(
    waiting: "queue.SimpleQueue[_Request | None]", first: _Request, most: int, linger: float
) -> tuple[list[_Request], bool]:
    """A batch: what comes within `linger` seconds, at most `most`; True when the queue said stop."""
    batch, until = [first], time.monotonic() + linger
    while len(batch) < most:
        try:
            request = waiting.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            break
        if request is _STOP:
            return batch, True
        batch.append(request)
    return batch, False


def alike(batch: Sequence[_Request]) -> list[list[_Request]]:
    """Requests that may share a run: same picture shape and same side inputs."""
    groups: dict[Any, list[_Request]] = {}
    for request in batch:
        sides = tuple((name, array.tobytes()) for name, array in request.feed.items() if name != request.image)
        groups.setdefault((request.feed[request.image].shape[1:], sides), []).append(request)
    return list(groups.values())


class Engine:
    """All loaded models of a process, by digest."""

    def __init__(self, options: EngineOptions | None = None) -> None:
        self.options = options or EngineOptions()
        self._models: dict[str, Model] = {}
        self._lock = threading.Lock()

    def load(self, digest: str, fetch: Callable[[], bytes]) -> Model:
        """The model with this SHA-256 (lower-case hex); fetched, checked and warmed up on first use."""
        with self._lock:
            if digest not in self._models:
                data = fetch()
                if hashlib.sha256(data).hexdigest() != digest:
                    raise ModelError(f"the bytes are not those of digest {digest[:12]}")
                model = Model(data, digest, self.options)
                model.warm_up()
                self._models[digest] = model
            return self._models[digest]

    def unload(self, digest: str) -> None:
        with self._lock:
            model = self._models.pop(digest, None)
        if model is not None:
            model.close()

    def close(self) -> None:
        for digest in list(self._models):
            self.unload(digest)


def _session(data: bytes, options: EngineOptions) -> ort.InferenceSession:
    settings = ort.SessionOptions()
    settings.intra_op_num_threads = options.threads
    settings.inter_op_num_threads = 1
    settings.log_severity_level = 3
    try:
        wanted = list(choose(ort.get_available_providers(), options.providers))
        return ort.InferenceSession(data, settings, providers=wanted)
    except Exception as error:  # what ONNX Runtime raises has no common class
        raise ModelError(str(error)[:500]) from error


def signature_of(session: ort.InferenceSession) -> Signature:
    """The signature as ONNX Runtime tells it."""
    meta = session.get_modelmeta()
    return Signature(
        inputs=tuple(map(_spec, session.get_inputs())),
        outputs=tuple(map(_spec, session.get_outputs())),
        metadata=dict(meta.custom_metadata_map),
        doc=meta.graph_description or meta.description or "",
    )


def _spec(argument: Any) -> TensorSpec:
    return TensorSpec(argument.name, _TYPES.get(argument.type, argument.type), tuple(argument.shape))


def _neutral(spec: TensorSpec) -> Array:
    """Ones of the shape for a mask (all pixels kept), a half for a sensitivity, zeros for anything else."""
    shape = tuple(size if isinstance(size, int) and size > 0 else 1 for size in spec.shape)
    value = {"mask": 1.0, "nms_sensitivity": 0.5}.get(spec.role, 0.0)
    return np.full(shape, value, spec.dtype)
