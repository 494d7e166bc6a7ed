"""``instructvec cluster``: files of texts -> the same rows with the cluster of each.

Knows options and messages; the work is ``tasks/clustering.py``'s.
"""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from instructvec.cli.columns import (
    add_column_options,
    check_new_columns,
    gold_of,
    shortened,
    with_columns,
)
from instructvec.cli.inputs import (
    Loaded,
    add_input_options,
    add_output_option,
    load,
    shown_instruction,
    tell,
    with_vectors,
)
from instructvec.cli.options import new_parser, positive
from instructvec.page.markup import counted
from instructvec.tasks.instructions import CLUSTER

if TYPE_CHECKING:
    from instructvec.tasks.clustering import Clusters
    from instructvec.tasks.vectors import Embedded

COLUMNS = ("cluster", "cluster_name")
ALGORITHMS = ("kmeans", "minibatch_kmeans", "agglomerative", "hdbscan")

_SHOWN_CHARACTERS = 60
_EXAMPLES = """\
  instructvec cluster reviews.csv -o out.csv --instruction "Represent the review for clustering by product: "
  instructvec cluster reviews.csv -o out.csv --instruction "Represent the review for clustering by feeling: "
  instructvec cluster notes.txt -o out.jsonl --clusters 12 --algorithm agglomerative --json
  instructvec cluster vectors.parquet -o out.parquet --algorithm hdbscan --min-cluster-size 10"""


def parser() -> argparse.ArgumentParser:
    """The arguments of the command."""
    parser = new_parser("cluster", "Group texts that are about the same, and name the groups.", _EXAMPLES)
    add_input_options(parser, instruction=CLUSTER)
    add_output_option(parser)
    clusters = parser.add_argument_group("clusters")
    clusters.add_argument(
        "--clusters", type=positive, metavar="K", help="how many (default: chosen by silhouette, and told)"
    )
    clusters.add_argument(
        "--algorithm", choices=ALGORITHMS, default="kmeans",
        help="agglomerative takes up to 15,000 texts; hdbscan up to 50,000, leaving some out (default: kmeans)",
    )  # fmt: skip
    clusters.add_argument(
        "--min-cluster-size",
        type=positive,
        metavar="N",
        help="of hdbscan: fewer are no cluster (default: 5)",
    )
    clusters.add_argument("--seed", type=int, default=42, metavar="N", help="of every draw (default: 42)")
    add_column_options(parser, "the v-measure")
    return parser


def run(arguments: argparse.Namespace) -> None:
    """Cluster, write the table, report."""
    from instructvec.corpus.table_files import table_writer, write_table
    from instructvec.tasks.clustering import check_options, cluster
    from instructvec.tasks.label_scores import v_measure_of

    table_writer(arguments.output)
    loaded = load(arguments)
    check_new_columns(loaded, arguments.prefix, *COLUMNS)
    gold = None if arguments.gold_column is None else gold_of(loaded, arguments.gold_column)
    check_options(len(loaded), arguments.clusters, arguments.algorithm, arguments.min_cluster_size)
    embedded = with_vectors(loaded, arguments, CLUSTER)
    found = cluster(
        embedded,
        n_clusters=arguments.clusters,
        algorithm=arguments.algorithm,
        seed=arguments.seed,
        min_cluster_size=arguments.min_cluster_size,
    )
    write_table(with_columns(loaded.columns, _columns(found, arguments.prefix)), arguments.output)
    score = None if gold is None else v_measure_of(gold[1], found.labels[gold[0]])
    _report(found, embedded, loaded, score, arguments)


def _columns(found: Clusters, prefix: str) -> dict[str, Any]:
    import pyarrow as pa

    names = [found.clusters[number].name if number >= 0 else None for number in found.labels.tolist()]
    return {f"{prefix}cluster": pa.array(found.labels), f"{prefix}cluster_name": pa.array(names, pa.string())}


def _report(
    found: Clusters, embedded: Embedded, loaded: Loaded, score: float | None, arguments: argparse.Namespace
) -> None:
    skipped = [f"left out without text: {counted(loaded.n_rejected, 'row')}"] if loaded.n_rejected else []
    tell(
        f"{arguments.output}: {counted(len(loaded), 'row')} in {counted(len(found), 'cluster')}",
        *skipped,
        shown_instruction(embedded, arguments.instruction),
        *found.notes,
        quiet=arguments.quiet,
    )
    if arguments.json:
        print(json.dumps(_result(found, loaded, score, arguments), ensure_ascii=False))
        return
    lines = [] if arguments.quiet else _table(found)
    if score is not None:
        lines.append(f"v-measure {score:.1%}" + (", no cluster counted as one more" if found.n_noise else ""))
    if lines:
        print("\n".join(lines))


def _table(found: Clusters) -> list[str]:
    """A line a cluster: number, size, name, and the text nearest to its centre."""
    names = [shortened(one.name, _SHOWN_CHARACTERS) for one in found.clusters]
    width = max(map(len, ["name", *names]))
    lines = [f"{'cluster':>7}  {'texts':>7}  {'name':<{width}}  central text"]
    for one, name in zip(found.clusters, names, strict=True):
        text = shortened(one.central_texts[0], _SHOWN_CHARACTERS) if one.central_texts else ""
        lines.append(f"{one.number:>7}  {one.size:>7,}  {name:<{width}}  {text}".rstrip())
    if found.n_noise:
        lines.append(f"{'-1':>7}  {found.n_noise:>7,}  (in no cluster)")
    return lines


def _result(found: Clusters, loaded: Loaded, score: float | None, arguments: argparse.Namespace) -> dict[str, Any]:
    return {
        "out": str(arguments.output),
        "rows": len(loaded),
        "rejected": loaded.n_rejected,
        "algorithm": found.algorithm,
        "clusters": [
            {
                "cluster": one.number,
                "size": one.size,
                "name": one.name,
                "terms": list(one.terms),
                "central_texts": list(one.central_texts),
                "cohesion": round(one.cohesion, 6),
            }
            for one in found.clusters
        ],
        "noise": found.n_noise,
        "silhouettes": [{"clusters": count, "silhouette": round(value, 6)} for count, value in found.silhouettes],
        "notes": list(found.notes),
        "v_measure": score,
        "contract": json.loads(found.contract.to_json()),
    }
