"""Pictures become tensors, boxes find the way back, names and doc strings are read."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.providers import choose
from inference.signature import Signature, TensorSpec, labels_from_metadata, parse_normalisation, parse_pairs
from inference.tensors import Preprocess, Still, fit, geometry, preprocess_of, tensor

SIDES = st.integers(16, 4000)


@given(SIDES, SIDES, st.sampled_from(["letterbox", "stretch"]))
def test_boxes_find_the_way_back(width: int, height: int, fitting: str) -> None:
    place = fit(width, height, Preprocess(320, 192, fitting=fitting))  # type: ignore[arg-type]
    whole = np.array([[0, 0, width, height], [width / 4, height / 4, width / 2, height / 2]], np.float32)
    scale = np.array([place.scale_x, place.scale_y] * 2, np.float32)
    inside = whole * scale + np.array([place.left, place.top] * 2, np.float32)
    assert place.back(inside) == pytest.approx(np.array([[0, 0, 1, 1], [0.25, 0.25, 0.5, 0.5]]), abs=1e-3)


def test_letterbox_pads_and_normalises() -> None:
    picture = Still(np.full((50, 100, 3), (10, 20, 30), np.uint8))
    fed, place = tensor(picture, Preprocess(64, 64, order="rgb", means=(30, 20, 10), divisors=(2, 2, 2)))
    assert (fed.shape, fed.dtype.name, place.top, place.left) == ((1, 3, 64, 64), "float32", 16, 0)
    assert fed[0, :, 32, 32].tolist() == [0, 0, 0]
    assert fed[0, :, 0, 0].tolist() == [(114 - 30) / 2, (114 - 20) / 2, (114 - 10) / 2]


def test_layouts_and_orders() -> None:
    picture = Still(np.full((8, 8, 3), (255, 0, 0), np.uint8))
    assert tensor(picture, Preprocess(8, 8, layout="nhwc", order="bgr"))[0][0, 0, 0].tolist() == [1, 0, 0]
    assert tensor(picture, Preprocess(8, 8, order="rgb"))[0][0, :, 0, 0].tolist() == [0, 0, 1]
    grey = Preprocess(4, 4, order="grey", means=(0.0,), divisors=(255.0,))
    assert tensor(picture, grey)[0].shape == (1, 1, 4, 4)


@pytest.mark.parametrize(
    ("shape", "wanted"),
    [
        ((1, 3, 240, 320), ("nchw", 3, 240, 320)),
        ((1, 240, 320, 1), ("nhwc", 1, 240, 320)),
        (("n", 3, "h", None), ("nchw", 3, 640, 640)),
    ],
)
def test_geometry(shape: tuple[int | str | None, ...], wanted: tuple[str, int, int, int]) -> None:
    assert geometry(shape) == wanted


@pytest.mark.parametrize("shape", [(1, 3, 4), (1, 2, 8, 8), (1, 8, 8, 4)])
def test_geometry_refuses(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="image input"):
        geometry(shape)


def test_normalisation_from_the_doc_string() -> None:
    image = TensorSpec("image-", "float32", (1, 3, 8, 8))

    def of(doc: str, **meta: str) -> Preprocess:
        return preprocess_of(Signature((image,), (), meta, doc), image)

    assert of("").divisors == (255.0,) * 3
    assert of('{"means": [0.5, 0.5, 0.5], "vars": [0.5, 0.5, 0.5]}').means == (127.5,) * 3
    large = of('{"means": [103, 116, 123], "vars": [57, 57, 58]}', channels="bgr", resize="stretch")
    assert (large.means, large.order, large.fitting) == ((103, 116, 123), "bgr", "stretch")


@pytest.mark.parametrize("doc", ['{"means": [1], "vars": [0]}', '{"means": [1, 2], "vars": [1]}', '{"means": "a"}'])
def test_bad_normalisation(doc: str) -> None:
    with pytest.raises(ValueError, match="means and vars"):
        parse_normalisation(doc)


def test_names_by_the_nx_grammar() -> None:
    spec = TensorSpec("bboxes-format:xyxysc;0:person;1:bike;", "float32", (20, 6))
    assert (spec.role, spec.pairs["format"]) == ("bboxes", "xyxysc")
    model = Signature((TensorSpec("image-", "float32", (1, 3, 8, 8)), TensorSpec("mask-", "bool", (8, 8))), (spec,))
    assert model.labels == ("person", "bike")
    assert model.image is not None
    assert model.image.name == "image-"
    assert Signature((), (), {"chip": "Hailo8L"}).chip == "hailo-8l"
    with pytest.raises(ValueError, match="bad pair"):
        parse_pairs("0:a;0:b")


def test_labels_in_metadata() -> None:
    assert labels_from_metadata("{0: 'person', 2: 'car'}") == ("person", "1", "car")
    assert labels_from_metadata('["a", "b"]') == ("a", "b")
    assert labels_from_metadata("__import__('os')") == ()


def test_providers_in_our_order() -> None:
    cpu, cuda, trt = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"
    assert choose([cpu, cuda, "AzureExecutionProvider", trt]) == (trt, cuda, cpu)
    assert choose([cuda], allowed=[cuda]) == (cuda, cpu)
    assert choose([]) == (cpu,)
