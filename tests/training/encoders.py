"""Tiny checkpoints to train, batches for them, and what they give."""

import torch

from instructvec.encoding.batches import collate, plan
from instructvec.training.collate import SubBatch
from instructvec.training.encoder import open_encoder
from instructvec.training.options import ModelOptions
from instructvec.types import Pairs
from tests.parity.tiny import SENTENCES, tiny_bert, tiny_mpnet, tiny_t5

GTR = {"dense": 24, "dense_bias": False, "dense_activation": "torch.nn.modules.linear.Identity"}
"""The projection of GTR and INSTRUCTOR."""

FAMILIES = {
    "bert": tiny_bert,
    "mpnet": tiny_mpnet,
    "t5": lambda path, **options: tiny_t5(path, **GTR, **options),
}
INSTRUCTION = SENTENCES[1]
TEXTS = [*SENTENCES[5:12], "a"]


def opened(path, *, lora=None, gradient_checkpointing=False, seed=0, **options):
    """An encoder of ``path`` without dropout unless asked for."""
    torch.manual_seed(seed)
    model = ModelOptions(str(path), **({"dropout": 0.0, "joining": "prompt"} | options))
    return open_encoder(model, lora=lora, gradient_checkpointing=gradient_checkpointing)


def sub_batches(encoder, texts=TEXTS, instruction=INSTRUCTION, *, max_batch_tokens=16_384):
    """(rows, sub-batch) of the texts."""
    spec = encoder.spec
    tokens = encoder.tokenizer.tokenize(
        Pairs([instruction] * len(texts), list(texts)),
        joining=spec.joining,
        max_seq_length=spec.max_seq_length,
        include_prompt=spec.pooling.include_prompt,
    )
    for rows in plan(tokens.lengths, max_batch_tokens=max_batch_tokens):
        batch = collate(tokens, rows, pad_token_id=spec.architecture.pad_token_id)
        yield rows, SubBatch(*map(torch.from_numpy, (batch.ids, batch.attention_mask, batch.pooling_mask)))


def vectors_of(encoder, texts=TEXTS, instruction=INSTRUCTION):
    """(n, d) without gradients or dropout."""
    found = torch.empty(len(texts), encoder.spec.dimension)
    encoder.eval()
    with torch.no_grad():
        for rows, sub in sub_batches(encoder, texts, instruction):
            found[torch.from_numpy(rows)] = encoder(sub)
    encoder.train()
    return found


def backward(encoder, texts=TEXTS):
    """Add the gradient of a loss that depends on every component; the loss."""
    (_, sub), *others = sub_batches(encoder, texts)
    assert not others
    loss = loss_of(encoder(sub))
    loss.backward()
    return loss.detach()


def loss_of(vectors):
    """One that depends on every component and every pair."""
    weights = torch.linspace(-1, 1, vectors.numel()).reshape(vectors.shape)
    return (weights * vectors).sum() + (vectors @ vectors.T).exp().mean()


def gradients(encoder):
    return {name: one.grad.clone() for name, one in encoder.trained_parameters()}


def moved(encoder, *, seed=1, size=0.05):
    """The encoder after each trained parameter was changed at random."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for _, one in encoder.trained_parameters():
            one.add_(size * torch.randn_like(one))
    return encoder
