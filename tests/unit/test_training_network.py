import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs training/requirements.txt: torch is no part of the product")

from safetygear_training.blend import blend  # noqa: E402 - only where torch is there
from safetygear_training.blend import main as blending  # noqa: E402
from safetygear_training.coco_start import coco_detector, measure_batch_norm  # noqa: E402
from safetygear_training.config import Learning  # noqa: E402
from safetygear_training.deepen import deepened  # noqa: E402
from safetygear_training.losses import detection_loss, overlaps  # noqa: E402
from safetygear_training.network import Detector  # noqa: E402
from safetygear_training.state import parameters, set_parameters, set_statistics, statistics  # noqa: E402
from safetygear_training.weights import (  # noqa: E402
    STEM,
    WeightsError,
    delivered,
    fold_batch_norm,
    read_delivered,
    stem_from_focus,
    stem_to_focus,
)
from safetygear_training.widen import widened  # noqa: E402

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
    other = read_delivered(tmp_path / "w.pth")
    for name, value in detector.state_dict().items():
        assert torch.allclose(other.state_dict()[name].float(), value.float(), rtol=1e-5), name
    torch.save({"a": torch.zeros(1)}, tmp_path / "x.pth")
    with pytest.raises(WeightsError, match=r"x\.pth"):
        read_delivered(tmp_path / "x.pth")


@pytest.mark.parametrize("channels", [24, 32, 40])
def test_a_widened_network_answers_as_the_narrow_one(detector, images, channels, tmp_path):
    detector.train()
    detector(images)  # batch norms that are not all the same
    detector.eval()
    wide = widened(detector, channels, seed=3).eval()
    with torch.no_grad():
        assert torch.allclose(wide(images), detector(images), atol=1e-4)
    torch.save(delivered(wide.state_dict()), tmp_path / "wide.pth")
    assert read_delivered(tmp_path / "wide.pth").channels == channels


@pytest.mark.parametrize("silu", [False, True])
def test_a_deepened_network_answers_nearly_as_the_shallow_one_and_learns(images, silu, tmp_path):
    torch.manual_seed(1)
    detector = Detector(silu=silu)
    detector(images)  # batch norms that are not all the same
    detector.eval()
    deep = deepened(detector, 2, seed=3).eval()
    with torch.no_grad():
        assert torch.allclose(deep(images), detector(images), atol=0.05)
    torch.save(delivered(deep.state_dict()), tmp_path / "deep.pth")
    assert read_delivered(tmp_path / "deep.pth", silu).more_bottlenecks == 2
    deep.train()
    deep(images).sum().backward()
    for stage in ("dark2", "dark3", "dark4"):
        block = deep.backbone.backbone.get_submodule(f"{stage}.1.m")[-1]
        for part in (block.conv1.conv, block.conv2.dconv.conv, block.conv2.pconv.conv):
            assert part.weight.grad.abs().sum() > 0, stage


def test_a_deepened_network_is_that_of_its_seed(detector):
    first, again, other = (parameters(deepened(detector, 1, seed)) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert deepened(detector, 0, seed=3) is detector


def test_copies_of_a_channel_are_read_differently(detector):
    pointwise = widened(detector, 24, seed=3).backbone.backbone.dark2[0].pconv.conv.weight.detach()[:, :, 0, 0]
    # inputs 16 to 23 are copies of 0 to 7, outputs 32 to 47 of 0 to 15
    shares = pointwise[:, :8] / (pointwise[:, :8] + pointwise[:, 16:24])
    assert torch.allclose(
        pointwise[:16, :8] + pointwise[:16, 16:24], pointwise[32:, :8] + pointwise[32:, 16:24], atol=1e-6
    )
    assert 0.1 < float(shares.min()) < float(shares.max()) < 0.9
    assert float(shares.std()) > 0.05


def test_a_network_of_the_same_width_is_left_alone(detector):
    assert widened(detector, 16, seed=3) is detector


@pytest.fixture
def coco(tmp_path):
    """A file like YOLOX-nano's COCO weights: 80 classes, an interleaved stem for pixels up to 255."""
    torch.manual_seed(5)
    state = delivered(Detector(classes=80).state_dict())
    torch.save({"model": state}, tmp_path / "coco.pth")
    return tmp_path / "coco.pth", state


def test_a_run_from_coco_begins_with_its_persons(coco, images):
    path, state = coco
    detector = coco_detector(path, seed=0).eval()
    plain = Detector(classes=80).eval()
    plain.load_state_dict(state | {STEM: stem_from_focus(state[STEM]) * 255})
    with torch.no_grad():
        ours, coco_s = detector(images), plain(images)
    assert torch.allclose(ours[..., :6], coco_s[..., :6], atol=1e-5)  # boxes, objectness, person
    assert (ours[..., 6:].sigmoid() < 0.5).all()


def test_the_activation_of_coco_can_be_kept(coco, images, tmp_path):
    smooth, relu = coco_detector(coco[0], seed=0, silu=True).eval(), coco_detector(coco[0], seed=0).eval()
    with torch.no_grad():
        assert (smooth(images) != relu(images)).any()
        assert torch.allclose(widened(smooth, 24, seed=1).eval()(images), smooth(images), atol=1e-4)
        torch.save(delivered(smooth.state_dict()), tmp_path / "s.pth")
        assert torch.allclose(read_delivered(tmp_path / "s.pth", silu=True).eval()(images), smooth(images), atol=1e-4)


def test_measured_batch_norms_change_no_answer_and_know_the_pictures(coco, images):
    detector = coco_detector(coco[0], seed=0).eval()
    with torch.no_grad():
        before = detector(images)
        measure_batch_norm(detector, images.split(1))
        assert torch.allclose(detector(images), before, atol=1e-4)
        stem = detector.backbone.backbone.stem.conv
        assert torch.allclose(stem.conv(images).std((0, 2, 3), correction=0), torch.ones(16), atol=1e-3)


def test_a_file_that_is_not_cocos_is_named(tmp_path, detector):
    torch.save(detector.state_dict(), tmp_path / "ours.pth")
    with pytest.raises(WeightsError, match=r"ours\.pth: no COCO weights"):
        coco_detector(tmp_path / "ours.pth", seed=0)
    (tmp_path / "text.pth").write_text("no weights")
    with pytest.raises(WeightsError, match=r"text\.pth"):
        coco_detector(tmp_path / "text.pth", seed=0)


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
    loss, parts = detection_loss(raw, boxes, mask, SIZE, Learning())
    loss.backward()
    assert parts.anchors >= 1
    assert (raw.grad[..., 6] != 0).any()
    assert (raw.grad[..., [5, 7, 8, 9]] == 0).all()


def test_focus_leaves_out_what_is_known_already(detector, images):
    raw = detector(images).detach()
    raw[..., 4:] = -8.0
    raw[..., 100, 4:] = 8.0  # a sure mistake among places that are rightly empty
    empty, mask = [np.zeros((0, 5), np.float32)] * 2, np.ones((2, raw.shape[1], 5), bool)
    plain, focused = (detection_loss(raw, empty, mask, SIZE, Learning(score_focus=focus))[1].score for focus in (0, 2))
    mistakes = 10 * -np.log1p(-1 / (1 + np.exp(-8.0)) ** 2 + 1e-12)
    assert plain > focused
    assert focused == pytest.approx(mistakes, rel=0.01)


def test_generalised_overlap_of_boxes_apart_is_negative():
    iou, generalised = overlaps(torch.tensor([[0.0, 0, 10, 10]] * 2), torch.tensor([[0.0, 0, 10, 10], [20, 0, 30, 10]]))
    assert iou.tolist() == pytest.approx([1, 0])
    assert generalised.tolist() == pytest.approx([1, -1 / 3])


def test_only_networks_of_one_shape_are_blended_and_within_the_line(detector, tmp_path, caplog, capsys):
    wide, one, other = (tmp_path / name for name in ("wide.pth", "one.pth", "other.pth"))
    torch.save(delivered(widened(detector, 24, seed=3).state_dict()), wide)
    for path in (one, other):
        torch.save(delivered(detector.state_dict()), path)
    assert blending([str(one), str(wide), str(tmp_path / "no.pth")]) == 2
    assert "wide.pth: another network than" in caplog.text
    with pytest.raises(SystemExit):
        blending([str(one), str(other), str(tmp_path / "no.pth"), "--share", "70"])
    assert "70 is not from 0 to 1" in capsys.readouterr().err
    assert not (tmp_path / "no.pth").exists()
    assert blending([str(one), str(other), str(tmp_path / "yes.pth"), "--share", "0.7"]) == 0
    assert torch.allclose(parameters(read_delivered(tmp_path / "yes.pth")), parameters(detector), rtol=1e-5)


def test_a_blend_lies_between_and_keeps_counters_whole():
    first = {"w": torch.tensor([0.0, 4.0]), "count": torch.tensor(3)}
    second = {"w": torch.tensor([8.0, 4.0]), "count": torch.tensor(9)}
    got = blend(first, second, 0.25)
    assert got["w"].tolist() == [2.0, 4.0]
    assert got["count"].item() == 9
