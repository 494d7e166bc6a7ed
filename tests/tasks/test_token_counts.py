"""Any Hugging Face tokenizer counts whole texts, without special tokens."""

import pytest

from instructvec.errors import FileError, InputTypeError
from instructvec.tasks.token_counts import token_counter
from tests.conftest import TINY

TEXTS = ["rain", "rain and snow " * 400, ""]


@pytest.fixture
def fast():
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(TINY / "tokenizer.json"))


def test_a_file_its_folder_and_the_tokenizer_itself_count_alike(fast):
    wanted = [len(fast.encode(text, add_special_tokens=False).ids) for text in TEXTS]
    assert wanted[1] > 512
    assert token_counter(TINY)(TEXTS) == token_counter(str(TINY / "tokenizer.json"))(TEXTS) == wanted
    fast.enable_truncation(8)
    fast.enable_padding(length=16)
    assert token_counter(fast)(TEXTS) == wanted
    assert fast.truncation["max_length"] == 8  # the user's own is left as it was
    assert token_counter(fast)([]) == []


def test_a_transformers_tokenizer_is_called():
    asked = {}

    def tokenizer(texts, **options):
        asked.update(options)
        return {"input_ids": [text.split() for text in texts]}

    assert token_counter(tokenizer)(["a b", "c"]) == [2, 1]
    assert token_counter(tokenizer)([]) == []
    assert (asked["add_special_tokens"], asked["truncation"], asked["padding"]) == (False, False, False)


def test_what_is_no_tokenizer_is_refused(tmp_path):
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(FileError, match="nowhere: no such file; expected a tokenizer.json"):
        token_counter(tmp_path / "nowhere")
    with pytest.raises(FileError, match=r"bad\.json: cannot be read"):
        token_counter(tmp_path / "bad.json")
    with pytest.raises(InputTypeError, match="tokenizer: int; expected"):
        token_counter(3)
