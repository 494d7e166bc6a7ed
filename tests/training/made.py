"""Mixtures made by the tests: datasets of pairs, labels and contrasts, in memory and on disk."""

from instructvec.medi.triplets import Side, Triplet, to_table
from instructvec.medi.writer import MixtureWriter
from instructvec.training.mixture import mixture_of


def row(
    dataset, query, positive, negative=None, *, kind="pair", rule="mined", instruction=None, group=None, label=None
):
    instruction = f"Represent the {dataset}: " if instruction is None else instruction
    other = None if negative is None else Side(instruction, negative)
    return Triplet(Side(instruction, query), Side(instruction, positive), other, dataset, kind, rule, group, label)


def pairs(dataset, n, *, rule="mined", kind="pair"):
    """Rows without a text in common, every third without a negative."""
    return [
        row(
            dataset,
            f"{dataset} query {at}",
            f"{dataset} positive {at} with a few more words"[: 20 + at % 30],
            None if at % 3 == 2 else f"{dataset} negative {at}",
            kind=kind,
            rule=rule,
        )
        for at in range(n)
    ]


def contrasts(a, b, n, *, kind="superni"):
    """``n`` groups of two rows, all of one dataset before those of the other, as builds have them."""
    texts = [[f"{a} {b} {name} {at}" for name in ("anchor", "one", "two")] for at in range(n)]
    of_a = [
        row(a, anchor, one, two, kind=kind, rule="other_goal", group=f"{a}|{b}|{at}")
        for at, (anchor, one, two) in enumerate(texts)
    ]
    of_b = [
        row(b, anchor, two, one, kind=kind, rule="other_goal", group=f"{a}|{b}|{at}")
        for at, (anchor, one, two) in enumerate(texts)
    ]
    return of_a + of_b


def usual():
    """Three datasets of 40, 25 and 10 rows, and two contrasts of 12 and 5 groups."""
    return [
        *pairs("big", 40),
        *pairs("mid", 25),
        *pairs("low", 10),
        *contrasts("x", "y", 12),
        *contrasts("y", "z", 5),
    ]


def usual_mixture(**options):
    return mixture_of(usual(), **options)


def write_mixture(folder, triplets, facts=(), shard_rows=7):
    """A mixture on disk: ``facts`` are the manifest's entries of datasets."""
    writer = MixtureWriter(folder, shard_rows)
    writer.add(to_table(triplets))
    writer.finish()
    writer.commit({"format_version": 1, "datasets": list(facts), "shards": writer.shards})
    return folder
