"""What a recipe says about computing, against what there is."""

import pytest
import torch

from instructvec.errors import ConfigError
from instructvec.training import devices
from instructvec.training.devices import open_devices, threads
from instructvec.training.options import ComputeOptions


def on_cpu(**options):
    return open_devices(ComputeOptions(device="cpu", **options))


def test_one_process_on_the_cpu():
    found = on_cpu(precision="float32")
    assert (found.device.type, found.rank, found.n_processes, found.is_first) == ("cpu", 0, 1, True)
    assert found.scaler is None and found.agreed(True) and not found.agreed(False)
    found.meet()


@pytest.mark.parametrize("has", [True, False])
def test_auto_is_bfloat16_where_hardware_has_it(monkeypatch, has):
    monkeypatch.setattr(devices, "_has_bfloat16", lambda device: has)
    assert on_cpu().precision == ("bfloat16" if has else "float32")


@pytest.mark.parametrize(("precision", "has", "expected"), [("bfloat16", False, True), ("bfloat16", True, False),
                                                            ("float32", False, False)])  # fmt: skip
def test_bfloat16_is_known_to_be_emulated(monkeypatch, precision, has, expected):
    monkeypatch.setattr(devices, "_has_bfloat16", lambda device: has)
    assert on_cpu(precision=precision).emulates is expected


def test_each_run_has_its_own_precision():
    layer = torch.nn.Linear(2, 2)
    seen = []
    layer.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    for precision in ("bfloat16", "float32", "bfloat16"):
        wrapped = on_cpu(precision=precision).wrapped(torch.nn.Sequential(layer))
        assert wrapped(torch.ones(1, 2)).dtype == torch.float32
    assert seen == [torch.bfloat16, torch.float32, torch.bfloat16]


def test_float16_needs_a_gpu():
    with pytest.raises(ConfigError, match="'float16', which needs a GPU; use 'bfloat16' or 'float32'"):
        on_cpu(precision="float16")


@pytest.mark.parametrize("device", ["tpu9", "cuda:99", "meta"])
def test_a_device_that_is_not_there_is_refused(device):
    with pytest.raises(ConfigError, match="compute.device is"):
        open_devices(ComputeOptions(device=device))


def test_threads_are_set_and_put_back():
    before = torch.get_num_threads()
    with threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
    with threads(None):
        assert torch.get_num_threads() == before
