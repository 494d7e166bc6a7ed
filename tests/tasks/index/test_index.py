"""An index finds what is nearest, keeps its contract, and changes as it is told."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from instructvec.errors import ConfigError, ContractMismatch, InputError, InputTypeError
from instructvec.tasks import Embedded, Index, embedded
from instructvec.tasks.index import upkeep
from instructvec.tasks.instructions import DOCUMENT, QUERY

TEXTS = ["rain on the fields", "snow in the mountains", "how to bake bread", "fixing a bicycle", "a small dog"]
COLUMNS = {"year": [2019, 2020, 2021, 2022, None], "lang": ["en", "de", "en", "fr", "de"]}


def contract_of(dimension, **changes):
    from instructvec.checkpoints.contract import EmbeddingContract

    made = EmbeddingContract("0" * 32, (DOCUMENT,), dimension, True, "float32", "prompt")
    return replace(made, **changes)


def unit_vectors(n_rows, dimension, seed=0):
    """Clustered, as vectors of texts are."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(max(2, n_rows // 20), dimension))
    vectors = centres[rng.integers(0, len(centres), n_rows)] + 0.5 * rng.normal(size=(n_rows, dimension))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def of_vectors(vectors, **options):
    return Index.build(Embedded(None, vectors, contract_of(vectors.shape[1])), **options)


def asked(vectors):
    return Embedded(None, vectors, contract_of(vectors.shape[1], instructions=(QUERY,)))


@pytest.fixture
def index(tiny):
    return Index.build(TEXTS, columns=COLUMNS, embedder=tiny)


def test_search_ranks_by_cosine_under_the_two_instructions(index, tiny):
    hits = index.search("weather", k=3)
    cosines = tiny.encode(TEXTS, DOCUMENT) @ tiny.encode("weather", QUERY)
    best = np.argsort(-cosines)[:3]
    assert [hit.text for hit in hits] == [TEXTS[row] for row in best]
    np.testing.assert_allclose([hit.score for hit in hits], cosines[best], rtol=1e-5)
    assert [hit.columns for hit in hits] == [{name: COLUMNS[name][row] for name in COLUMNS} for row in best]


def test_one_query_gives_hits_and_several_give_lists(index, tiny):
    alone = [index.search(one) for one in ("weather", "pets")]
    together = index.search(["weather", "pets"])
    assert [[hit.id for hit in hits] for hits in alone] == [[hit.id for hit in hits] for hits in together]
    assert index.search([]) == [] and len(together[0]) == len(index) == 5
    queries = embedded(["weather", "pets"], tiny, QUERY)
    assert [[hit.id for hit in hits] for hits in index.search(queries)] == [
        [hit.id for hit in hits] for hits in together
    ]


def test_instructions_are_the_index_s(tiny):
    index = Index.build(TEXTS, embedder=tiny, instruction="Represent the note: ", query_instruction="")
    cosines = tiny.encode(TEXTS, "Represent the note: ") @ tiny.encode("weather", "")
    assert index.search("weather", k=1)[0].text == TEXTS[int(np.argmax(cosines))]
    plain = Index.build(TEXTS, embedder=tiny, instruction="")
    assert plain.settings.query_instruction == ""  # documents without one: queries without one


def test_filters_and_deletions_leave_the_best_of_the_rest(index):
    everything = [hit.id for hit in index.search("weather")]
    found = [hit.id for hit in index.search("weather", where={"year": (">=", 2020), "lang": ["de", "fr"]})]
    assert found == [one for one in everything if one in ("1", "3")]
    index.delete(["1"])
    assert [hit.id for hit in index.search("weather")] == [one for one in everything if one != "1"]
    assert index.search("weather", where={"year": 1999}) == []
    with pytest.raises(InputError, match="no column 'yaer'; did you mean 'year'"):
        index.search("weather", where={"yaer": 1})


def test_added_documents_are_numbered_on_and_found(index, tiny):
    assert index.add(["weather"], columns={"year": [2023], "note": ["new"]}) == ["5"]
    best = index.search(embedded(["weather"], tiny, QUERY), k=6)[0]
    added = next(hit for hit in best if hit.id == "5")
    assert added.columns == {"year": 2023, "lang": None, "note": "new"}
    index.delete(["5"])
    assert index.add(["weather"]) == ["6"] and len(index) == 6


def test_numbers_that_are_ids_already_are_left_out(tiny):
    index = Index.build(TEXTS[:2], ids=["1", 3], embedder=tiny)
    assert index.add(["a", "b", "c"]) == ["0", "2", "4"]


def test_update_replaces_text_vector_and_columns(index):
    index.update(["a heavy storm"], ids=["2"], columns={"lang": ["nl"]})
    assert len(index) == 5
    (hit,) = index.search("a heavy storm", where={"lang": "nl"})
    assert (hit.id, hit.text, hit.columns) == ("2", "a heavy storm", {"year": None, "lang": "nl"})
    index.add(["bread"], ids=["2"], replace_existing=True)
    assert len(index) == 5 and "bread" in {hit.text for hit in index.search("x")}


def test_ids_that_do_not_fit_are_named(index, tiny):
    with pytest.raises(InputError, match=r"'b' comes 2 times \(rows 2, 3\); expected each id once"):
        Index.build(TEXTS[:3], ids=["a", "b", "b"], embedder=tiny)
    with pytest.raises(InputError, match="ids: '1' is in the index already"):
        index.add(["new"], ids=[1])
    with pytest.raises(InputError, match="'7', '8' are not in the index"):
        index.delete(["1", "7", "8"])
    with pytest.raises(InputError, match="'9' is not in the index"):
        index.update(["new"], ids=["9"])
    with pytest.raises(InputError, match="2 for 1 texts"):
        index.add(["new"], ids=["a", "b"])
    with pytest.raises(InputTypeError, match="row 1: 1.5; expected a string or a whole number"):
        index.add(["new"], ids=[1.5])
    with pytest.raises(InputError, match="row 1: empty"):
        index.add(["new"], ids=[""])
    with pytest.raises(InputTypeError, match="one string"):
        index.delete("12")
    assert len(index) == 5  # what is refused changes nothing


def test_columns_that_do_not_fit_are_named_before_anything_is_encoded(index, faked):
    embedder, _ = faked()
    for columns, message in (
        ({"year": [1, 2]}, "2 rows for 1 texts"),
        ({"year": ["new"]}, "'year' holds string, in the index int64"),
        ({"instructvec_id": [1]}, "'instructvec_id' is taken"),
        ({"a": [1], "b": [1, 2]}, "expected a pyarrow table"),
    ):
        with pytest.raises(InputError, match=message):
            index.add(["new"], columns=columns, embedder=embedder)
    assert index.add(["new"], columns=pa.table({"year": [1]})) == ["5"]


def test_empty_and_wrong_input_is_refused(index, tiny):
    with pytest.raises(InputError, match="documents: empty"):
        Index.build([], embedder=tiny)
    with pytest.raises(InputError, match="documents: empty"):
        index.add([])
    with pytest.raises(InputTypeError, match="documents, row 2: NoneType"):
        index.add(["a", None])
    with pytest.raises(InputTypeError, match="queries, row 1: int"):
        index.search([3])
    with pytest.raises(ConfigError, match="k is 0"):
        index.search("a", k=0)
    with pytest.raises(ConfigError, match="mode is 'words'; expected one of vectors, hybrid, bm25"):
        index.search("a", mode="words")
    with pytest.raises(ConfigError, match="approximate is 'yes'"):
        Index.build(TEXTS, embedder=tiny, approximate="yes")


def test_other_vectors_are_refused_on_both_sides(index, tiny, bundled, exact):
    with pytest.raises(
        ContractMismatch, match="(?s)documents: not as the index's are.*instructions: expected.*Give the texts"
    ):
        index.add(embedded(["a"], tiny, "Represent the noun: "))
    with pytest.raises(ContractMismatch, match="(?s)documents.*model: expected.*dimension"):
        index.add(embedded(["a"], bundled, DOCUMENT))
    with pytest.raises(
        ContractMismatch, match="(?s)embedder: not what the index was made with.*model: expected.*build a new"
    ):
        index.add(["a"], embedder=bundled)
    with pytest.raises(ContractMismatch, match="embedder: not what"):
        index.search("a", embedder=exact)
    with pytest.raises(ContractMismatch, match="queries: made under the instruction 'Represent the noun: '"):
        index.search(embedded(["a"], tiny, "Represent the noun: "))
    with pytest.raises(ContractMismatch, match="(?s)queries: they do not compare.*model"):
        index.search(embedded(["a"], bundled, QUERY))
    half = Embedded(None, tiny.encode(["a"], QUERY), replace(tiny.contract(QUERY), precision="float16"))
    with pytest.raises(ContractMismatch, match="precision: expected 'float32', got 'float16'"):
        index.search(half)
    assert len(index) == 5


def test_texts_are_cut_as_those_of_the_index_were(index):
    from instructvec import Embedder
    from tests.conftest import TINY

    shorter = Embedder(TINY, backend="onnx", max_seq_length=64)
    with pytest.raises(ContractMismatch, match="max_seq_length: expected 512, got 64"):
        index.add(["a"], embedder=shorter)
    assert index.search("rain", embedder=shorter)


def test_narrower_and_rounded_vectors_are_searched_with_queries_made_so(tiny):
    cut = tiny.encode(TEXTS, DOCUMENT, truncate_dim=8, precision="float16")
    contract = tiny.contract(DOCUMENT, truncate_dim=8, precision="float16")
    index = Index.build(Embedded(TEXTS, cut.astype(np.float32), contract), embedder=tiny)
    query = tiny.encode("weather", QUERY)[:8].astype(np.float16).astype(np.float32)
    documents = cut.astype(np.float32)
    cosines = documents @ query / np.linalg.norm(documents, axis=1) / np.linalg.norm(query)
    hits = index.search("weather")
    assert [hit.text for hit in hits] == [TEXTS[row] for row in np.argsort(-cosines)]
    np.testing.assert_allclose([hit.score for hit in hits], np.sort(cosines)[::-1], atol=1e-5)


def test_documents_with_an_instruction_each_take_embedded_ones_only(tiny):
    contract = tiny.contract([DOCUMENT, "Represent the noun: "])
    index = Index.build(Embedded(TEXTS[:2], tiny.encode(TEXTS[:2], [DOCUMENT, "Represent the noun: "]), contract))
    with pytest.raises(InputError, match="have an instruction each"):
        index.add(["a"], embedder=tiny)
    assert index.add(Embedded(["a", "b"], tiny.encode(["a", "b"], DOCUMENT), contract)) == ["2", "3"]


def test_words_rank_and_fuse(index):
    assert [hit.id for hit in index.search("BREAD, dog", mode="bm25")] == ["4", "2"]  # the shorter text first
    assert index.search("unheard", mode="bm25") == []
    vectors = [hit.id for hit in index.search("bread")]
    hybrid = index.search("bread", mode="hybrid")
    expected = {one: 1 / (61 + vectors.index(one)) + (1 / 61 if one == "2" else 0) for one in vectors}
    assert {hit.id: hit.score for hit in hybrid} == pytest.approx(expected)
    assert [hit.score for hit in hybrid] == sorted((hit.score for hit in hybrid), reverse=True)
    index.delete(["2"])
    assert index.search("bread", mode="bm25") == []
    index.add(["rye bread"])
    assert [hit.id for hit in index.search("bread", mode="bm25")] == ["5"]


def test_words_need_texts(tiny):
    index = of_vectors(unit_vectors(10, 8))
    with pytest.raises(InputError, match="holds vectors without texts"):
        index.search(["a"], mode="bm25")
    hit = index.search(asked(unit_vectors(1, 8)), k=1)[0][0]
    assert hit.text is None
    with pytest.raises(InputError, match="search by words needs the texts"):
        Index.build(TEXTS, embedder=tiny).search(
            Embedded(None, tiny.encode(["a"], QUERY), tiny.contract(QUERY)), mode="hybrid"
        )


def test_equal_vectors_stand_in_the_order_they_were_added():
    vectors = np.eye(4, dtype=np.float32)[[0, 1, 1, 0, 1]]
    index = of_vectors(vectors)
    index.add(Embedded(None, vectors, contract_of(4)))
    hits = index.search(asked(np.eye(4, dtype=np.float32)[1:2]), k=5)[0]
    assert [hit.id for hit in hits] == ["1", "2", "4", "6", "7"]


def test_everything_deleted_finds_nothing_and_takes_new_ones(index):
    index.delete(["0", "1", "2", "3", "4"])
    assert len(index) == 0 and index.search("a") == [] and index.search(["a", "b"]) == [[], []]
    index.add(["again"], columns={"year": [1]})
    assert [hit.id for hit in index.search("a")] == ["5"]


def test_a_graph_finds_nearly_all_of_what_exact_search_finds():
    vectors, queries = unit_vectors(3000, 32), asked(unit_vectors(50, 32))
    exact = of_vectors(vectors, approximate=False).search(queries)
    index = of_vectors(vectors, approximate=True)
    assert index.info().search == "approximate" and index.info().n_in_graph == 3000
    approximate = index.search(queries)
    scores = {hit.id: hit.score for hits in exact for hit in hits}
    shared = [len({hit.id for hit in a} & {hit.id for hit in b}) for a, b in zip(exact, approximate, strict=True)]
    assert np.mean(shared) >= 9.8
    assert all(
        hit.score == pytest.approx(scores.get(hit.id, hit.score), abs=1) for hits in approximate for hit in hits
    )


@pytest.mark.parametrize("share", [0.5, 0.01])
def test_a_filter_on_a_graph_still_finds_k(share):
    vectors, queries = unit_vectors(2000, 16), asked(unit_vectors(20, 16))
    kept = np.random.default_rng(1).random(2000) < share
    columns = {"kept": kept.tolist()}
    approximate = of_vectors(vectors, columns=columns, approximate=True).search(queries, 15, {"kept": True})
    exact = of_vectors(vectors, columns=columns, approximate=False).search(queries, 15, {"kept": True})
    assert all(len(hits) == 15 and all(hit.columns["kept"] for hit in hits) for hits in approximate)
    shared = [len({hit.id for hit in a} & {hit.id for hit in b}) for a, b in zip(exact, approximate, strict=True)]
    assert np.mean(shared) >= 14.5


def test_rows_behind_the_graph_and_deleted_ones_are_seen_to(monkeypatch):
    monkeypatch.setattr(upkeep, "TAIL_ROWS", 100)
    vectors = unit_vectors(1000, 16)
    index = of_vectors(vectors[:600], approximate=True)
    index.add(Embedded(None, vectors[600:650], contract_of(16)))
    assert index.info().n_in_graph == 600
    hits = index.search(asked(vectors[640:641]), k=1)[0]
    assert hits[0].id == "640" and hits[0].score == pytest.approx(1, abs=1e-5)
    index.add(Embedded(None, vectors[650:], contract_of(16)))
    assert index.info().n_in_graph == 1000
    assert [hits[0].id for hits in index.search(asked(vectors[[5, 640, 900]]), k=1)] == ["5", "640", "900"]
    index.delete(["640"])
    assert index.search(asked(vectors[640:641]), k=1)[0][0].id != "640"
    index.delete([str(one) for one in range(400)])
    assert index.info().n_deleted == 0 and index.info().n_in_graph == 599
    assert index.search(asked(vectors[900:901]), k=1)[0][0].id == "900"
    assert len(index.search(asked(vectors[:1]), k=1000)[0]) == 599


def test_large_ones_are_approximate_by_themselves(monkeypatch):
    monkeypatch.setattr(upkeep, "EXACT_COMPONENTS", 100 * 8)
    vectors = unit_vectors(120, 8)
    index = of_vectors(vectors[:100])
    assert index.info().search == "exact"
    index.add(Embedded(None, vectors[100:], contract_of(8)))
    assert index.info().search == "approximate"
    assert of_vectors(vectors, approximate=False).info().search == "exact"
