"""Two processes that train together take the steps of one with the same batches."""

import os
import socket
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from instructvec.training.objective import NAMED
from instructvec.training.trainer import train
from tests.training.runs import lines, mixture, tiny_recipe, weights

# One run from first to last step, and one in two parts. torch's gloo threads may abort a process that ends as
# usual, so it closes the group and ends at once.
SCRIPT = """
import os, sys
from pathlib import Path
import torch.distributed as dist
from instructvec.training.trainer import train
from tests.training.runs import Told, mixture
from tests.training.test_torchrun import recipe_of

recipe, out = recipe_of(sys.argv[1]), Path(sys.argv[2])
for name, steps_now in (("whole", None), ("parts", 4), ("parts", None)):
    told = Told()
    trained = train(recipe, out / name, mixture=mixture(), progress=told, steps_now=steps_now)
    print(trained.steps, trained.finished, len(told.records), flush=True)
dist.barrier()
dist.destroy_process_group()
os._exit(0)
"""


def recipe_of(model):
    """No dropout, which each process draws for itself; a learned temperature; several pieces a process.

    Some gradients are nothing but rounding, such as those of the keys' biases: eps keeps AdamW from taking steps
    of full size of them, which would differ with the number of threads.
    """
    return tiny_recipe(
        model,
        dropout=0.0,
        objective=replace(NAMED["masked"], temperature=0.05, learn_temperature=True),
        optimizer={"steps": 6, "eps": 1e-4},
        compute={"sub_batch_rows": 5},
    )


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def together(model, out):
    """What both processes print."""
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    processes = []
    for rank in ("0", "1"):
        environment = os.environ | shared | {"RANK": rank, "LOCAL_RANK": rank, "OMP_NUM_THREADS": "1"}
        environment["PYTHONPATH"] = os.pathsep.join(sys.path)
        command = [sys.executable, "-W", "error", "-c", SCRIPT, str(model), str(out)]
        processes.append(
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
        )
    try:
        found = [process.communicate(timeout=120) for process in processes]
    finally:
        for process in processes:  # one whose partner failed waits for it
            process.kill()
            process.communicate()
    assert [process.returncode for process in processes] == [0, 0], found
    return [printed.splitlines() for printed, _ in found]


@pytest.fixture(scope="module")
def runs(tiny_start, tmp_path_factory):
    """The folder of the runs, and what both processes printed."""
    out = tmp_path_factory.mktemp("together")
    return out, together(tiny_start, out)


def test_only_the_first_process_tells(runs):
    first, second = runs[1]
    assert first == ["6 True 6", "4 False 4", "6 True 2"]
    assert second == ["6 True 0", "4 False 0", "6 True 0"]


def test_two_processes_take_the_steps_of_one(runs, tiny_start, tmp_path):
    train(recipe_of(tiny_start), tmp_path / "one", mixture=mixture())
    one, two = lines(tmp_path / "one"), lines(runs[0] / "whole")
    for name in ("loss", "grad_norm", "temperature"):
        np.testing.assert_allclose([line[name] for line in two], [line[name] for line in one], rtol=1e-5)
    assert [(line["units"], line["rows"]) for line in two] == [(line["units"], line["rows"]) for line in one]


def test_two_processes_go_on_where_they_stopped(runs):
    out, _ = runs
    assert lines(out / "parts") == lines(out / "whole")
    assert weights(out / "parts") == weights(out / "whole")
