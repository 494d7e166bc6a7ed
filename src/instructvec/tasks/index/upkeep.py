"""An index after a change -> the same without what is deleted, and with the graph it shall have.

Knows how many rows make what worth while; nothing of how rows are found or written.
"""

from __future__ import annotations

from dataclasses import replace

from instructvec.tasks.index.folder import Contents
from instructvec.tasks.index.graph import Graph

EXACT_COMPONENTS = 25_000_000
"""Up to so many numbers in all vectors (65,000 of 384 dimensions) ``approximate="auto"`` searches exactly, which
takes about 10 ms a query on one core there; measured by ``benchmarks/index.py``."""

TAIL_ROWS, TAIL_SHARE = 10_000, 0.1
"""Rows behind the graph, and their share of those in it, that are searched exactly until the graph is extended."""
DELETED_SHARE = 0.3
"""Of all rows; where more are deleted, all others are packed and numbered anew."""


def settled(contents: Contents) -> Contents:
    """Without the rows that are deleted, where they are many, and with a graph where search shall have one."""
    rows = contents.rows
    if rows.n_deleted > DELETED_SHARE * len(rows):
        rows = rows.packed()
        contents = replace(contents, rows=rows, graph=None, graph_file="", words=None, words_file="")
    graph = contents.graph
    if not _wants_graph(contents):
        return replace(contents, graph=None, graph_file="")
    if graph is None:
        return replace(contents, graph=Graph.over(rows.vectors_from(0)), graph_file="")
    if len(rows) - len(graph) > max(TAIL_ROWS, TAIL_SHARE * len(graph)):
        return replace(contents, graph=graph.extended(rows.vectors_from(len(graph))), graph_file="")
    return contents


def _wants_graph(contents: Contents) -> bool:
    n_rows, settings = len(contents.rows), contents.settings
    if settings.approximate == "auto":
        return n_rows * settings.contract.dimension > EXACT_COMPONENTS
    return n_rows > 0 and settings.approximate is True
