"""The objective equals loops over rows in float64, in value and gradient; its edges; its refusals."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from instructvec import toml
from instructvec.errors import ConfigError, InputError
from instructvec.training.distillation import Distillation
from instructvec.training.false_negatives import Identities, same_label, same_text, text_id
from instructvec.training.objective import NAMED, Objective, contrastive_loss, info_nce
from instructvec.training.temperature import log_temperature, temperature_of
from instructvec.training.vectors import BatchVectors
from tests.training.loops import Loops, kl, moved, mse

EXACT = 1e-9  # both sides are float64, at scores up to 100
RULES = {"same_text": "text", "same_label": "label"}


def drawn(n=6, k=5, d=12, seed=0):
    """Queries, positives near them, negatives nearer to some than that; not of unit length."""
    rng = np.random.default_rng(seed)
    queries = rng.standard_normal((n, d)) * rng.uniform(0.1, 9, (n, 1))
    positives = queries + 3 * rng.standard_normal((n, d))
    negatives = queries[rng.integers(n, size=k)] + 2 * rng.standard_normal((k, d))
    return queries, positives, negatives


def tensors(arrays, dtype=torch.float64, grad=False):
    return BatchVectors(*(torch.tensor(of, dtype=dtype, requires_grad=grad) for of in arrays))


def known(**ids):
    return Identities(**{name: torch.tensor(of, dtype=torch.int64) for name, of in ids.items()})


def alone(n, k):
    """No two texts alike."""
    return {
        "queries": list(range(n)),
        "positives": list(range(100, 100 + n)),
        "negatives": list(range(200, 200 + k)),
        "negative_rows": [j % n for j in range(k)],
    }


# Six rows: 1 and 4 have the same query; 5's positive is 0's query (a symmetric chain); negative 2 is 3's positive;
# negative 4 is the query of row 2; rows 0, 2, 3 have a label, and negative 0 too; 3 and 4 contrast.
CROWDED = {
    "queries": [10, 11, 12, 13, 11, 15],
    "positives": [20, 21, 22, 23, 24, 10],
    "negatives": [30, 31, 23, 21, 12],
    "negative_rows": [0, 1, 3, 4, 5],
    "labels": [7, -1, 7, 7, 7, -1],
    "negative_labels": [7, -1, 8, -1, -1],
    "groups": [-1, -1, -1, 2, 2, -1],
}


@pytest.mark.parametrize("tau", [0.01, 0.05, 1.0])
@pytest.mark.parametrize("form", ["full", "released"])
@pytest.mark.parametrize("same_side", [False, True])
@pytest.mark.parametrize(("n", "k"), [(6, 6), (6, 2), (6, 0), (1, 1), (1, 0), (2, 9)])
def test_loss_equals_loops_over_rows(n, k, same_side, form, tau):
    arrays = drawn(n, k, seed=n * 10 + k)
    objective = Objective(form=form, temperature=tau, same_side=same_side)
    found = contrastive_loss(tensors(arrays), objective).loss.item()
    assert found == pytest.approx(Loops(*arrays).loss(tau, form=form, same_side=same_side), abs=EXACT)


@pytest.mark.parametrize("rules", [(), ("same_text",), ("same_label",), ("same_text", "same_label")])
@pytest.mark.parametrize("margin", [None, 0.0, 0.2, -0.3])
@pytest.mark.parametrize("form", ["full", "released"])
@pytest.mark.parametrize("same_side", [False, True])
def test_masked_loss_equals_loops_over_rows(same_side, form, margin, rules):
    arrays = drawn()
    objective = Objective(
        form=form, temperature=0.05, same_side=same_side, margin=margin, **dict.fromkeys(rules, True)
    )
    found = contrastive_loss(tensors(arrays), objective, identities=known(**CROWDED)).loss.item()
    options = {"form": form, "same_side": same_side, "rules": [RULES[rule] for rule in rules], "margin": margin}
    assert found == pytest.approx(Loops(*arrays, CROWDED).loss(0.05, **options), abs=EXACT)


@pytest.mark.parametrize("rules", [("same_label",), ("same_text", "same_label")])
@pytest.mark.parametrize("margin", [None, -0.3])
@pytest.mark.parametrize("form", ["full", "released"])
@pytest.mark.parametrize("same_side", [False, True])
def test_labels_as_matches_equal_loops_over_rows(same_side, form, margin, rules):
    arrays, tau = drawn(), 0.05
    objective = Objective(
        form=form, temperature=tau, same_side=same_side, margin=margin, **dict.fromkeys(rules, True)
    )
    options = {"form": form, "same_side": same_side, "rules": [RULES[rule] for rule in rules], "margin": margin}
    matching = replace(objective, match_labels=True)
    found, without = (
        contrastive_loss(tensors(arrays), one, identities=known(**CROWDED)).loss.item()
        for one in (matching, objective)
    )
    assert found == pytest.approx(Loops(*arrays, CROWDED).loss(tau, match_labels=True, **options), abs=EXACT)
    assert found != pytest.approx(without, abs=1e-3)


def test_rows_of_one_label_only_have_no_loss_and_a_finite_gradient():
    vectors = tensors(drawn(3, 0), grad=True)
    same = known(**(alone(3, 0) | {"labels": [5, 5, 5]}))
    objective = Objective(same_label=True, match_labels=True)
    loss = contrastive_loss(vectors, objective, identities=same).loss
    loss.backward()
    assert loss.item() == 0
    assert vectors.queries.grad.abs().max() == 0


def test_released_form_equals_the_original_code():
    """Cross-entropy over [own positive, every hard negative], and over [own query, the other queries]."""
    queries, positives, negatives = (torch.tensor(of) for of in drawn(4, 4))
    cosine, tau = torch.nn.CosineSimilarity(dim=-1), 0.1
    pairs = list(zip(queries, positives, strict=True))
    forward = [[cosine(q, p) / tau, *(cosine(q, n) / tau for n in negatives)] for q, p in pairs]
    backward = [
        [cosine(p, queries[i]) / tau, *(cosine(p, queries[j]) / tau for j in range(4) if j != i)]
        for i, p in enumerate(positives)
    ]
    first = torch.zeros(4, dtype=torch.long)
    losses = [torch.nn.functional.cross_entropy(torch.tensor(of), first) for of in (forward, backward)]
    objective = replace(NAMED["released"], temperature=tau)
    found = contrastive_loss(BatchVectors(queries, positives, negatives), objective)
    assert found.loss.item() == pytest.approx(sum(losses).item(), abs=EXACT)
    assert (found.forward.item(), found.backward.item()) == pytest.approx([of.item() for of in losses], abs=EXACT)


def test_hand_computed_value():
    """Two orthogonal rows at temperature 1: log(1 + 1/e) either way; a negative at the query adds e."""
    x = torch.eye(2, dtype=torch.float64)
    plain = contrastive_loss(BatchVectors(x, x, x[:0]), Objective(temperature=1.0))
    assert plain.loss.item() == pytest.approx(2 * math.log(1 + 1 / math.e), abs=1e-12)
    hard = contrastive_loss(BatchVectors(x, x, x[:1]), Objective(temperature=1.0))
    row_0, row_1 = math.log(2 + 1 / math.e), math.log(1 + 2 / math.e)
    assert hard.forward.item() == pytest.approx((row_0 + row_1) / 2, abs=1e-12)
    assert hard.accuracy.item() == 1.0  # a tie is not nearer


@pytest.mark.parametrize("weights", [(), (0.25, 0.5, 2.0)])
@pytest.mark.parametrize("dimensions", [(3, 7, 12), (1, 2, 5)])
def test_matryoshka_adds_losses_of_cut_vectors(dimensions, weights):
    arrays = drawn()
    objective = Objective(temperature=0.05, margin=0.1, dimensions=dimensions, dimension_weights=weights)
    found = contrastive_loss(tensors(arrays), objective)
    # What is left out is decided at the whole width.
    losses = [Loops(*arrays).loss(0.05, margin=0.1, width=width) for width in dimensions]
    expected = sum(weight * loss for weight, loss in zip(weights or (1, 1, 1), losses, strict=True))
    assert found.loss.item() == pytest.approx(expected, abs=EXACT)
    whole = Loops(*arrays).direction("q", "pn", 0.05, margin=0.1)
    assert found.forward.item() == pytest.approx(whole, abs=EXACT)


@pytest.mark.parametrize("measure", ["kl", "mse"])
@pytest.mark.parametrize("k", [5, 0])
def test_distillation_equals_loops(k, measure):
    student, teacher = drawn(k=k), drawn(k=k, d=20, seed=4)
    distillation = Distillation(measure, weight=0.7, temperature=0.2)
    objective = Objective(temperature=0.05, distillation=distillation, contrast_weight=0.3)
    found = contrastive_loss(tensors(student), objective, teacher=tensors(teacher))
    ours, theirs = Loops(*student).cosines(), Loops(*teacher).cosines()
    if measure == "mse":
        expected = mse(ours, theirs)
    else:
        columns = [[list(of) for of in zip(*(row[:6] for row in rows), strict=True)] for rows in (ours, theirs)]
        expected = kl(ours, theirs, 0.2) + kl(*columns, 0.2)
    assert found.distillation.item() == pytest.approx(expected, abs=EXACT)
    assert found.loss.item() == pytest.approx(0.3 * Loops(*student).loss(0.05) + 0.7 * expected, abs=EXACT)


@pytest.mark.parametrize("k", [5, 0])
def test_distance_from_the_teacher_s_vectors_equals_loops(k):
    student, teacher = drawn(k=k), drawn(k=k, seed=4)
    objective = Objective(distillation=Distillation("vectors", weight=3.0), contrast_weight=0.0)
    found = contrastive_loss(tensors(student), objective, teacher=tensors(teacher))
    expected = moved(Loops(*student), Loops(*teacher))
    assert found.distillation.item() == pytest.approx(expected, abs=EXACT)
    assert found.loss.item() == pytest.approx(3 * expected, abs=EXACT)


def test_vectors_of_another_width_cannot_be_compared_one_by_one():
    objective = Objective(distillation=Distillation("vectors"))
    with pytest.raises(ConfigError, match="the teacher's have 20 dimensions, the student's 12; take a teacher"):
        contrastive_loss(tensors(drawn()), objective, teacher=tensors(drawn(d=20)))
    with pytest.raises(ConfigError, match="no cut vectors to compare"):
        Objective(distillation=Distillation("vectors"), dimensions=(2, 4))


def test_match_labels_needs_same_label():
    with pytest.raises(ConfigError, match="set same_label to true as well"):
        Objective(match_labels=True)


def test_a_teacher_without_labels_has_a_say_in_the_other_rows_only():
    student, teacher = drawn(), drawn(d=20, seed=4)
    distillation = Distillation("mse", labelled=False)
    objective = Objective(distillation=distillation, contrast_weight=0.0)
    found = contrastive_loss(
        tensors(student), objective, identities=known(**CROWDED), teacher=tensors(teacher)
    ).loss.item()
    rows, negatives = [1, 5], [1, 4]  # without label and group, and their hard negatives

    def part(arrays):
        return Loops(*(of[at] for of, at in zip(arrays, (rows, rows, negatives), strict=True))).cosines()

    assert found == pytest.approx(mse(part(student), part(teacher)), abs=EXACT)
    labelled = known(**(CROWDED | {"labels": [1] * 6}))
    assert contrastive_loss(tensors(student), objective, identities=labelled, teacher=tensors(teacher)).loss == 0


def test_a_student_that_equals_its_teacher_loses_nothing():
    arrays = tensors(drawn())
    objective = Objective(distillation=Distillation(), contrast_weight=0.0)
    assert contrastive_loss(arrays, objective, teacher=arrays).loss.item() == pytest.approx(0, abs=1e-12)


def test_teacher_gets_no_gradient():
    teacher = tensors(drawn(seed=1), grad=True)
    objective = Objective(distillation=Distillation("mse"))
    contrastive_loss(tensors(drawn(), grad=True), objective, teacher=teacher).loss.backward()
    assert teacher.queries.grad is None


@pytest.mark.parametrize(
    "objective",
    [
        *NAMED.values(),
        Objective(dimensions=(2, 4), dimension_weights=(0.5, 1.0)),
        Objective(distillation=Distillation("kl", temperature=0.3)),
        Objective(distillation=Distillation("mse"), same_side=True),
        Objective(distillation=Distillation("vectors")),
        Objective(same_label=True, match_labels=True, distillation=Distillation("mse", labelled=False)),
    ],
)
def test_gradient_equals_finite_differences(objective):
    arrays = drawn(n=3, k=2, d=4)
    inputs = [torch.tensor(of, requires_grad=True) for of in arrays]
    tau = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    ids, teacher = known(**alone(3, 2)), tensors(drawn(n=3, k=2, d=4, seed=3))

    def loss(queries, positives, negatives, tau):
        vectors = BatchVectors(queries, positives, negatives)
        return contrastive_loss(vectors, objective, identities=ids, teacher=teacher, temperature=tau).loss

    assert torch.autograd.gradcheck(loss, (*inputs, tau), atol=1e-7, rtol=1e-6)


def test_rows_in_another_order_lose_the_same():
    arrays, order, others = drawn(), [3, 1, 5, 0, 4, 2], [4, 2, 0, 1, 3]
    objective = replace(NAMED["two_sided"], temperature=0.05)
    loss = contrastive_loss(tensors(arrays), objective, identities=known(**CROWDED)).loss
    moved = {name: [CROWDED[name][row] for row in order] for name in ("queries", "positives", "labels", "groups")}
    moved |= {name: [CROWDED[name][row] for row in others] for name in ("negatives", "negative_labels")}
    moved["negative_rows"] = [order.index(CROWDED["negative_rows"][row]) for row in others]
    arrays = arrays[0][order], arrays[1][order], arrays[2][others]
    again = contrastive_loss(tensors(arrays), objective, identities=known(**moved)).loss
    assert again.item() == pytest.approx(loss.item(), abs=1e-12)


# False negatives


def test_same_text_under_another_instruction_stays_a_negative():
    """Two goals of one text: each row's positive is the other's hard negative, and all of it counts."""
    text, u, v = "a sad poem about rain", "a sad song", "an ode to rain"
    mood, topic = "Represent the mood: ", "Represent the topic: "
    rows = [(mood, text, u, v), (topic, text, v, u)]
    ids = {
        "queries": [text_id(goal, query) for goal, query, _, _ in rows],
        "positives": [text_id(goal, positive) for goal, _, positive, _ in rows],
        "negatives": [text_id(goal, negative) for goal, _, _, negative in rows],
        "negative_rows": [0, 1],
        "labels": [1, 1],
        "groups": [0, 0],
    }
    # Before training the positive is far and the negative near: the score alone would leave out all that counts.
    near, far = [1.0, 0.1], [0.1, 1.0]
    arrays = [[1.0, 0.0]] * 2, [far] * 2, [near] * 2
    objective = replace(NAMED["two_sided"], margin=0.0, temperature=0.05)
    found = contrastive_loss(tensors(arrays), objective, identities=known(**ids))
    assert found.left_out.item() == 0
    plain = replace(objective, same_text=False, same_label=False, margin=None)
    assert found.loss.item() == contrastive_loss(tensors(arrays), plain).loss.item()
    ungrouped = contrastive_loss(tensors(arrays), objective, identities=known(**ids | {"groups": [-1, -1]}))
    assert ungrouped.left_out.item() > 0.5


def test_same_text_leaves_out_every_known_match():
    found = same_text(known(**CROWDED))
    positives = torch.eye(6, dtype=torch.bool)
    positives[1, 4] = positives[4, 1] = True  # one query, two positives
    positives[0, 5] = True  # row 5's positive is row 0's query
    assert found.positives.tolist() == positives.tolist()
    # negatives 30, 31, 23, 21, 12: row 3's positive; rows 1 and 4's positive; row 2's query
    negatives = torch.zeros((6, 5), dtype=torch.bool)
    negatives[3, 2] = negatives[1, 3] = negatives[4, 3] = negatives[2, 4] = True
    assert found.negatives.tolist() == negatives.tolist()
    queries = torch.eye(6, dtype=torch.bool)
    queries[1, 4] = queries[4, 1] = queries[5, 0] = True
    assert found.queries.tolist() == queries.tolist()


def test_a_chain_of_symmetric_pairs_is_no_negative_of_itself():
    """Rows (a, b) and (b, c): a matches b, whichever is the query."""
    found = same_text(known(queries=[1, 2], positives=[2, 3], negatives=[1], negative_rows=[1]))
    assert found.negatives.tolist() == [[True], [True]]  # a is row 0's query, and matches row 1's query b
    assert found.positives.tolist() == [[True, False], [True, True]]
    assert found.queries.tolist() == [[True, True], [False, True]]


def test_unknown_labels_are_not_alike():
    found = same_label(known(**alone(3, 2), labels=[-1, -1, 4], negative_labels=[-1, 4]))
    assert found.positives.nonzero().tolist() == [[2, 2]]
    assert found.negatives.nonzero().tolist() == [[2, 1]]
    assert same_label(known(**alone(3, 2))) is None


def test_all_left_out_is_no_loss_and_no_gradient():
    vectors = tensors(drawn(), grad=True)
    labels = {"labels": [1] * 6, "negative_labels": [1] * 5}
    objective = Objective(same_label=True, same_side=True)
    found = contrastive_loss(vectors, objective, identities=known(**alone(6, 5), **labels))
    found.loss.backward()
    assert found.loss.item() == 0
    assert found.left_out.item() == 1
    assert found.accuracy.item() == 1
    assert not any(side.grad.abs().max() for side in (vectors.queries, vectors.positives, vectors.negatives))


@pytest.mark.parametrize("form", ["full", "released"])
def test_one_row_without_a_negative_is_no_loss_and_no_gradient(form):
    vectors = tensors(drawn(1, 0), grad=True)
    found = contrastive_loss(vectors, Objective(form=form))
    found.loss.backward()
    assert found.loss.item() == 0
    assert vectors.queries.grad.abs().max().item() == 0
    assert found.left_out.item() == 0


def test_released_rows_without_any_hard_negative_keep_the_backward_term():
    found = contrastive_loss(tensors(drawn(4, 0)), NAMED["released"])
    assert found.forward.item() == 0
    assert found.backward.item() > 0


def test_text_ids_are_of_instruction_and_text():
    ids = {text_id(*pair) for pair in [("", "ab"), ("a", "b"), ("ab", ""), ("a", "B"), ("", "\ud800")]}
    assert len(ids) == 5
    assert all(-(2**63) <= one < 2**63 for one in ids)
    assert text_id("Topic: ", "rain") == text_id("Topic: ", "rain") == 9190248482395368652


# Numbers


@pytest.mark.parametrize("same_side", [False, True])
def test_extreme_cosines_at_a_small_temperature_stay_finite(same_side):
    """Every match opposite and every negative equal: scores of -100 against 100, a loss of 200 + log 6."""
    x = torch.tensor([[1.0, 0.0]] * 3, requires_grad=True)
    negatives = torch.tensor([[1.0, 0.0]] * 3)
    found = contrastive_loss(BatchVectors(x, -x, negatives), Objective(same_side=same_side))
    found.loss.backward()
    expected = 200 + math.log(5 if same_side else 3)
    assert found.forward.item() == pytest.approx(expected, rel=1e-6)
    assert torch.isfinite(x.grad).all()


def test_scores_beyond_the_exponential_are_subtracted_first():
    own = torch.tensor([-5000.0, 5000.0], requires_grad=True)  # float32 keeps 0.0005 of them
    loss = info_nce(own, torch.tensor([[5000.0, 4999.0], [-5000.0, 4999.0]]), torch.zeros(2, 2, dtype=torch.bool))
    assert loss.tolist() == pytest.approx([10000 + math.log1p(math.exp(-1)), math.log1p(math.exp(-1))], abs=1e-3)
    loss.sum().backward()
    assert own.grad.tolist() == pytest.approx([-1, 1 / (1 + math.exp(-1)) - 1], abs=1e-3)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_16_bit_vectors_are_summed_in_float32(dtype):
    vectors = tensors(drawn(), dtype, grad=True)
    objective = Objective(temperature=0.05)
    found = contrastive_loss(vectors, objective).loss
    arrays = [side.detach().double().numpy() for side in (vectors.queries, vectors.positives, vectors.negatives)]
    assert found.dtype == torch.float32
    # Loops get the same rounded vectors, so what is left is float32's rounding of scores up to 20.
    assert found.item() == pytest.approx(Loops(*arrays).loss(0.05), abs=2e-5)
    found.backward()
    assert vectors.queries.grad.dtype == dtype


def test_autocast_does_not_reach_the_scores():
    vectors, objective = tensors(drawn(), torch.float32), Objective()
    plain = contrastive_loss(vectors, objective).loss
    with torch.autocast("cpu", torch.bfloat16):
        assert contrastive_loss(vectors, objective).loss.item() == plain.item()


def test_a_vector_of_zeros_has_cosine_zero():
    x = torch.tensor([[0.0, 0.0], [0.0, 1.0]], dtype=torch.float64, requires_grad=True)
    found = contrastive_loss(BatchVectors(x, x, x[:0]), Objective(temperature=1.0))
    assert found.forward.item() == pytest.approx((math.log(2) + math.log(1 + 1 / math.e)) / 2, abs=1e-12)
    found.loss.backward()
    assert torch.isfinite(x.grad).all()


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize(("side", "row"), [("queries", 3), ("positives", 0), ("negatives", 4)])
def test_a_nan_is_refused_with_its_row(side, row, bad):
    arrays = dict(zip(("queries", "positives", "negatives"), drawn(), strict=True))
    arrays[side][row, 2] = bad
    with pytest.raises(InputError, match=f"the batch: {side}, row {row}: .* NaN or infinite"):
        contrastive_loss(tensors(arrays.values()), Objective())


def test_a_teachers_nan_is_refused_as_the_teachers():
    teacher = drawn()
    teacher[1][2, 2] = math.nan
    with pytest.raises(InputError, match="the teacher: positives, row 2"):
        contrastive_loss(tensors(drawn()), Objective(distillation=Distillation()), teacher=tensors(teacher))


def test_temperature_argument_goes_before_the_objectives():
    vectors = tensors(drawn())
    warm = contrastive_loss(vectors, Objective(temperature=0.01), temperature=0.2).loss.item()
    assert warm == contrastive_loss(vectors, Objective(temperature=0.2)).loss.item()


def test_a_learned_temperature_gets_a_gradient_and_stays_in_bounds():
    parameter = log_temperature(0.05)
    contrastive_loss(
        tensors(drawn(), torch.float32), Objective(), temperature=temperature_of(parameter)
    ).loss.backward()
    assert parameter.grad.item() != 0
    with torch.no_grad():
        parameter.fill_(math.log(0.0001))
    assert temperature_of(parameter).item() == pytest.approx(0.01)
    temperature_of(parameter).backward()
    assert parameter.item() == pytest.approx(math.log(0.01))


def test_accuracy_counts_what_the_loss_counts():
    queries = [[1.0, 0.0], [0.0, 1.0]]
    arrays = queries, [[1.0, 0.1], [0.1, 1.0]], [[1.0, 0.0]]  # the negative is nearer to query 0 than its positive
    assert contrastive_loss(tensors(arrays), Objective()).accuracy.item() == 0.5
    masked = contrastive_loss(tensors(arrays), Objective(margin=0.0))
    assert masked.accuracy.item() == 1.0
    assert masked.left_out.item() == pytest.approx(1 / 6)  # forward (1 + 1) x 2 candidates, backward 1 x 2


# Refusals


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"form": "ful"}, "form is 'ful'; expected one of full, released"),
        ({"temperature": 0.0}, "temperature is 0.0; expected more than 0"),
        ({"temperature": math.nan}, "temperature is nan"),
        ({"margin": 3.0}, "margin is 3.0"),
        ({"dimensions": (0,)}, "dimensions are"),
        ({"dimensions": (8, 8)}, "each once"),
        ({"dimension_weights": (1.0,)}, "1 dimension_weights, 0 dimensions"),
        ({"dimensions": (8,), "dimension_weights": (-1.0,)}, "expected 0 or more"),
        ({"contrast_weight": math.inf}, "contrast_weight is inf"),
    ],
)
def test_options_out_of_range_are_refused(option, message):
    with pytest.raises(ConfigError, match=message):
        Objective(**option)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"measure": "js"}, "measure is 'js'; expected one of kl, mse"),
        ({"weight": -1.0}, "weight is -1.0"),
        ({"temperature": 0.0}, "temperature is 0.0"),
    ],
)
def test_distillation_out_of_range_is_refused(option, message):
    with pytest.raises(ConfigError, match=message):
        Distillation(**option)


def test_objective_reads_from_toml():
    table = {"form": "released", "dimensions": [4, 8], "distillation": {"measure": "mse", "weight": 2}}
    found = toml.make(Objective, table, "recipe.toml: [objective]")
    assert found == Objective("released", dimensions=(4, 8), distillation=Distillation("mse", 2.0))
    with pytest.raises(ConfigError, match=r"recipe.toml: .*margn.*margin"):
        toml.make(Objective, {"margn": 0.1}, "recipe.toml: [objective]")


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan])
def test_a_temperature_argument_of_zero_is_refused(temperature):
    with pytest.raises(ConfigError, match="temperature is"):
        contrastive_loss(tensors(drawn()), Objective(), temperature=temperature)
    with pytest.raises(ConfigError, match="temperature is"):
        log_temperature(temperature)


@pytest.mark.parametrize("shapes", [((2, 3), (2, 4), (0, 3)), ((2, 3), (1, 3), (0, 3)), ((0, 3), (0, 3), (0, 3))])
def test_vectors_that_do_not_fit_are_refused(shapes):
    with pytest.raises(InputError, match="expected"):
        BatchVectors(*(torch.zeros(shape) for shape in shapes))
    with pytest.raises(InputError, match="expected two axes"):
        BatchVectors(torch.zeros(3), torch.zeros(3), torch.zeros(0))


def test_identities_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match=r"labels has the shape \(2,\); expected \(3,\)"):
        known(**alone(3, 2), labels=[1, 2])
    with pytest.raises(InputError, match="negative_rows point beyond the batch; expected rows from 0 to 2"):
        known(**alone(3, 2) | {"negative_rows": [0, 3]})
    with pytest.raises(InputError, match="queries has numbers of torch.float64"):
        Identities(*(torch.zeros(1, dtype=torch.float64) for _ in range(4)))
    with pytest.raises(InputError, match=r"identities of \(3, 2\) rows and hard negatives; .* \(6, 5\)"):
        contrastive_loss(tensors(drawn()), Objective(), identities=known(**alone(3, 2)))


def test_what_an_objective_needs_is_asked_for():
    vectors = tensors(drawn())
    with pytest.raises(InputError, match="give identities"):
        contrastive_loss(vectors, NAMED["masked"])
    with pytest.raises(InputError, match="give teacher"):
        contrastive_loss(vectors, Objective(distillation=Distillation()))
    with pytest.raises(InputError, match="a teacher's vectors of 3 rows and 5 hard negatives; expected 6 and 5"):
        contrastive_loss(vectors, Objective(distillation=Distillation()), teacher=tensors(drawn(3)))
    with pytest.raises(ConfigError, match=r"dimensions are \(4, 16\), the vectors have 12"):
        contrastive_loss(vectors, Objective(dimensions=(4, 16)))


def test_named_objectives_cannot_be_changed():
    with pytest.raises(TypeError):
        NAMED["full"] = Objective()
    assert set(NAMED) == {"full", "released", "masked", "two_sided"}
