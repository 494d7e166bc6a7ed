"""Two processes that each hold a part of a batch find the loss and the gradient of one that holds it all."""

import os
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch import multiprocessing

from instructvec.errors import EngineError, InputError
from instructvec.training.distillation import Distillation
from instructvec.training.false_negatives import Identities
from instructvec.training.gather import gather
from instructvec.training.gradcache import cached_backward
from instructvec.training.memory import halving
from instructvec.training.objective import NAMED, contrastive_loss
from instructvec.training.vectors import BatchVectors

SPLIT = ((0, 2, 0, 3), (2, 5, 3, 4))  # rows and hard negatives of each process: 2 and 3, 3 and 1
WAYS = ((False, False), (True, False), (False, True), (True, True))  # in pieces, DistributedDataParallel
OBJECTIVE = replace(NAMED["two_sided"], temperature=0.1, distillation=Distillation())


def batch():
    """Five rows of 4 features, their identities and a teacher's vectors."""
    rng = np.random.default_rng(0)
    sides = [torch.tensor(rng.standard_normal((size, 4))) for size in (5, 5, 4)]
    teacher = [torch.tensor(rng.standard_normal((size, 6))) for size in (5, 5, 4)]
    ids = ([1, 2, 3, 2, 5], [11, 12, 13, 14, 15], [12, 22, 11, 24], [0, 1, 1, 3])
    ids += ([0, -1, 0, 1, 1], [-1, 0, 1, 0], [-1, -1, 4, 4, -1])
    return sides, Identities(*(torch.tensor(of) for of in ids)), teacher


def part(rank):
    """What one process holds."""
    first, last, first_negative, last_negative = SPLIT[rank]
    sides, ids, teacher = batch()
    rows, negatives = slice(first, last), slice(first_negative, last_negative)
    held = Identities(
        ids.queries[rows],
        ids.positives[rows],
        ids.negatives[negatives],
        ids.negative_rows[negatives] - first,
        ids.labels[rows],
        ids.negative_labels[negatives],
        ids.groups[rows],
    )
    cut = [[of[0][rows], of[1][rows], of[2][negatives]] for of in (sides, teacher)]
    return cut[0], held, cut[1]


def encoder():
    torch.manual_seed(0)
    return torch.nn.Linear(4, 8).double()


def loss_and_gradient(rank, cached, parallel):
    """This process's; the encoder's gradient summed over processes here, or by DistributedDataParallel."""
    sides, ids, teacher = part(rank)
    model, tau = encoder(), torch.tensor(0.1, dtype=torch.float64, requires_grad=True)
    wrapped = torch.nn.parallel.DistributedDataParallel(model) if parallel else model
    unsynchronised = wrapped.no_sync if parallel else nullcontext

    def loss_of(vectors):
        own = BatchVectors(*vectors.split([len(side) for side in sides]))
        whole = gather(own, ids, BatchVectors(*teacher))
        assert whole.n_processes == 2
        loss = contrastive_loss(
            whole.vectors, OBJECTIVE, identities=whole.identities, teacher=whole.teacher, temperature=tau
        ).loss
        return loss * (whole.n_processes if parallel else 1)

    texts = torch.cat(sides)
    size = 2 if cached else len(texts)
    loss = cached_backward(wrapped, texts.split(size), loss_of, unsynchronised=unsynchronised)
    gradient = model.weight.grad.clone()
    if not parallel:
        dist.all_reduce(gradient)
    times = 2 if parallel else 1
    return loss.item() / times, gradient, tau.grad.item() / times


def work(rank, folder):
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    try:
        found = {way: loss_and_gradient(rank, *way) for way in WAYS}
        refusals = []
        sides, ids, _ = part(rank)
        for given in ({"identities": ids if rank else None}, {"teacher": None}):
            width = 3 + rank if "teacher" in given else 4
            try:
                gather(BatchVectors(*(side[:, :width] for side in sides)), **given)
            except InputError as error:
                refusals.append(str(error))
        half = BatchVectors(*(side.bfloat16() for side in sides))
        gathered = gather(half).vectors.queries
        try:
            halving(_fails, 8, parameters=[], report=print)
        except EngineError as error:
            refusals.append(str(error))
        torch.save((found, refusals, gathered), f"{folder}/{rank}.pt")
        dist.barrier()  # neither leaves while the other still talks to it
    finally:
        dist.destroy_process_group()
    # gloo's threads now and then abort a process that ends by itself, after all it had to say was said.
    os._exit(0)


def _fails(size):
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory):
    """What each process found."""
    folder = tmp_path_factory.mktemp("processes")
    multiprocessing.spawn(work, args=(str(folder),), nprocs=2)
    return [torch.load(folder / f"{rank}.pt") for rank in (0, 1)]


@pytest.fixture(scope="module")
def one_process():
    sides, ids, teacher = batch()
    model, tau = encoder(), torch.tensor(0.1, dtype=torch.float64, requires_grad=True)
    vectors = BatchVectors(*(model(side) for side in sides))
    loss = contrastive_loss(
        vectors, OBJECTIVE, identities=ids, teacher=BatchVectors(*teacher), temperature=tau
    ).loss
    loss.backward()
    return loss.item(), model.weight.grad, tau.grad.item()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("rank", [0, 1])
def test_each_process_finds_what_one_alone_does(one_process, two_processes, rank, way):
    loss, gradient, of_temperature = two_processes[rank][0][way]
    assert loss == pytest.approx(one_process[0], abs=1e-12)
    torch.testing.assert_close(gradient, one_process[1], atol=1e-12, rtol=0)
    assert of_temperature == pytest.approx(one_process[2], abs=1e-12)  # the whole one on each


def test_processes_that_differ_are_refused_on_all(two_processes):
    for _, (presence, width, _), _ in two_processes:
        assert "process 1 has (width, identities, teacher's width) [4, 1, 0] and process 0 [4, 0, 0]" in presence
        assert "process 1 has (width, identities, teacher's width) [4, 0, 0] and process 0 [3, 0, 0]" in width


def test_16_bit_vectors_are_gathered_as_float32(two_processes):
    whole = batch()[0][0].bfloat16().float()
    assert all(torch.equal(gathered, whole) for _, _, gathered in two_processes)


def test_out_of_memory_is_not_halved_while_others_wait(two_processes):
    for rank, (_, refusals, _) in enumerate(two_processes):
        assert f"sub-batch of 8 on process {rank}, while others wait for it; set the sub-batch to 4" in refusals[2]


def test_alone_nothing_is_gathered():
    sides, ids, _ = batch()
    vectors = BatchVectors(*sides)
    found = gather(vectors, ids)
    assert found.vectors is vectors
    assert found.identities is ids
    assert (found.teacher, found.n_processes) == (None, 1)
