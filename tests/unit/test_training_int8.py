import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs training/requirements.txt: torch is no part of the product")

from safetygear_training.detecting import onnx_network  # noqa: E402 - only where torch is there
from safetygear_training.equalise import equalise, links  # noqa: E402
from safetygear_training.network import Detector  # noqa: E402
from safetygear_training.quantise import Calibration, float_nodes, quantise  # noqa: E402
from safetygear_training.weights import delivered, fold_batch_norm  # noqa: E402

SIZE = (64, 96)


@pytest.fixture
def detector():
    """Random weights, with batch norm statistics of its own pictures, so that channels differ."""
    torch.manual_seed(1)
    network = Detector().train()
    for _ in range(5):
        network(torch.rand(4, 3, *SIZE))
    return network.eval()


@pytest.fixture
def pictures():
    return list(np.random.default_rng(2).integers(0, 255, (10, 48, 80, 3), dtype=np.uint8))


@torch.no_grad()
def test_equalising_changes_channels_and_not_the_function(detector):
    fold_batch_norm(detector)
    image = torch.rand(1, 3, *SIZE)
    before, weights = detector(image), [link.producer.weight.clone() for link in links(detector)]
    equalise(detector, [torch.rand(2, 3, *SIZE)])
    assert torch.allclose(detector(image), before, atol=1e-4)
    assert not any(torch.equal(old, link.producer.weight) for old, link in zip(weights, links(detector), strict=True))


def test_every_link_has_one_width(detector):
    for link in links(detector):
        for reader in link.consumers:
            assert link.producer.out_channels == (reader.in_channels if reader.groups == 1 else reader.groups)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_int8_is_near_float_and_leaves_stem_and_outputs_alone(detector, pictures, tmp_path):
    import onnx

    from safetygear_training.export import export

    torch.save(delivered(detector.state_dict()), tmp_path / "w.pth")
    export(tmp_path / "w.pth", tmp_path / "float.onnx", SIZE)
    quantise(tmp_path / "w.pth", tmp_path / "int8.onnx", SIZE, pictures[:2], pictures)
    image = np.full((1, 3, *SIZE), 100, np.float32)
    whole, small = (onnx_network(tmp_path / name)[0](image) for name in ("float.onnx", "int8.onnx"))
    assert np.abs(whole - small).mean() < 0.1 * np.abs(whole).mean()
    model = onnx.load(tmp_path / "int8.onnx")
    kept = float_nodes(onnx.load(tmp_path / "float.onnx"))
    assert sum("preds" in name for name in kept) == 9
    sources = {out: node.op_type for node in model.graph.node for out in node.output}
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    as_float = [node.name for node in convolutions if sources.get(node.input[1]) != "DequantizeLinear"]
    assert len(as_float) == 30
    weights = [value for value in model.graph.initializer if value.data_type == onnx.TensorProto.INT8]
    assert max(np.abs(onnx.numpy_helper.to_array(value)).max() for value in weights if value.dims) <= 64


def test_calibration_shows_the_pictures_it_is_asked_for(pictures):
    reader = Calibration(pictures, SIZE)
    assert reader.get_next() is None
    reader.set_range(start_index=5, end_index=7)
    assert [reader.get_next()["images"].shape for _ in range(2)] == [(1, 3, *SIZE)] * 2
    assert reader.get_next() is None
