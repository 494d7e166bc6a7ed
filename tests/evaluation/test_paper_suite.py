"""The ``paper`` suite against the paper's counts, the unified form, and the metadata of the installed mteb."""

import warnings
from collections import Counter

import pytest

from instructvec import Instruction
from instructvec.evaluation.suite import TaskSpec, read_suite

SUITE = read_suite("paper")
COUNTS = {
    "retrieval": 15,
    "reranking": 4,
    "clustering": 11,
    "pair_classification": 3,
    "classification": 12,
    "sts": 10,
    "summarization": 1,
    "prompt_retrieval": 11,
    "text_generation_evaluation": 3,
}
MTEB_TYPES = {
    "retrieval": "Retrieval",
    "reranking": "Reranking",
    "clustering": "Clustering",
    "pair_classification": "PairClassification",
    "classification": "Classification",
    "sts": "STS",
    "summarization": "Summarization",
}

every_task = pytest.mark.parametrize("spec", SUITE.tasks, ids=lambda spec: spec.name)
every_mteb_task = pytest.mark.parametrize(
    "spec", [spec for spec in SUITE.tasks if spec.mteb_name], ids=lambda spec: spec.name
)
every_task_drawn = pytest.mark.parametrize(
    "spec", [spec for spec in SUITE.tasks if spec.kind == "classification"], ids=lambda spec: spec.name
)


@pytest.fixture(scope="module")
def benchmark():
    """mteb's task objects of MTEB English, by name."""
    with warnings.catch_warnings():
        # What mteb and its dependencies warn of while they are imported is theirs to mend, and differs by version.
        warnings.simplefilter("ignore")
        mteb = pytest.importorskip("mteb")
        return {task.metadata.name: task for task in mteb.get_benchmark("MTEB(eng, v1)").tasks}


def sentences(spec: TaskSpec) -> list[str]:
    said = [spec.instruction, *spec.paraphrases, spec.tag, spec.simple, spec.wrong]
    documents = [spec.document_instruction, *spec.document_paraphrases, spec.document_simple, spec.document_wrong]
    return said + [one for one in documents if one is not None]


def test_has_the_papers_seventy_tasks_kind_by_kind():
    assert Counter(spec.kind for spec in SUITE.tasks) == COUNTS
    assert sum(COUNTS.values()) == 70


def test_tasks_of_a_kind_stand_together_in_the_papers_order():
    assert list(dict.fromkeys(spec.kind for spec in SUITE.tasks)) == list(COUNTS)
    order = [spec.kind for spec in SUITE.tasks]
    assert order == sorted(order, key=list(COUNTS).index)


@every_task
def test_instructions_have_the_papers_unified_form(spec):
    said = (spec.instruction, spec.document_instruction, spec.simple, spec.document_simple, spec.wrong)
    for sentence in said:
        if sentence is not None:
            parsed = Instruction.parse(sentence)
            assert str(parsed) == sentence
            assert parsed.objective


def test_placebo_has_the_papers_unified_form_and_usual_length():
    assert str(Instruction.parse(SUITE.placebo)) == SUITE.placebo
    lengths = sorted(len(spec.instruction) for spec in SUITE.tasks)
    assert lengths[0] <= len(SUITE.placebo) <= lengths[-1]


@every_task
def test_no_sentence_stands_twice_and_all_end_in_a_colon_and_a_blank(spec):
    said = sentences(spec)
    assert not [sentence for sentence, n in Counter(said).items() if n > 1]
    assert all(sentence.endswith(": ") and sentence == sentence.strip() + " " for sentence in said)


def test_no_paraphrase_is_shared_between_tasks():
    said = Counter(
        sentence
        for spec in SUITE.tasks
        for sentence in (spec.instruction, *spec.paraphrases, *spec.document_paraphrases, spec.tag, spec.wrong)
    )
    assert [sentence for sentence, n in said.items() if n > 1] == []


@every_task
def test_paraphrases_come_in_the_order_that_the_file_promises(spec):
    for said in filter(None, (spec.paraphrases, spec.document_paraphrases)):
        unified, terse, order, question, general = said
        assert Instruction.parse(unified).objective and Instruction.parse(general).objective
        assert len(general) < len(unified) and len(terse) < min(len(unified), len(order))
        assert not any(sentence.startswith("Represent") for sentence in (terse, order, question))


@every_task
def test_documents_are_reworded_as_often_as_queries(spec):
    assert len(spec.document_paraphrases) == (len(spec.paraphrases) if spec.document_instruction else 0)


@every_task
def test_hub_data_is_pinned(spec):
    assert all(len(spec.revision_of(at)) == 40 for at in range(len(spec.hub)))


def test_names_are_those_of_mteb_english(benchmark):
    assert {spec.mteb_name for spec in SUITE.tasks if spec.mteb_name} == set(benchmark)
    assert all(spec.name == spec.mteb_name for spec in SUITE.tasks if spec.mteb_name)
    # A reader's history, several queries in one, is what no other task has; each counts alone here.
    others = [spec.name for spec in SUITE.tasks if spec.mteb_name and not spec.same_data_as_mteb]
    assert others == ["MindSmallReranking"]


@every_mteb_task
def test_kind_and_split_and_subset_are_mtebs(spec, benchmark):
    task = benchmark[spec.mteb_name]
    assert task.metadata.type == MTEB_TYPES[spec.kind]
    # The benchmark's own choice of splits where it made one: not the validation splits of multilingual tasks.
    assert [spec.split] == list(task.eval_splits)
    assert [spec.subset or "default"] == list(task.hf_subsets)


@every_mteb_task
def test_datasets_and_revisions_are_mtebs(spec, benchmark):
    metadata = benchmark[spec.mteb_name].metadata
    if len(spec.hub) == 1:
        assert (spec.hub[0], spec.revision) == (metadata.dataset["path"], metadata.dataset["revision"])
        return
    parts = [part.metadata.dataset for part in metadata.tasks]
    assert spec.hub == tuple(part["path"] for part in parts)
    assert spec.revisions == tuple(part["revision"] for part in parts)


@every_mteb_task
def test_identical_ids_are_left_out_where_mteb_does(spec, benchmark):
    assert spec.ignore_identical_ids == bool(getattr(benchmark[spec.mteb_name], "ignore_identical_ids", False))


@every_task_drawn
def test_classification_draws_as_many_examples_as_mteb(spec, benchmark):
    task = benchmark[spec.mteb_name]
    assert (spec.samples_per_label, spec.n_experiments) == (task.samples_per_label, task.n_experiments)
