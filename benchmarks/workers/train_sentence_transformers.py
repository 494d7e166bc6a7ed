"""sentence-transformers' trainer as a worker of ``training.py``: the given batches; nothing scored or saved."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import Any

import torch
from datasets import Dataset
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.losses import MultipleNegativesRankingLoss
from training_job import Job, Steps, answer
from transformers import PrinterCallback, TrainerCallback

try:
    from sentence_transformers.base.sampler import DefaultBatchSampler
except ImportError:  # before 5.4
    from sentence_transformers.sampler import DefaultBatchSampler


class RecordedLoss(MultipleNegativesRankingLoss):
    last: torch.Tensor

    def forward(self, sentence_features: Any, labels: Any) -> torch.Tensor:
        loss = super().forward(sentence_features, labels)
        self.last = loss.detach()
        return loss


class Counted(TrainerCallback):
    """Tells of every step; counts what the transformer is really given, however columns are put together."""

    def __init__(self, steps: Steps, loss: RecordedLoss, sizes: list[int]) -> None:
        self._steps, self._loss, self._sizes = steps, loss, sizes
        self._tokens = self._padded = 0

    def see(self, module: torch.nn.Module, inputs: tuple[dict[str, torch.Tensor], ...]) -> None:
        self._tokens += int(inputs[0]["attention_mask"].sum())
        self._padded += inputs[0]["input_ids"].numel()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        control.should_training_stop |= self._steps.add(
            rows=self._sizes[state.global_step - 1],
            tokens=self._tokens,
            padded=self._padded,
            losses=float(self._loss.last),
        )
        self._tokens = self._padded = 0


def in_order(sizes: list[int]) -> type[DefaultBatchSampler]:
    """A sampler of batches that stand one after the other."""

    class InOrder(DefaultBatchSampler):
        def __iter__(self) -> Iterator[list[int]]:
            start = 0
            for size in sizes:
                yield list(range(start, start + size))
                start += size

        def __len__(self) -> int:
            return len(sizes)

    return InOrder


def open_model(job: Job) -> SentenceTransformer:
    config = {}
    if job["dropout"] is not None:
        config = {f"{part}_dropout_prob": job["dropout"] for part in ("hidden", "attention_probs")}
    model = SentenceTransformer(job["model"], device="cpu", local_files_only=True, config_kwargs=config)
    model.max_seq_length = job["max_length"]
    return model


def run(job: Job, steps: Steps) -> None:
    torch.set_num_threads(job["threads"])
    model = open_model(job)
    loss = RecordedLoss(model, scale=1 / job["temperature"])
    sizes = [len(batch) for batch in job["batches"]]
    rows = [job["rows"][number] for batch in job["batches"] for number in batch]
    columns = {name: [row[at] for row in rows] for at, name in enumerate(("anchor", "positive", "negative"), 1)}
    counted = Counted(steps, loss, sizes)
    model[0].register_forward_pre_hook(counted.see)
    with tempfile.TemporaryDirectory() as folder:
        arguments = SentenceTransformerTrainingArguments(
            output_dir=folder,
            max_steps=len(sizes),
            per_device_train_batch_size=job["batch_size"],
            batch_sampler=in_order(sizes),
            use_cpu=True,
            bf16=job["precision"] == "bfloat16",
            # What our OptimizerOptions are by default.
            optim="adamw_torch_fused",
            learning_rate=job["learning_rate"],
            weight_decay=0.01,
            max_grad_norm=1.0,
            lr_scheduler_type="linear",
            warmup_steps=round(0.1 * len(sizes)),
            seed=job["seed"],
            eval_strategy="no",
            save_strategy="no",
            logging_strategy="no",
            report_to="none",
            disable_tqdm=True,
        )
        trainer = SentenceTransformerTrainer(
            model, arguments, train_dataset=Dataset.from_dict(columns), loss=loss, callbacks=[counted]
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()


if __name__ == "__main__":
    answer(run)
