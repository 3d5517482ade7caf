import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs training/requirements.txt: torch is no part of the product")

from safetygear_training.blend import blend  # noqa: E402 - only where torch is there
from safetygear_training.losses import detection_loss, overlaps  # noqa: E402
from safetygear_training.network import Detector  # noqa: E402
from safetygear_training.state import parameters, set_parameters, set_statistics, statistics  # noqa: E402
from safetygear_training.weights import (  # noqa: E402
    WeightsError,
    delivered,
    fold_batch_norm,
    load_delivered,
    stem_from_focus,
    stem_to_focus,
)

SIZE = (64, 96)


@pytest.fixture
def detector():
    torch.manual_seed(1)
    return Detector().eval()


@pytest.fixture
def images():
    return torch.rand(2, 3, *SIZE, generator=torch.Generator().manual_seed(2))


def test_the_stem_is_the_focus_of_yolox():
    weight = torch.rand(4, 12, 3, 3)
    image = torch.rand(1, 3, 16, 16)
    interleaved = torch.cat([image[..., r::2, c::2] for r, c in ((0, 0), (1, 0), (0, 1), (1, 1))], 1)
    focus = torch.nn.functional.conv2d(interleaved, weight, padding=1)
    wide = torch.nn.functional.conv2d(image, stem_from_focus(weight), stride=2, padding=2)
    assert torch.allclose(wide, focus, atol=1e-5)
    assert torch.equal(stem_to_focus(stem_from_focus(weight)), weight)


def test_folding_batch_norm_changes_nothing(detector, images):
    detector.train()
    detector(images)
    detector.eval()
    with torch.no_grad():
        before = detector(images)
        assert torch.allclose(fold_batch_norm(detector)(images), before, atol=1e-4)


def test_weights_come_back_as_they_went(detector, tmp_path):
    torch.save(delivered(detector.state_dict()), tmp_path / "w.pth")
    other = Detector()
    load_delivered(other, tmp_path / "w.pth")
    for name, value in detector.state_dict().items():
        assert torch.allclose(other.state_dict()[name].float(), value.float(), rtol=1e-5), name
    torch.save({"a": torch.zeros(1)}, tmp_path / "x.pth")
    with pytest.raises(WeightsError, match=r"x\.pth"):
        load_delivered(other, tmp_path / "x.pth")


def test_vectors_of_a_network_fit_back(detector):
    other = Detector()
    set_parameters(other, parameters(detector))
    set_statistics(other, statistics(detector) + 1)
    assert torch.equal(parameters(other), parameters(detector))
    assert torch.equal(statistics(other), statistics(detector) + 1)


def test_an_unlabelled_class_moves_no_score(detector, images):
    raw = detector(images).detach().requires_grad_()
    boxes = [np.array([[10, 10, 50, 50, 1]], np.float32), np.zeros((0, 5), np.float32)]
    mask = np.zeros((2, raw.shape[1], 5), bool)
    mask[..., 1] = True
    loss, parts = detection_loss(raw, boxes, mask, SIZE)
    loss.backward()
    assert parts.anchors >= 1
    assert (raw.grad[..., 6] != 0).any()
    assert (raw.grad[..., [5, 7, 8, 9]] == 0).all()


def test_generalised_overlap_of_boxes_apart_is_negative():
    iou, generalised = overlaps(torch.tensor([[0.0, 0, 10, 10]] * 2), torch.tensor([[0.0, 0, 10, 10], [20, 0, 30, 10]]))
    assert iou.tolist() == pytest.approx([1, 0])
    assert generalised.tolist() == pytest.approx([1, -1 / 3])


def test_a_blend_lies_between_and_keeps_counters_whole():
    first = {"w": torch.tensor([0.0, 4.0]), "count": torch.tensor(3)}
    second = {"w": torch.tensor([8.0, 4.0]), "count": torch.tensor(9)}
    got = blend(first, second, 0.25)
    assert got["w"].tolist() == [2.0, 4.0]
    assert got["count"].item() == 9
