"""A whole run: its folder, going on after any end, and what it refuses."""

import errno
import json
import math
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from instructvec import Embedder
from instructvec.errors import CheckpointError, ConfigError, EngineError, InputError, OutputError, OutputExists
from instructvec.training import checkpoints, step
from instructvec.training.distillation import Distillation
from instructvec.training.objective import NAMED
from instructvec.training.options import (
    CheckpointOptions,
    EvaluationOptions,
    Lora,
    ResultOptions,
    TeacherOptions,
    TrackingOptions,
)
from instructvec.training.trainer import train
from tests.training.runs import STEPS, Told, lines, mixture, tiny_recipe, weights


@pytest.fixture(scope="module")
def unbroken(tiny_start, tmp_path_factory):
    """A run from the first to the last step, and its folder."""
    out = tmp_path_factory.mktemp("unbroken") / "out"
    return train(tiny_recipe(tiny_start), out, mixture=mixture()), out


def test_run_leaves_a_model_that_the_embedder_opens(unbroken):
    trained, out = unbroken
    assert trained.finished and trained.steps == STEPS and trained.model == out / "model"
    vectors = Embedder(trained.model).encode(["one text", "another"], "Topic: ")
    assert vectors.shape == (2, 32) and np.isfinite(vectors).all()


def test_log_has_a_line_a_step(unbroken):
    trained, out = unbroken
    found = lines(out)
    assert [line["step"] for line in found] == list(range(1, STEPS + 1))
    assert all(math.isfinite(line["loss"]) and line["rows"] == 8 and line["units"] for line in found)
    losses = [line["loss"] for line in found]
    assert trained.losses == pytest.approx((np.mean(losses[:2]), np.mean(losses[-2:])))  # of eight
    assert found[0]["learning_rate"] == pytest.approx(1e-3) and found[-1]["learning_rate"] < 2e-4


def test_loss_falls(tiny_start, tmp_path):
    recipe = tiny_recipe(tiny_start, optimizer={"steps": 40, "learning_rate": 3e-3}, dropout=0.0)
    train(recipe, tmp_path / "out", mixture=mixture())
    losses = [line["loss"] for line in lines(tmp_path / "out")]
    assert np.mean(losses[-10:]) < 0.9 * np.mean(losses[:10])


def test_texts_are_cut_shorter_in_training_than_in_use(unbroken, tiny_start, tmp_path):
    recipe = tiny_recipe(tiny_start, batches={"max_seq_length": 12}, optimizer={"steps": 2})
    trained = train(recipe, tmp_path / "out", mixture=mixture())
    assert any(line["truncated"] > 0 for line in lines(tmp_path / "out"))
    assert Embedder(trained.model).max_seq_length == Embedder(unbroken[0].model).max_seq_length > 12


def test_interrupted_run_takes_the_steps_of_an_unbroken_one(unbroken, tiny_start, tmp_path):
    _, whole = unbroken
    out, recipe = tmp_path / "out", tiny_recipe(tiny_start)
    for _ in range(4):
        part = train(recipe, out, mixture=mixture(), steps_now=2)
    assert part.finished
    assert lines(out) == lines(whole)
    assert weights(out) == weights(whole)


def test_stopping_for_now_leaves_a_checkpoint_and_no_model(tiny_start, tmp_path):
    out, recipe, told = tmp_path / "out", tiny_recipe(tiny_start), Told()
    part = train(recipe, out, mixture=mixture(), steps_now=2, progress=told)
    assert (part.finished, part.model, part.steps) == (False, None, 2)
    assert not (out / "model").exists() and not (out / "finished.json").exists()
    assert [one.name for one in (out / "checkpoints").iterdir()] == ["step-00000002"]
    told = Told()
    train(recipe, out, mixture=mixture(), steps_now=1, progress=told)
    assert told.started == (STEPS, 2) and "going on from step 2 of 8" in told.said


def test_minutes_now_ends_a_call(tiny_start, tmp_path):
    part = train(tiny_recipe(tiny_start), tmp_path / "out", mixture=mixture(), minutes_now=1e-6)
    assert part.steps == 1 and not part.finished


def test_newest_checkpoints_are_kept(unbroken):
    _, out = unbroken
    assert sorted(one.name for one in (out / "checkpoints").iterdir()) == [f"step-0000000{at}" for at in (3, 6, 8)]


def test_checkpoint_after_minutes(tiny_start, tmp_path):
    out = tmp_path / "out"
    recipe = tiny_recipe(tiny_start, checkpoints=CheckpointOptions(every=100, minutes=1e-9))

    def stop(record):
        if record.step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(recipe, out, mixture=mixture(), progress=Told(stop))
    assert [one.name for one in (out / "checkpoints").iterdir()] == ["step-00000002"]


def test_emulated_bfloat16_is_said_to_be_slow(tiny_start, tmp_path, monkeypatch):
    monkeypatch.setattr("instructvec.training.devices._has_bfloat16", lambda device: False)
    recipe, told = tiny_recipe(tiny_start, compute={"precision": "bfloat16"}), Told()
    train(recipe, tmp_path / "out", mixture=mixture(), steps_now=1, progress=told)
    assert sum("only emulates: slow" in line for line in told.said) == 1


def test_ctrl_c_keeps_the_last_checkpoint_and_says_so(unbroken, tiny_start, tmp_path):
    _, whole = unbroken
    out, recipe = tmp_path / "out", tiny_recipe(tiny_start)

    def stop(record):
        if record.step == 5:
            raise KeyboardInterrupt

    told = Told(stop)
    with pytest.raises(KeyboardInterrupt):
        train(recipe, out, mixture=mixture(), progress=told)
    assert told.said[-1] == (
        "interrupted after step 5; The last checkpoint is that of step 3: the same call goes on from it"
    )
    train(recipe, out, mixture=mixture())
    assert lines(out) == lines(whole) and weights(out) == weights(whole)


KILLED = """
import sys
from tests.training.runs import Told, mixture, tiny_recipe
from instructvec.training.trainer import train
from pathlib import Path

train(tiny_recipe(sys.argv[1]), Path(sys.argv[2]), mixture=mixture(),
      progress=Told(lambda record: print(record.step, flush=True)))
"""


def test_killed_run_goes_on_as_if_it_had_not_been(unbroken, tiny_start, tmp_path):
    _, whole = unbroken
    out = tmp_path / "out"
    command = [sys.executable, "-c", KILLED, str(tiny_start), str(out)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        for line in process.stdout:
            if line.strip() == "5":
                process.send_signal(signal.SIGKILL)
                break
        process.wait()
    assert not (out / "finished.json").exists() and (out / "checkpoints" / "step-00000003").is_dir()
    (out / "checkpoints" / ".step-00000006.tmp").mkdir()  # what a kill while writing leaves
    with (out / "log.jsonl").open("a") as log:
        log.write('{"step": 6, "lo')
    told = Told()
    train(tiny_recipe(tiny_start), out, mixture=mixture(), progress=told)
    assert told.started[1] in (3, 6)
    assert lines(out) == lines(whole) and weights(out) == weights(whole)
    assert not list((out / "checkpoints").glob(".*"))


def test_damaged_checkpoint_is_named_and_the_one_before_it_used(unbroken, tiny_start, tmp_path):
    _, whole = unbroken
    out, recipe = tmp_path / "out", tiny_recipe(tiny_start)
    train(recipe, out, mixture=mixture(), steps_now=7)
    file = out / "checkpoints" / "step-00000007" / "weights.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    told = Told()
    train(recipe, out, mixture=mixture(), progress=told)
    assert any("step-00000007/weights.safetensors: damaged" in one for one in told.said)
    assert told.started == (STEPS, 6)
    assert lines(out) == lines(whole) and weights(out) == weights(whole)


def test_full_disk_leaves_the_last_checkpoint_intact(unbroken, tiny_start, tmp_path, monkeypatch):
    _, whole = unbroken
    out, recipe = tmp_path / "out", tiny_recipe(tiny_start)
    write, n_written = checkpoints.write_safetensors, []

    def full(file, tensors):
        n_written.append(file)
        if len(n_written) == 4:  # the second checkpoint's second file
            file.write_bytes(b"half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(file, tensors)

    monkeypatch.setattr(checkpoints, "write_safetensors", full)
    with pytest.raises(OutputError, match=r"step-00000006: the disk is full .*free some space.*continues"):
        train(recipe, out, mixture=mixture())
    assert [one.name for one in (out / "checkpoints").iterdir()] == ["step-00000003"]
    train(recipe, out, mixture=mixture())
    assert lines(out) == lines(whole) and weights(out) == weights(whole)


def test_loss_that_is_not_finite_names_step_datasets_and_checkpoint(tiny_start, tmp_path, monkeypatch):
    loss_of = step.contrastive_loss

    def broken(*arguments, **options):
        found = loss_of(*arguments, **options)
        broken.n += 1
        return found._replace(loss=found.loss * math.nan) if broken.n == 5 else found

    broken.n = 0
    monkeypatch.setattr(step, "contrastive_loss", broken)
    with pytest.raises(EngineError, match=r"step 5, of \w+.*: the loss is nan.*last checkpoint is that of step 3"):
        train(tiny_recipe(tiny_start), tmp_path / "out", mixture=mixture())


def test_finished_run_returns_at_once(unbroken, tiny_start):
    trained, out = unbroken
    told = Told()
    again = train(tiny_recipe(tiny_start), out, progress=told)  # no mixture: none is opened
    assert again == trained
    assert "is finished: 8 steps" in told.said[0]


def test_run_cut_off_before_its_last_line_makes_the_same_model_again(unbroken, tiny_start, tmp_path):
    trained, whole = unbroken
    out = shutil.copytree(whole, tmp_path / "out")
    (out / "finished.json").unlink()
    (out / "model" / "README.md").unlink()
    again = train(tiny_recipe(tiny_start), out, mixture=mixture())
    assert (again.steps, again.losses, again.counts) == (trained.steps, trained.losses, trained.counts)
    assert weights(out) == weights(whole) and (out / "model" / "README.md").is_file()


def test_folder_of_another_recipe_is_refused_by_what_differs(unbroken, tiny_start):
    _, out = unbroken
    recipe = tiny_recipe(tiny_start, optimizer={"learning_rate": 2e-3})
    with pytest.raises(OutputExists, match=r"optimizer.learning_rate is 0.002, and 0.001 in the other"):
        train(recipe, out, mixture=mixture())


def test_folder_of_something_else_is_refused(tiny_start, tmp_path):
    (tmp_path / "model").mkdir()
    with pytest.raises(OutputExists, match=r"there is model in it and no recipe.toml"):
        train(tiny_recipe(tiny_start), tmp_path, mixture=mixture())


def test_two_runs_in_one_folder_are_refused(tiny_start, tmp_path):
    out, recipe = tmp_path / "out", tiny_recipe(tiny_start)

    def another(record):
        if record.step == 1:
            with pytest.raises(OutputExists, match="another process trains here"):
                train(recipe, out, mixture=mixture())

    train(recipe, out, mixture=mixture(), progress=Told(another), steps_now=1)


def test_other_data_is_not_gone_on_with(tiny_start, tmp_path):
    from instructvec.training.mixture import mixture_of
    from tests.training.made import pairs

    out, recipe = tmp_path / "out", tiny_recipe(tiny_start)
    train(recipe, out, mixture=mixture(), steps_now=1)
    with pytest.raises(ConfigError, match="of another mixture or other options"):
        train(recipe, out, mixture=mixture_of(pairs("other", 30)))


def test_other_starting_weights_are_not_gone_on_with(tiny_start, tmp_path):
    from tests.parity.tiny import tiny_bert

    model, out = tmp_path / "bert", tmp_path / "out"
    recipe = tiny_recipe(tiny_bert(model))
    train(recipe, out, mixture=mixture(), steps_now=1)
    tiny_bert(tmp_path / "other", seed=5)
    (model / "model.safetensors").write_bytes((tmp_path / "other" / "model.safetensors").read_bytes())
    with pytest.raises(OutputExists, match="other starting weights"):
        train(recipe, out, mixture=mixture())


@pytest.mark.parametrize("option", [{"steps_now": 0}, {"minutes_now": -1.0}])
def test_nothing_now_is_refused(tiny_start, tmp_path, option):
    with pytest.raises(ConfigError, match="expected more than 0"):
        train(tiny_recipe(tiny_start), tmp_path / "out", mixture=mixture(), **option)


def test_bad_row_is_named(tiny_start, tmp_path):
    from instructvec.training.mixture import mixture_of
    from tests.training.made import row

    rows = [row("d", "q", "a text", instruction="word " * 200)]
    rows += [row("d", f"query {at}", f"positive {at}") for at in range(20)]
    recipe = tiny_recipe(tiny_start, batches={"batch_size": 21, "least_rows": 2})
    with pytest.raises(InputError, match="row 0: its instruction leaves no room for text"):
        train(recipe, tmp_path / "out", mixture=mixture_of(rows))


# ------------------------------------------------------------ scores and results


def falling(path):
    """A score that only the first of the scored weights can win, twice: by how far they are from the start."""
    falling.paths.append(path)
    return {"a": 10.0 - len(falling.paths), "b": 0.0}


@pytest.fixture
def score():
    falling.paths = []
    return falling


def test_best_scored_weights_are_the_result(tiny_start, tmp_path, score):
    out = tmp_path / "out"
    recipe = tiny_recipe(tiny_start, evaluation=EvaluationOptions(every=2))
    trained = train(recipe, out, mixture=mixture(), score=score)
    assert [(one.step, one.values["a"]) for one in trained.scores] == [
        (0, 9.0),
        (2, 8.0),
        (4, 7.0),
        (6, 6.0),
        (8, 5.0),
    ]
    assert [line["step"] for line in lines(out, scores=True)] == [0, 2, 4, 6, 8]
    until_2 = tmp_path / "until_2"
    train(recipe, until_2, mixture=mixture(), steps_now=2)
    best = checkpoints.read_checkpoint(until_2 / "checkpoints" / "step-00000002").tensors("weights")
    from safetensors.torch import load_file

    result = load_file(trained.model / "model.safetensors")
    assert all(torch.equal(result[name], tensor) for name, tensor in best.items())
    assert not list(out.glob(".scored*"))
    card = (trained.model / "README.md").read_text()
    assert "| a | 9.0 | 8.0 | -1.0 |" in card and "2 steps of the 8 asked for" in card


def test_scores_go_on_after_an_interruption(tiny_start, tmp_path):
    recipe = tiny_recipe(tiny_start, evaluation=EvaluationOptions(every=2))

    def score(path):
        return {"a": float(Embedder(path).encode("text")[0])}

    whole = train(recipe, tmp_path / "whole", mixture=mixture(), score=score)
    for _ in range(3):
        parts = train(recipe, tmp_path / "parts", mixture=mixture(), score=score, steps_now=3)
    assert parts.scores == whole.scores
    assert lines(tmp_path / "parts", scores=True) == lines(tmp_path / "whole", scores=True)
    assert weights(tmp_path / "parts") == weights(tmp_path / "whole")


def test_score_that_is_no_number_is_refused(tiny_start, tmp_path):
    recipe = tiny_recipe(tiny_start, evaluation=EvaluationOptions(every=2))
    with pytest.raises(EngineError, match="the scores are {'a': nan}"):
        train(recipe, tmp_path / "out", mixture=mixture(), score=lambda path: {"a": math.nan})


def test_result_is_averaged_with_the_start(unbroken, tiny_start, tmp_path):
    from safetensors.torch import load_file

    _, whole = unbroken
    recipe = tiny_recipe(tiny_start, result=ResultOptions(average_with_start=0.25))
    trained = train(recipe, tmp_path / "out", mixture=mixture())
    ours, last, start = (
        load_file(path / "model.safetensors") for path in (trained.model, whole / "model", tiny_start)
    )
    for name, tensor in ours.items():
        torch.testing.assert_close(tensor, 0.75 * last[name] + 0.25 * start[name])


def test_result_is_the_mean_with_other_runs_results(unbroken, tiny_start, tmp_path):
    from safetensors.torch import load_file

    _, whole = unbroken
    other = train(tiny_recipe(tiny_start, seed=5), tmp_path / "other", mixture=mixture())
    options = ResultOptions(average_with=(str(other.model),), average_with_start=0.25)
    said = Told()
    trained = train(tiny_recipe(tiny_start, result=options), tmp_path / "out", mixture=mixture(), progress=said)
    ours, last, theirs, start = (
        load_file(path / "model.safetensors") for path in (trained.model, whole / "model", other.model, tiny_start)
    )
    for name, tensor in ours.items():
        torch.testing.assert_close(tensor, 0.375 * last[name] + 0.375 * theirs[name] + 0.25 * start[name])
    assert "the result is the mean with 1 other result" in said.said
    card = (trained.model / "README.md").read_text()
    assert "The weights are the mean" in card.replace("\n", " ") and 'average_with = ["other/model"]' in card
    assert str(tmp_path) not in card


def test_a_result_of_another_trainer_is_averaged_too(tiny_start, tmp_path):
    """One without our manifest: what it was trained on is not known, and only our own is told."""
    plain = tiny_recipe(tiny_start)
    alone = train(plain, tmp_path / "alone", mixture=mixture())
    other = shutil.copytree(alone.model, tmp_path / "other")
    (other / "instructvec.json").unlink()
    with_other = replace(plain, result=ResultOptions(average_with=(str(other),)))
    both = train(with_other, tmp_path / "both", mixture=mixture())
    manifests = [json.loads((trained.model / "instructvec.json").read_text()) for trained in (alone, both)]
    assert manifests[0]["trained_on"] == manifests[1]["trained_on"] != []


def test_other_runs_results_that_do_not_fit_are_refused_at_once(tiny_start, tiny_start_t5, tmp_path):
    for wrong, message in (
        (tiny_start_t5, "is built, joined or pooled in another way"),
        (tmp_path / "none", "none"),
    ):
        recipe = tiny_recipe(tiny_start, result=ResultOptions(average_with=(str(wrong),)))
        with pytest.raises((ConfigError, CheckpointError), match=message):
            train(recipe, tmp_path / "out", mixture=mixture())


@pytest.mark.parametrize("parts", [STEPS, 4])
def test_result_is_the_mean_of_the_last_checkpoints_however_often_one_stopped(tiny_start, tmp_path, parts, score):
    from safetensors.torch import load_file

    recipe = tiny_recipe(tiny_start, result=ResultOptions(average_last=2), evaluation=EvaluationOptions(every=100))
    trained = train(recipe, tmp_path / "out", mixture=mixture(), steps_now=parts, score=score)
    if not trained.finished:
        trained = train(recipe, tmp_path / "out", mixture=mixture(), score=score)
    card = (trained.model / "README.md").read_text()
    assert f"| a | 9.0 | {10 - len(falling.paths)}.0 |" in card  # the mean itself is scored
    result = load_file(trained.model / "model.safetensors")
    folder = tmp_path / "out" / "checkpoints"
    last = [checkpoints.read_checkpoint(folder / f"step-0000000{at}").tensors("weights") for at in (6, 8)]
    for name, tensor in last[0].items():
        torch.testing.assert_close(result[name], (tensor + last[1][name]) / 2)


# ------------------------------------------------------------ other ways of training


@pytest.mark.parametrize("family", ["t5", "lora", "temperature", "bfloat16", "pieces", "layers"])
def test_resumes_exactly(tiny_start, tiny_start_t5, tmp_path, family):
    options = {
        "t5": {},
        "lora": {"lora": Lora(rank=2, dropout=0.1)},
        "temperature": {"objective": replace(NAMED["masked"], learn_temperature=True, temperature=0.05)},
        "bfloat16": {"compute": {"precision": "bfloat16", "device": "cpu"}},
        "pieces": {"compute": {"precision": "float32", "device": "cpu", "sub_batch_rows": 5}},
        "layers": {"optimizer": {"layer_decay": 0.5, "schedule": "cosine", "warmup": 3}},
    }[family]
    recipe = tiny_recipe(tiny_start_t5 if family == "t5" else tiny_start, **options)
    train(recipe, tmp_path / "whole", mixture=mixture())
    train(recipe, tmp_path / "parts", mixture=mixture(), steps_now=4)
    train(recipe, tmp_path / "parts", mixture=mixture())
    assert lines(tmp_path / "parts") == lines(tmp_path / "whole")
    assert weights(tmp_path / "parts") == weights(tmp_path / "whole")


def test_pieces_change_nothing_but_rounding(tiny_start, tmp_path):
    found = []
    for rows in (None, 5):
        out = tmp_path / str(rows)
        recipe = tiny_recipe(tiny_start, dropout=0.0, compute={"sub_batch_rows": rows}, optimizer={"steps": 4})
        train(recipe, out, mixture=mixture())
        found.append([(line["loss"], line["grad_norm"]) for line in lines(out)])
    np.testing.assert_allclose(*found, rtol=2e-4)


def test_teacher_is_distilled_and_resumed(tiny_start, tmp_path):
    recipe = tiny_recipe(
        tiny_start,
        teacher=TeacherOptions(str(tiny_start)),
        objective=replace(NAMED["masked"], distillation=Distillation(weight=0.5)),
    )
    train(recipe, tmp_path / "whole", mixture=mixture())
    train(recipe, tmp_path / "parts", mixture=mixture(), steps_now=5)
    train(recipe, tmp_path / "parts", mixture=mixture())
    found = lines(tmp_path / "whole")
    assert all(line["distillation"] > 0 for line in found)
    assert lines(tmp_path / "parts") == found


def test_out_of_memory_halves_the_pieces_and_says_so(tiny_start, tmp_path, monkeypatch):
    backward = step.cached_backward

    def short_of_memory(encode, pieces, loss_of, **options):
        if max(sum(len(one.ids) for one in piece) for piece in pieces) > 6:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return backward(encode, pieces, loss_of, **options)

    monkeypatch.setattr(step, "cached_backward", short_of_memory)
    told, recipe = Told(), tiny_recipe(tiny_start)
    trained = train(recipe, tmp_path / "out", mixture=mixture(), progress=told, steps_now=4)
    assert any(one.startswith("out of memory with a sub-batch of") for one in told.said)
    n_halvings = trained.counts["halvings"]
    assert 1 <= n_halvings <= 3
    assert train(recipe, tmp_path / "out", mixture=mixture()).counts["halvings"] == n_halvings  # remembered


def test_curves_are_written_for_tensorboard(tiny_start, tmp_path):
    recipe = tiny_recipe(tiny_start, tracking=TrackingOptions(every=2))
    train(recipe, tmp_path / "out", mixture=mixture(), steps_now=2)
    assert list((tmp_path / "out" / "tensorboard").glob("events.*"))


def test_model_says_what_it_was_trained_on_and_by(unbroken, tiny_start):
    trained, _ = unbroken
    content = json.loads((trained.model / "instructvec.json").read_text())
    assert content["recipe"]["digest"] == tiny_recipe(tiny_start).digest
    assert content["trained_on"] == ["big", "low", "mid", "x", "y", "z"]
