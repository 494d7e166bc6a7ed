import logging
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from instructvec.errors import ConfigError, EngineError, InputError, MissingExtra
from instructvec.evaluation import data, protocols
from instructvec.evaluation.mteb import MtebEncoder, as_numbers
from instructvec.evaluation.mteb_instructions import TaskInstructions, as_instruction, combined
from instructvec.evaluation.suite import Suite, TaskSpec
from instructvec.road import Encoded

pytest.importorskip("mteb")

from tests.evaluation import local_mteb as local
from tests.evaluation.local_mteb import mteb

SENTENCE = "Represent the sentence: "
QUESTION, ANSWER = "Represent the question: ", "Represent the answer: "


class Recorder:
    """An embedder that keeps what it is asked."""

    def __init__(self, embedder, **replaced):
        self._embedder = embedder
        self._replaced = replaced
        self.calls = []

    def __getattr__(self, name):
        return self._replaced[name] if name in self._replaced else getattr(self._embedder, name)

    def encode_counted(self, inputs, instruction=None, **options):
        self.calls.append((list(inputs), list(instruction), options))
        return self._embedder.encode_counted(inputs, instruction, **options)

    def said_to(self, texts):
        """The distinct instructions that these texts were encoded under."""
        wanted = set(texts)
        pairs = [pair for texts, instructions, _ in self.calls for pair in zip(texts, instructions, strict=True)]
        assert wanted <= {text for text, _ in pairs}
        return {instruction for text, instruction in pairs if text in wanted}


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*_):
        raise AssertionError("mteb must not need the network here")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture
def recorder(tiny):
    return Recorder(tiny)


def spec(name, kind="sts", **more):
    said = {
        "instruction": SENTENCE,
        "paraphrases": tuple(f"Wording {at}: " for at in range(5)),
        "tag": "sentence: ",
        "simple": "Represent this: ",
        "wrong": "Count the colours: ",
    }
    place = {} if "hub" in more else {"folder": name}
    return TaskSpec(
        name=name, kind=kind, licence="CC0-1.0", source="generated", mteb_name=name, **said | place | more
    )


def suite(*tasks):
    return Suite("local", "Generated rows.", "Represent it: ", tasks, Path("local.toml"))


def run(encoder, task, **options):
    found = mteb.evaluate(encoder, task, **{"cache": None, "show_progress_bar": False} | options)
    return found.task_results[0]


def about(name="Task", kind="Retrieval", prompt=None, path="org/data"):
    return SimpleNamespace(name=name, type=kind, prompt=prompt, dataset={"path": path})


# ---------------------------------------------------------------- mteb takes it, and finds what we find


def ours_classification(embed):
    draws = protocols.undersample(
        [local.TOPICS.index(one) for one in local.TRAIN], samples_per_label=8, n_experiments=10
    )
    return protocols.classification(
        embed(local.TRAIN_TEXTS), local.TRAIN, embed(local.TEST_TEXTS), local.TEST, draws=draws
    )


def ours_clustering(embed):
    return protocols.clustering([(embed(texts), local.TOPICS * 10) for texts in local.SETS])


def ours_pairs(embed):
    return protocols.pair_classification(embed(local.FIRST), embed(local.SECOND), local.TOGETHER)


def ours_sts(embed):
    return protocols.sts(embed(local.FIRST), embed(local.SECOND), local.LIKENESS)


def ours_summarization(embed):
    return protocols.summarization(
        [embed(texts) for texts in local.HUMAN], [embed(texts) for texts in local.MACHINE], local.RELEVANCE
    )


def ours_retrieval(embed):
    part = data.RetrievalPart(
        list(local.DOCUMENTS), list(local.DOCUMENTS.values()), list(local.QUERIES), list(local.QUERIES.values()),
        local.QRELS,
    )  # fmt: skip
    return protocols.retrieval([part], [embed(part.queries)], [embed(part.documents)])


def ours_reranking(embed):
    sides = {True: [], False: []}
    for query, names in local.CANDIDATES.items():
        for relevant, found in sides.items():
            found.append(
                embed([local.DOCUMENTS[name] for name in names if (name in local.QRELS[query]) is relevant])
            )
    return protocols.reranking(embed(list(local.QUERIES.values())), sides[True], sides[False])


# A model this small may never predict one of the labels, of which scikit-learn warns.
@pytest.mark.filterwarnings("ignore:Precision is ill-defined")
@pytest.mark.parametrize(
    ("task", "ours"),
    [
        (local.LocalClassification, ours_classification),
        (local.LocalClustering, ours_clustering),
        (local.LocalPairs, ours_pairs),
        (local.LocalSts, ours_sts),
        (local.LocalSummarization, ours_summarization),
        (local.LocalRetrieval, ours_retrieval),
        (local.LocalReranking, ours_reranking),
    ],
    ids=lambda one: one.__name__,
)
def test_mteb_scores_as_our_protocols_do(tiny, task, ours):
    encoder = MtebEncoder(tiny, suite=None, instructions={task.metadata.name: SENTENCE})
    outcome = ours(lambda texts: tiny.encode(texts, SENTENCE))
    # mteb rounds figures of rankings to five decimals.
    assert run(encoder, task()).main_score == pytest.approx(outcome.score, abs=6e-6)


# mteb copies the tensors it asks for by torch.tensor(), of which torch warns.
@pytest.mark.filterwarnings("ignore:To copy construct from a tensor:UserWarning")
def test_every_type_of_text_task_runs(tiny):
    found = mteb.mock_run(MtebEncoder(tiny, suite=None, instructions={"query": QUESTION})).task_results
    failed = {name: status for name, status in found.items() if hasattr(status, "exception")}
    assert not failed
    assert sum(status is not None for status in found.values()) > 20


def test_encoder_fulfils_mtebs_protocol(tiny):
    assert isinstance(MtebEncoder(tiny, suite=None), mteb.EncoderProtocol)


def test_importing_loads_neither_mteb_nor_torch():
    code = "import instructvec.evaluation.mteb, sys; print(*{'mteb', 'torch', 'datasets'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_missing_mteb_is_named_with_the_line_that_installs_it(tiny, monkeypatch):
    monkeypatch.setattr("instructvec.extras.has", lambda package: package != "mteb")
    with pytest.raises(MissingExtra, match=r"MtebEncoder needs the package 'mteb'.*instructvec\[mteb\]"):
        MtebEncoder(tiny, suite=None)


# ---------------------------------------------------------------- which instruction reaches which side


def test_each_side_of_retrieval_gets_its_own_instruction(recorder):
    instructions = {"LocalRetrieval-query": QUESTION, "LocalRetrieval-document": ANSWER}
    run(MtebEncoder(recorder, suite=None, instructions=instructions), local.LocalRetrieval())
    assert recorder.said_to(local.QUERIES.values()) == {QUESTION}
    assert recorder.said_to(local.DOCUMENTS.values()) == {ANSWER}


def test_suite_instructs_queries_and_documents(recorder):
    own = suite(spec("LocalReranking", "reranking", instruction=QUESTION, document_instruction=ANSWER))
    run(MtebEncoder(recorder, suite=own), local.LocalReranking())
    assert recorder.said_to(local.QUERIES.values()) == {QUESTION}
    assert recorder.said_to(local.DOCUMENTS.values()) == {ANSWER}


def test_symmetric_task_has_one_instruction_for_both_texts(recorder):
    run(MtebEncoder(recorder, suite=suite(spec("LocalSts"))), local.LocalSts())
    assert recorder.said_to([*local.FIRST, *local.SECOND]) == {SENTENCE}


def test_documents_are_encoded_with_their_titles(recorder):
    run(MtebEncoder(recorder, suite=None), local.LocalTitled())
    assert recorder.said_to(f"{local.TITLES[name]} {text}" for name, text in local.DOCUMENTS.items()) == {None}


def test_mtebs_own_prompt_is_used_where_the_suite_has_no_such_task(recorder, caplog):
    encoder = MtebEncoder(recorder, suite=suite(spec("Other")))
    with caplog.at_level(logging.INFO, logger="instructvec"):
        run(encoder, local.LocalClustering())
        run(encoder, local.LocalRetrieval())
        run(encoder, local.LocalRetrieval())
    assert recorder.said_to(local.SETS[0]) == {"Tell what the text is about: "}
    assert recorder.said_to(local.QUERIES.values()) == {"Find texts on the same matter: "}
    assert recorder.said_to(local.DOCUMENTS.values()) == {None}
    missing = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert missing == ["LocalRetrieval: instruction for document: None"]


def test_parts_of_a_task_are_instructed_as_the_suite_says_for_the_whole(recorder):
    hub = ("generated/part-a", "generated/part-b")
    whole = spec("LocalWhole", "retrieval", hub=hub, instruction=QUESTION, document_instruction=ANSWER)
    found = run(MtebEncoder(recorder, suite=suite(whole)), local.LocalWhole())
    assert found.task_name == "LocalWhole"
    assert recorder.said_to(local.QUERIES.values()) == {QUESTION}
    assert recorder.said_to(local.DOCUMENTS.values()) == {ANSWER}


@pytest.mark.parametrize(
    "options", [{"suite": None}, {"instructions": {}}, {"suite": None, "instructions": {}, "on_missing": "error"}]
)
def test_without_instructions_there_are_none_of_any_source(recorder, monkeypatch, options):
    monkeypatch.setattr("instructvec.evaluation.mteb.read_suite", lambda _: suite(spec("LocalClustering")))
    encoder = MtebEncoder(recorder, **options)
    run(encoder, local.LocalClustering())
    assert recorder.said_to(local.SETS[0]) == {None}
    assert encoder.mteb_model_meta.use_instructions is False


def test_default_prompt_does_not_stand_in_for_no_instruction(tiny):
    recorder = Recorder(tiny, default_prompt_name="query")
    run(MtebEncoder(recorder, suite=None), local.LocalSts())
    assert recorder.said_to(local.FIRST) == {""}


def test_queries_with_instructions_of_their_own_are_encoded_under_these(recorder):
    run(MtebEncoder(recorder, suite=suite(spec("Other"))), local.LocalInstructed())
    for at, text in enumerate(local.QUERIES.values()):
        assert recorder.said_to([text]) == {f"Only texts of kind {at} count: "}
    assert len(recorder.calls[0][0]) == len(local.QUERIES)  # all in one call


def test_own_instructions_follow_the_tasks(recorder):
    encoder = MtebEncoder(recorder, suite=None, instructions={"InstructionRetrieval-query": QUESTION})
    run(encoder, local.LocalInstructed())
    first = next(iter(local.QUERIES.values()))
    assert recorder.said_to([first]) == {"Represent the question; Only texts of kind 0 count: "}


def test_without_instructions_own_ones_are_text_as_mteb_has_it(recorder):
    run(MtebEncoder(recorder, suite=None), local.LocalInstructed())
    assert recorder.said_to(f"{text} {local.OWN[name]}" for name, text in local.QUERIES.items()) == {None}


KEYS = ["Task-query", "Task", "Retrieval-query", "Retrieval", "query"]


@pytest.mark.parametrize("first", range(len(KEYS)))
def test_keys_are_asked_in_mtebs_order(first):
    found = TaskInstructions({key: key for key in KEYS[first:]}, None)
    assert found.find(about(), "query") == KEYS[first]


def test_one_sided_tasks_ignore_keys_of_sides():
    found = TaskInstructions({"query": QUESTION, "STS": SENTENCE}, None)
    assert found.find(about(kind="STS"), None) == SENTENCE
    assert TaskInstructions({"query": QUESTION}, None).find(about(kind="STS"), None) is None


def test_own_instructions_go_before_the_suites_and_those_before_mtebs():
    own, prompt = suite(spec("Task")), {"query": "Find it"}
    assert TaskInstructions({"Task-document": ""}, own).find(about(prompt=prompt), "document") == ""
    assert TaskInstructions({"Task-document": ""}, own).find(about(prompt=prompt), "query") == SENTENCE
    assert TaskInstructions({}, suite(spec("Other"))).find(about(prompt=prompt), "query") == "Find it: "
    assert TaskInstructions({}, suite(spec("Other"))).find(about(prompt=prompt), "document") is None
    assert TaskInstructions({"Other": SENTENCE}, None).find(about(prompt=prompt), "query") is None


@pytest.mark.parametrize(
    ("prompt", "instruction"),
    [("Find it", "Find it: "), (" Find it. ", "Find it: "), ("Find it: ", "Find it: "), ("", ""), (" . ", "")],
)
def test_prompts_become_instructions(prompt, instruction):
    assert as_instruction(prompt) == instruction


def test_combining_leaves_out_what_is_empty():
    assert combined(QUESTION, "") == QUESTION
    assert combined(None, "") is None
    assert combined(None, "Only old ones.") == combined("", "Only old ones.") == "Only old ones: "


def test_missing_instruction_is_an_error_where_asked_for(recorder):
    instructions = {"LocalRetrieval-query": QUESTION}
    encoder = MtebEncoder(recorder, suite=None, instructions=instructions, on_missing="error")
    with pytest.raises(
        ConfigError, match=r"LocalRetrieval: no instruction for document; .*'LocalRetrieval-document'"
    ):
        run(encoder, local.LocalRetrieval())
    with pytest.raises(ConfigError, match=r"LocalSts: no instruction for its texts; .*'LocalSts': "):
        run(encoder, local.LocalSts())


def test_empty_instruction_is_no_missing_one(recorder):
    instructions = {"LocalRetrieval-query": QUESTION, "document": ""}
    run(MtebEncoder(recorder, suite=None, instructions=instructions, on_missing="error"), local.LocalRetrieval())
    assert recorder.said_to(local.DOCUMENTS.values()) == {None}


# ---------------------------------------------------------------- what mteb keeps


def test_results_lie_under_name_and_revision_and_are_reused(recorder, tmp_path):
    cache = mteb.ResultCache(tmp_path)
    encoder = MtebEncoder(recorder, suite=None, instructions={"STS": SENTENCE})
    first = run(encoder, local.LocalSts(), cache=cache)
    place = tmp_path / "results" / "local__instructor-bert-tiny" / encoder.facts.revision
    assert (place / "LocalSts.json").is_file()
    n_calls = len(recorder.calls)
    again = run(encoder, local.LocalSts(), cache=cache)
    assert again.main_score == pytest.approx(first.main_score, abs=1e-6)  # mteb rounds to six decimals
    assert len(recorder.calls) == n_calls
    loaded = cache.load_results(models=[encoder.mteb_model_meta])
    assert [one.task_name for one in loaded.model_results[0].task_results] == ["LocalSts"]


def test_results_under_other_instructions_are_not_reused(recorder, tmp_path):
    cache = mteb.ResultCache(tmp_path)
    for options in (
        {"suite": None},
        {"suite": None, "instructions": {"STS": SENTENCE}},
        {"suite": None, "instructions": {"STS": QUESTION}},
        {"suite": suite(spec("LocalSts"))},
        {"suite": suite(spec("LocalSts", instruction=QUESTION))},
    ):
        n_calls = len(recorder.calls)
        run(MtebEncoder(recorder, **options), local.LocalSts(), cache=cache)
        assert len(recorder.calls) > n_calls
    assert len(list(tmp_path.glob("results/*/*/LocalSts.json"))) == 5


def test_model_is_described_to_mteb(tiny):
    meta = MtebEncoder(tiny, suite=None, instructions={"STS": SENTENCE}, name="me/mine").mteb_model_meta
    assert meta.name == "me/mine"
    assert meta.revision.startswith(tiny.fingerprint + "-own-")
    assert (meta.embed_dim, meta.max_tokens, meta.framework) == (32, 512, ["ONNX"])
    assert meta.similarity_fn_name.value == "cosine"
    assert meta.use_instructions is True


# ---------------------------------------------------------------- options, vectors, refusals


def test_encode_kwargs_reach_the_embedder(recorder):
    run(MtebEncoder(recorder, suite=None), local.LocalSts(), encode_kwargs={"batch_size": 3})
    *_, options = recorder.calls[0]
    assert options == {
        "batch_size": 3, "max_batch_tokens": None, "show_progress_bar": False, "precision": "float32"
    }  # fmt: skip


@pytest.mark.parametrize("precision", ["float16", "int8", "uint8", "binary"])
def test_mteb_scores_what_an_index_of_that_precision_holds(recorder, precision, tmp_path):
    encoder = MtebEncoder(recorder, suite=None)
    cache = mteb.ResultCache(tmp_path)
    exact = run(encoder, local.LocalSts(), cache=cache)
    found = run(encoder, local.LocalSts(), cache=cache, encode_kwargs={"precision": precision})
    assert [options["precision"] for *_, options in recorder.calls] == ["float32"] * 2 + [precision] * 2
    # One bit of 32 dimensions is coarse; steps of a byte change few ranks of 24 pairs.
    assert found.main_score == pytest.approx(exact.main_score, abs=0.5 if precision == "binary" else 0.05)


@pytest.mark.parametrize(("precision", "error"), [("float16", 1e-3), ("int8", 0.01), ("uint8", 0.01)])
def test_stored_vectors_are_read_back_near_the_exact_ones(tiny, precision, error):
    exact = tiny.encode(local.FIRST)
    stored = tiny.encode(local.FIRST, precision=precision)
    numbers = as_numbers(stored, precision, tiny.contract(precision=precision).ranges)
    assert numbers.dtype == np.float32
    np.testing.assert_allclose(numbers, exact, atol=error)  # a step is 10 / sqrt(32) / 255


@pytest.mark.parametrize("precision", ["binary", "ubinary"])
def test_bits_are_read_back_as_signs(tiny, precision):
    exact = tiny.encode(local.FIRST)
    numbers = as_numbers(tiny.encode(local.FIRST, precision=precision), precision, None)
    np.testing.assert_array_equal(numbers, np.where(exact > 0, 1.0, -1.0))


def test_similarities_are_torch_tensors_of_the_models_measure(tiny):
    import torch

    encoder = MtebEncoder(tiny, suite=None)
    a, b = tiny.encode(local.FIRST), tiny.encode(local.SECOND)
    every, paired = encoder.similarity(a, b), encoder.similarity_pairwise(torch.from_numpy(a), torch.from_numpy(b))
    assert isinstance(every, torch.Tensor)
    assert float(encoder.similarity(a[0], b[0])) == pytest.approx(float(every[0, 0]), abs=1e-6)
    torch.testing.assert_close(every.diagonal(), paired)
    np.testing.assert_allclose(paired.numpy(), (a * b).sum(axis=1), atol=1e-6)


def test_cut_texts_are_told(tiny, caplog):
    encoder = MtebEncoder(tiny, suite=None)
    batches = [{"text": ["word " * 600, "short"]}]
    with caplog.at_level(logging.WARNING, logger="instructvec"):
        vectors = encoder.encode(batches, task_metadata=about("Long"), hf_split="test", hf_subset="default")
    assert vectors.shape == (2, 32)
    assert "Long: 1 of 2 texts are longer than 512 tokens and lost their tail" in caplog.messages


def test_no_texts_give_no_vectors(tiny):
    encoder = MtebEncoder(tiny, suite=None)
    vectors = encoder.encode([], task_metadata=about(), hf_split="test", hf_subset="default")
    assert vectors.shape == (0, 32)


@pytest.mark.parametrize("batch", [{"image": ["…"]}, {"text": ["a"], "audio": ["…"]}])
def test_other_modalities_are_refused(tiny, batch):
    encoder = MtebEncoder(tiny, suite=None)
    with pytest.raises(InputError, match=r"Seen: its inputs are (image|audio); this encoder takes text only"):
        encoder.encode([batch], task_metadata=about("Seen"), hf_split="test", hf_subset="default")


def test_mteb_refuses_image_tasks_before_anything_runs(recorder):
    task = local.LocalSts()
    task.metadata = local.about("Seen", "VisualSTS(eng)", "cosine_spearman", modalities=["image"], category="i2i")
    with pytest.raises(ValueError, match=r"supports \['text'\], but none overlap with task Seen"):
        run(MtebEncoder(recorder, suite=None), task)
    assert not recorder.calls


def test_nan_is_named_with_its_task_and_text(tiny):
    def broken(inputs, instruction=None, **_):
        vectors = tiny.encode(inputs)
        vectors[1, 3] = np.nan
        return Encoded(vectors, 0, 0, np.zeros(len(inputs), np.bool_))

    recorder = Recorder(tiny)
    recorder.encode_counted = broken
    with pytest.raises(EngineError, match=r"LocalSts: the model gave NaN .* 1 of 24 texts, the first being '"):
        run(MtebEncoder(recorder, suite=None), local.LocalSts())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"instructions": {"NFCorpus-passage": SENTENCE}}, "'NFCorpus-passage'; .*write 'NFCorpus-document'"),
        ({"instructions": {"passage": SENTENCE}}, "write 'document'"),
        ({"instructions": {"STS": None}}, r"instructions\['STS'\] is None; expected a string"),
        ({"on_missing": "ignore"}, "on_missing is 'ignore'; expected one of log, error"),
        ({"suite": "papers"}, "suite is 'papers'; there are "),
    ],
)
def test_wrong_options_are_refused(tiny, options, message):
    with pytest.raises(ConfigError, match=message):
        MtebEncoder(tiny, **{"suite": None} | options)


def test_unknown_precision_is_refused(tiny):
    encoder = MtebEncoder(tiny, suite=None)
    with pytest.raises(ConfigError, match="precision is 'int4'; expected one of float32"):
        encoder.encode([], task_metadata=about(), hf_split="test", hf_subset="default", precision="int4")
