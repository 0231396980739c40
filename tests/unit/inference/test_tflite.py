"""TFLite to ONNX: the same numbers as its definition gives, and nothing harmful from an archive."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from inference.importers.tfjs_graph import ImportRefused
from inference.importers.tflite import CENTRED, convert, labels_in, unpacked
from tests.unit.inference.tflite_files import File, classifier, i8, packed, some_classifier

Array = np.ndarray[Any, Any]


def windows(picture: Array, size: int, stride: int) -> Array:
    """What a kernel sees at each place, padded as TensorFlow's SAME: the odd pixel after."""
    height, width = picture.shape[0], picture.shape[1]
    after = [max((-(-n // stride) - 1) * stride + size - n, 0) for n in (height, width)]
    around = [(n // 2, n - n // 2) for n in after]
    padded = np.pad(picture, (*around, (0, 0)))
    rows, columns = -(-height // stride), -(-width // stride)
    return np.array(
        [
            [padded[y * stride : y * stride + size, x * stride : x * stride + size] for x in range(columns)]
            for y in range(rows)
        ]
    )


def expected(picture: Array, kernel: Array, each: Array, dense: Array) -> Array:
    bias = np.linspace(-1, 1, kernel.shape[0])
    halved = np.clip(np.einsum("yxhwc,ohwc->yxo", windows(picture, 3, 2), kernel) + bias, 0, 6)
    apart = np.einsum("yxhwc,hwc->yxc", windows(halved, 3, 1), each[0])
    scores = np.exp(dense @ apart.mean((0, 1)))
    return np.asarray(scores / scores.sum())


def test_the_numbers_are_those_of_the_definition() -> None:
    draw = np.random.default_rng(3)
    shapes = ((4, 3, 3, 3), (1, 3, 3, 4), (2, 4))
    kernel, each, dense = (draw.normal(size=shape).astype(np.float32) for shape in shapes)
    model = convert(classifier(kernel, each, dense), ["Cat", "Dog"], CENTRED)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    assert [put.name for put in session.get_inputs()] == ["image-"]
    assert [put.name for put in session.get_outputs()] == ["scores-0:Cat;1:Dog"]
    assert model.graph.doc_string == CENTRED
    picture = draw.uniform(-1, 1, (1, 8, 8, 3)).astype(np.float32)
    (got,) = session.run(None, {"image-": picture})
    np.testing.assert_allclose(got[0], expected(picture[0], kernel, each, dense), rtol=1e-4)


def test_without_labels_outputs_keep_their_names() -> None:
    model = convert(some_classifier())
    assert [put.name for put in model.graph.output] == ["out_25"]


def quantised() -> bytes:
    file = File([1, 8, 8, 3], "u1")
    return file.data(file.op(19, [0], [1, 8, 8, 3], {}))


def unknown_operator() -> bytes:
    file = File([1, 8, 8, 3])
    return file.data(file.op(99, [0], [1, 8, 8, 3], {}))


def odd_activation() -> bytes:
    file = File([1, 8, 8, 3])
    return file.data(file.op(0, [0, 0], [1, 8, 8, 3], {0: i8(4)}))


@pytest.mark.parametrize(
    ("data", "labels", "word"),
    [
        (b"nothing like it", [], "not a TFLite"),
        (quantised(), [], "quantised"),
        (unknown_operator(), [], "99"),
        (odd_activation(), [], "activation"),
        (some_classifier(), ["a", "b", "c"], "3 labels"),
    ],
)
def test_what_cannot_be_converted_says_why(data: bytes, labels: list[str], word: str) -> None:
    with pytest.raises(ImportRefused, match=word):
        convert(data, labels)


def test_labels_fit_a_tensors_name() -> None:
    assert labels_in("0 Cat; big\n1 Dog\n\n2 \nBird") == ["Cat  big", "Dog", "2", "Bird"]


@pytest.mark.parametrize(
    ("archive", "word"),
    [
        (packed(readme__txt=b"x"), "no .tflite"),
        (packed(**{"../x__tflite": b"x"}), "leads out"),
        (packed(**{"/etc/x__tflite": b"x"}), "leads out"),
        (packed(x__tflite=b"x" * 200), "more than 100 bytes"),
        (b"PK\x03\x04rest", "cannot be read"),
    ],
)
def test_archives_that_are_not_unpacked(tmp_path: Path, archive: bytes, word: str) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(archive)
    with pytest.raises(ImportRefused, match=word):
        unpacked(path, 100)


def test_an_archive_gives_its_model_and_labels(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(packed(model_unquant__tflite=b"model", labels__txt=b"0 Cat\n1 Dog\n"))
    assert zipfile.is_zipfile(path)
    assert unpacked(path, 100) == (b"model", ["Cat", "Dog"])
