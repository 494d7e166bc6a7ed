"""Checkpoints that are whole or absent: damage is found, older ones go last."""

import errno
import os

import pytest
import torch

from instructvec.errors import CheckpointError, OutputError
from instructvec.training import checkpoints
from instructvec.training.checkpoints import (
    newest_checkpoint,
    read_checkpoint,
    regular_checkpoints,
    remove_older,
    save_checkpoint,
    step_name,
)

TENSORS = {"a": torch.arange(6, dtype=torch.float32).reshape(2, 3), "step": torch.tensor(3.0)}


def save(folder, step, **state):
    return save_checkpoint(folder, step_name(step), {"weights": TENSORS, "optimizer": {}}, {"step": step, **state})


def names(folder):
    return sorted(one.name for one in folder.iterdir())


def test_what_is_saved_is_read_again(tmp_path):
    save(tmp_path, 200, sampler={"step": 200})
    found = newest_checkpoint(tmp_path, print)
    assert found.step == 200 and found.state["sampler"] == {"step": 200}
    tensors = found.tensors("weights")
    assert tensors.keys() == TENSORS.keys() and all(torch.equal(tensors[name], TENSORS[name]) for name in TENSORS)
    assert found.tensors("optimizer") == {}
    tensors["a"] += 1  # a copy: the file stays
    assert torch.equal(found.tensors("weights")["a"], TENSORS["a"])


def test_no_checkpoint_is_none(tmp_path):
    assert newest_checkpoint(tmp_path / "nowhere", print) is None


def test_newest_is_by_number(tmp_path):
    for step in (9, 100_000_000, 10):
        save(tmp_path, step)
    assert newest_checkpoint(tmp_path, print).step == 100_000_000


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: (path / "weights.safetensors").write_bytes(b""),
        lambda path: (path / "optimizer.safetensors").unlink(),
        lambda path: (path / "state.json").write_text('{"step": 2'),
        lambda path: (path / "state.json").unlink(),
        lambda path: (path / "state.json").write_text("[]"),
    ],
)
def test_damaged_one_is_named_and_the_one_before_it_used(tmp_path, damage):
    save(tmp_path, 1), save(tmp_path, 2)
    damage(tmp_path / step_name(2))
    said = []
    assert newest_checkpoint(tmp_path, said.append).step == 1
    assert len(said) == 1 and "step-00000002" in said[0] and "the one before it used" in said[0]


def test_a_changed_bit_is_found(tmp_path):
    file = save(tmp_path, 1) / "weights.safetensors"
    content = bytearray(file.read_bytes())
    content[-2] ^= 4
    file.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"weights.safetensors: damaged: .* bytes, CRC-32 \w+, expected"):
        read_checkpoint(file.parent)


def test_another_format_is_refused(tmp_path):
    path = save(tmp_path, 1, format_version=2)
    with pytest.raises(CheckpointError, match="format 2, by another version"):
        read_checkpoint(path)


@pytest.mark.parametrize("at", [1, 2])
def test_full_disk_leaves_what_was_there(tmp_path, monkeypatch, at):
    save(tmp_path, 1)
    write, n_written = checkpoints.write_safetensors, []

    def full(file, tensors):
        n_written.append(file)
        if len(n_written) == at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(file, tensors)

    monkeypatch.setattr(checkpoints, "write_safetensors", full)
    with pytest.raises(OutputError, match="the disk is full.*free some space"):
        save(tmp_path, 2)
    assert names(tmp_path) == [step_name(1)] and read_checkpoint(tmp_path / step_name(1)).step == 1


def test_one_cut_off_while_written_does_not_count(tmp_path, monkeypatch):
    save(tmp_path, 1)

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("pathlib.Path.rename", killed)
        with pytest.raises(KeyboardInterrupt):
            save(tmp_path, 2)
    assert newest_checkpoint(tmp_path, print).step == 1
    assert save(tmp_path, 2).is_dir()


def test_one_of_the_same_step_is_replaced(tmp_path):
    save(tmp_path, 1, word="old"), save(tmp_path, 1, word="new")
    assert newest_checkpoint(tmp_path, print).state["word"] == "new"


def test_older_ones_go_and_regular_ones_stay_longer(tmp_path):
    for step in (10, 20, 25, 30, 33):
        save(tmp_path, step)
    (tmp_path / ".step-00000040.tmp").mkdir()
    (tmp_path / "best").mkdir()
    remove_older(tmp_path, keep=2, every=10)
    assert names(tmp_path) == ["best", *map(step_name, (20, 30, 33))]
    assert [step for step, _ in regular_checkpoints(tmp_path, 10)] == [30, 20]
    remove_older(tmp_path, keep=1, every=10)
    assert names(tmp_path) == ["best", *map(step_name, (30, 33))]
