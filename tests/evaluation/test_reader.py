"""A tiny GPT-2 as the reader: what it writes, held against one token at a time, and what is refused."""

import json

import numpy as np
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from instructvec.errors import CheckpointError, CheckpointNotFound, ConfigError, InputError
from instructvec.evaluation.data import PromptRetrieval
from instructvec.evaluation.reader import LanguageModel, Reader, example, prompt_retrieval_with_reader, question
from tests.parity.tiny import SENTENCES, _draw, tiny_bert

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

END = "<|endoftext|>"
N_POSITIONS = 96
PROMPTS = [
    "Stocks fell on Monday",
    "How",
    "Two women are walking along the river in the rain",
    "It's a café",
    "A man",
]


def tokenizer_of(closing):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=360,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    if closing:
        from tokenizers import processors

        tokenizer.post_processor = processors.TemplateProcessing(single=f"$A {END}", special_tokens=[(END, 0)])
    return tokenizer


def tiny_gpt2(path, *, closing=False, seed=1):
    """A GPT-2 with random weights, and a byte-level tokenizer; ``closing``: it closes every text."""
    tokenizer = tokenizer_of(closing)
    config = transformers.GPT2Config(
        vocab_size=tokenizer.get_vocab_size(),
        n_embd=32,
        n_layer=2,
        n_head=4,
        n_positions=N_POSITIONS,
        bos_token_id=0,
        eos_token_id=0,
        tie_word_embeddings=False,  # tied ones with random weights write one token again and again
    )
    _draw(transformers.GPT2LMHeadModel(config), seed).save_pretrained(path)
    tokenizer.save(str(path / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": END, "bos_token": END}
    (path / "tokenizer_config.json").write_text(json.dumps(settings))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_gpt2(tmp_path_factory.mktemp("gpt2"))


@pytest.fixture(scope="module")
def reader(folder):
    return Reader(str(folder), device="cpu", max_new_tokens=12)


def one_by_one(folder, prompt, n_tokens=12):
    """The likeliest ids after a prompt, one at a time, without padding or cache."""
    model = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    ids = Tokenizer.from_file(str(folder / "tokenizer.json")).encode(prompt, add_special_tokens=False).ids
    written = []
    for _ in range(n_tokens):
        with torch.inference_mode():
            logits = model(torch.tensor([ids + written])).logits[0, -1]
        written.append(int(logits.argmax()))
    return written


def as_text(folder, ids):
    """Up to the end of text and the end of the line."""
    ids = ids[: ids.index(0)] if 0 in ids else ids
    return Tokenizer.from_file(str(folder / "tokenizer.json")).decode(ids).partition("\n")[0]


def test_prompts_together_are_completed_as_one_token_at_a_time(reader, folder):
    answers = reader.complete(PROMPTS)
    assert answers == [as_text(folder, one_by_one(folder, prompt)) for prompt in PROMPTS]
    assert len(set(answers)) > 1
    assert all("\n" not in answer for answer in answers)


def test_batches_and_order_change_nothing(reader, folder):
    answers = reader.complete(PROMPTS)
    assert reader.complete(PROMPTS[::-1]) == answers[::-1]
    assert [reader.complete([prompt])[0] for prompt in PROMPTS] == answers
    small = Reader(str(folder), device="cpu", max_new_tokens=12, max_batch_tokens=40)
    assert small.complete(PROMPTS) == answers
    assert reader.complete([]) == []


def test_an_answer_ends_with_its_line(folder, tmp_path):
    written = one_by_one(folder, PROMPTS[-1])
    at, token = next((at, one) for at, one in enumerate(written) if at > 4 and one not in written[:at])
    # The token written there and the line break change places in the vocabulary.
    content = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = content["model"]["vocab"]
    names = {one: name for name, one in vocabulary.items()}
    vocabulary["Ċ"], vocabulary[names[token]] = token, vocabulary["Ċ"]
    for name in ("config.json", "model.safetensors", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    [answer] = Reader(str(tmp_path), device="cpu", max_new_tokens=12).complete([PROMPTS[-1]])
    assert answer == as_text(tmp_path, written[:at])
    assert answer


def test_nothing_is_written_behind_the_end_of_text(folder, tmp_path):
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    with torch.no_grad():
        # Now the end of text is always the likeliest.
        model.transformer.ln_f.bias.copy_(100 * model.lm_head.weight[0])
    model.save_pretrained(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    assert Reader(str(tmp_path), device="cpu", max_new_tokens=12).complete(PROMPTS[:2]) == ["", ""]


def test_a_tokenizer_that_closes_texts_does_not_close_prompts(folder, tmp_path, reader):
    closing = Reader(str(tiny_gpt2(tmp_path, closing=True)), device="cpu", max_new_tokens=12)
    assert closing.complete(PROMPTS) == reader.complete(PROMPTS)
    assert closing.count_tokens(PROMPTS) == reader.count_tokens(PROMPTS)


def test_sampling_options_of_the_checkpoint_have_no_say(folder, tmp_path, reader):
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    options = {"do_sample": True, "temperature": 5.0, "top_k": 50, "repetition_penalty": 9.0, "max_length": 3}
    (tmp_path / "generation_config.json").write_text(json.dumps(options))
    other = Reader(str(tmp_path), device="cpu", max_new_tokens=12)
    assert other.complete(PROMPTS) == reader.complete(PROMPTS)


def test_tokens_are_counted_without_special_ones(reader, folder):
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    assert reader.count_tokens([*PROMPTS, ""]) == [len(tokenizer.encode(one).ids) for one in [*PROMPTS, ""]]
    assert reader.count_tokens([]) == []
    assert reader.count_tokens([PROMPTS[0] * 100])[0] > N_POSITIONS


def test_a_prompt_that_the_model_cannot_read_as_a_whole_is_refused(reader):
    assert reader.max_prompt_tokens == N_POSITIONS - 12
    with pytest.raises(InputError, match="prompt 2: [0-9]+ tokens; .* reads at most 84 before an answer of 12"):
        reader.complete(["short", "long " * 200])


def test_an_empty_prompt_is_refused(reader):
    with pytest.raises(InputError, match="prompt 1: it has no tokens"):
        reader.complete([""])


def test_reader_is_a_language_model(reader):
    model: LanguageModel = reader
    assert model.count_tokens(["a"]) == [1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_new_tokens": 0}, "max_new_tokens is 0"),
        ({"device": "abacus"}, "device 'abacus' is not known to torch"),
    ],
)
def test_unusable_options_are_refused(folder, options, message):
    with pytest.raises(ConfigError, match=message):
        Reader(str(folder), **options)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nobody/no-such-model", "HF_HUB_OFFLINE forbids asking the hub"),
        ("./no-such-folder", "no such directory"),
        ("no-such-model", "a hub id has an owner, as 'openai-community/gpt2'"),
    ],
)
def test_a_model_that_cannot_be_had_is_named(name, message, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(CheckpointNotFound, match="figures that need no reader are still computed") as caught:
        Reader(name)
    assert f"the reader {name!r} cannot be had" in str(caught.value)
    assert message in str(caught.value)


def test_a_directory_without_a_model_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="cannot be loaded as a causal language model"):
        Reader(str(tmp_path))


def test_an_embedding_model_is_no_reader(tmp_path):
    with pytest.raises(CheckpointError, match="is no causal language model: it has no weights for .*; figures"):
        Reader(str(tiny_bert(tmp_path)))


def test_a_model_that_fills_gaps_is_no_reader(tmp_path):
    tiny_bert(tmp_path)
    config = transformers.BertConfig.from_pretrained(tmp_path)
    _draw(transformers.BertForMaskedLM(config), 0).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="is no causal language model: it fills gaps instead"):
        Reader(str(tmp_path))


class Parrot:
    """Answers with the output of the last example shown; a token is a word."""

    def __init__(self, max_prompt_tokens=None):
        self.max_prompt_tokens = max_prompt_tokens
        self.prompts = []

    def count_tokens(self, texts):
        return [len(text.split()) for text in texts]

    def complete(self, prompts):
        self.prompts += prompts
        return [f" {prompt.split('Output: ')[-1].splitlines()[0]}" for prompt in prompts]


@pytest.fixture
def data():
    return PromptRetrieval(
        ["red", "green", "blue", "long " * 300],
        ["warm", "cold one", "cold\none", "long"],
        ["orange", "blue", "cyan"],
        ["warm", "cold one", "cold"],
    )


ORDER = np.array([[0, 1, 2, 3], [2, 1, 0, 3], [3, 2, 1, 0]])


def test_the_nearest_example_stands_last(data):
    parrot = Parrot()
    found = prompt_retrieval_with_reader(data, ORDER, parrot, budget_tokens=1000)
    assert parrot.prompts == [
        "Input: blue\nOutput: cold one\n\nInput: green\nOutput: cold one\n\nInput: red\nOutput: warm\n\n"
        "Input: orange\nOutput:",
        # An input is not shown its own answer.
        "Input: red\nOutput: warm\n\nInput: green\nOutput: cold one\n\nInput: blue\nOutput:",
        # The nearest is too long an example.
        "Input: red\nOutput: warm\n\nInput: green\nOutput: cold one\n\nInput: blue\nOutput: cold one\n\n"
        "Input: cyan\nOutput:",
    ]
    assert found.details["answers"] == ["warm", "cold one", "cold one"]
    assert found.details["n_demonstrations"] == [3, 2, 3]
    assert found.details["budget_tokens"] == 1000
    assert found.score == found.metrics["reader_rouge_l"] == pytest.approx((1 + 1 + 2 / 3) / 3)
    assert found.metrics["reader_exact_match"] == pytest.approx(2 / 3)
    assert found.strata == (3,)
    assert found.statistic(np.array([2, 2, 0])) == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)
    assert json.loads(json.dumps(found.details, allow_nan=False)) == found.details


def test_the_budget_holds_for_the_whole_prompt(data):
    # An example of "warm" has 4 words, of "cold one" 5, a question 3.
    found = prompt_retrieval_with_reader(data, ORDER, Parrot(), budget_tokens=12)
    assert found.details["n_demonstrations"] == [2, 2, 1]
    found = prompt_retrieval_with_reader(data, ORDER, Parrot(), budget_tokens=13)
    assert found.details["n_demonstrations"] == [2, 2, 2]


def test_joined_texts_with_more_tokens_than_apart_stay_within_the_budget(data):
    class Gluey(Parrot):
        def count_tokens(self, texts):
            return [len(text.split()) + 2 * (text.count("Input:") - 1) for text in texts]

    reader = Gluey()
    found = prompt_retrieval_with_reader(data, ORDER, reader, budget_tokens=13)
    assert max(reader.count_tokens(reader.prompts)) <= 13
    assert found.details["n_demonstrations"] == [1, 1, 1]
    assert all(prompt.endswith("Output:") for prompt in reader.prompts)


def test_a_reader_with_less_room_sets_the_budget_and_says_so(data):
    found = prompt_retrieval_with_reader(data, ORDER, Parrot(max_prompt_tokens=12), budget_tokens=1000)
    assert found.details["budget_tokens"] == 12
    assert found.details["n_demonstrations"] == [2, 2, 1]


def test_some_inputs_are_drawn_where_there_are_many():
    n = 40
    data = PromptRetrieval(["a", "b"], ["x", "y"], [f"input {at}" for at in range(n)], ["x"] * n)
    order = np.tile([0, 1], (n, 1))
    once, again, other = (
        prompt_retrieval_with_reader(data, order, Parrot(), budget_tokens=99, max_inputs=10, seed=seed)
        for seed in (1, 1, 2)
    )
    assert once.details["rows"] == again.details["rows"] != other.details["rows"]
    assert len(set(once.details["rows"])) == 10
    assert once.strata == (10,)
    everyone = prompt_retrieval_with_reader(data, order, Parrot(), budget_tokens=99, max_inputs=None)
    assert everyone.details["rows"] == list(range(n))


def test_a_tiny_model_reads_prompts(reader, data):
    found = prompt_retrieval_with_reader(data, ORDER, reader, budget_tokens=1000)
    assert found.details["budget_tokens"] == N_POSITIONS - 12
    assert 0 <= found.score <= 1
    wanted = reader.complete([example("red", "warm") + example("green", "cold one") + question("blue")])
    assert found.details["answers"][1] == wanted[0].strip()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"budget_tokens": 0}, "budget_tokens is 0"),
        ({"budget_tokens": 10, "max_inputs": 0}, "max_inputs is 0"),
    ],
)
def test_options_below_one_are_refused(data, options, message):
    with pytest.raises(ConfigError, match=message):
        prompt_retrieval_with_reader(data, ORDER, Parrot(), **options)


def test_a_reader_without_room_is_refused(data):
    with pytest.raises(ConfigError, match="the reader has room for -4 tokens before its answer"):
        prompt_retrieval_with_reader(data, ORDER, Parrot(max_prompt_tokens=-4), budget_tokens=10)


def test_an_input_longer_than_the_budget_is_named(data):
    data.inputs[2] = "very long input"
    with pytest.raises(InputError, match="input 3: the input has 5 tokens; expected at most budget_tokens = 4"):
        prompt_retrieval_with_reader(data, ORDER, Parrot(), budget_tokens=4)


def test_an_order_of_another_shape_is_refused(data):
    with pytest.raises(InputError, match=r"order: shape \(3, 3\); expected \(3, 4\)"):
        prompt_retrieval_with_reader(data, ORDER[:, :3], Parrot(), budget_tokens=100)
