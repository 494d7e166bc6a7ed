"""Tiny checkpoints that the training tests start from."""

import pytest

from tests.parity.tiny import tiny_bert, tiny_t5


@pytest.fixture(scope="session")
def tiny_start(tmp_path_factory):
    """BERT of two layers and 32 dimensions, with dropout."""
    return tiny_bert(tmp_path_factory.mktemp("start") / "bert")


@pytest.fixture(scope="session")
def tiny_start_t5(tmp_path_factory):
    return tiny_t5(tmp_path_factory.mktemp("start") / "t5")
