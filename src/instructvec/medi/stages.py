"""The stages of a build, each dataset's result kept under what it was made from.

    prepare ──> rows ── duplicates ──> kept rows ─┬─ mine ──> triplets ──┐
                                                  ├─ contrast ──> rows ──┤
                                                  ├─ labels ────> rows ──┤
                                                  └─ forms ─────> rows ──┴─ mix ──> shards, manifest

Knows the order of the stages and the keys; what they do is in their modules. Every table is kept under a key made
of all that decides it: a changed file, option or model makes anew just what depends on it.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from instructvec.corpus.cache import contract_key, digest
from instructvec.errors import InputError
from instructvec.medi.choosing import Input
from instructvec.medi.config import BuildConfig
from instructvec.medi.contrasts import Side, contrast, may_contrast, text_ids
from instructvec.medi.decontaminate import Protected
from instructvec.medi.describe import Contrasted, Taken, described, left_out, nothing_found
from instructvec.medi.duplicates import RowDuplicates, Unique
from instructvec.medi.form_rows import REVISION as FORM_REVISION
from instructvec.medi.form_rows import draw_texts, form_rows
from instructvec.medi.formats import write_medi_json
from instructvec.medi.forms import read_forms
from instructvec.medi.label_rows import GOAL, label_rows
from instructvec.medi.label_rows import REVISION as LABEL_REVISION
from instructvec.medi.mine import mine
from instructvec.medi.mining import SharedTexts, shared_texts
from instructvec.medi.mix import WrongInstructions, allocate, finished, generator, weights
from instructvec.medi.overlap_check import independent_check
from instructvec.medi.prepare import prepare
from instructvec.medi.problems import Problems
from instructvec.medi.protected import evaluation_sets, protected_texts
from instructvec.medi.sources.find import files_below, identity
from instructvec.medi.vectors import TextVectors
from instructvec.medi.work import Kept, Work
from instructvec.medi.writer import MixtureWriter

if TYPE_CHECKING:
    import pyarrow as pa

REVISION = 1
"""Raised whenever the same inputs give other rows than before, so that kept tables are made anew."""
MIN_SHARED = 50
"""Texts that two datasets share at least to be contrasted."""
MEDI_JSON = "medi-data.json"


class Progress(Protocol):
    """Told how far a build is."""

    def stage(self, name: str, total: int) -> None:
        """A stage begins, with so many steps."""

    def step(self, what: str) -> None:
        """A step of it is done."""

    def encoded(self, texts: Sequence[str], known: bool) -> None:
        """Vectors of texts are made, or were there already."""


class Silent:
    """Tells nobody."""

    def stage(self, name: str, total: int) -> None:
        """Nothing."""

    def step(self, what: str) -> None:
        """Nothing."""

    def encoded(self, texts: Sequence[str], known: bool) -> None:
        """Nothing."""


class Stages:
    """One run through the stages."""

    def __init__(
        self,
        config: BuildConfig,
        inputs: Sequence[Input],
        vectors: TextVectors,
        problems: Problems,
        progress: Progress,
    ) -> None:
        self.config = config
        self.work = Work(config.working_folder)
        self._vectors = vectors
        self._progress = progress
        self._contract = contract_key(vectors.contract)
        self._against = [[path.resolve().name, identity(files_below(path))] for path in config.against]
        self.datasets = [Taken(one, self._rows_key(one)) for one in inputs]
        self.left_out = left_out(problems)
        self._forms = read_forms(config.form_files).chosen(one.entry for one in self.datasets)
        places: dict[str, Any] = {"data": (), "registries": (), "form_files": (), "against": ()}
        options = asdict(replace(config, out=Path("out"), cache=None, **places))
        entries = [replace(one.entry, origin="", folder=None) for one in self.datasets]
        self.job = digest(
            [REVISION, _plain(options), self._contract, self._against]
            + [FORM_REVISION, LABEL_REVISION, self._forms]
            + [[_plain(asdict(entry)), one.rows_key] for entry, one in zip(entries, self.datasets, strict=True)]
            + [[one["name"], one["reasons"]] for one in self.left_out]
        )

    @cached_property
    def _protected(self) -> Protected | None:
        """What must not be in the mixture; read when the first rows are."""
        if not self.config.against:
            return None
        sets = [(path, one) for path in self.config.against for one in evaluation_sets(path)]
        return Protected((_set_name(path, one.name), found.text) for path, one in sets for found in one.texts())

    def run(self) -> dict[str, Any]:
        """All stages."""
        # The writer comes first: what is in its way, or was left by a killed build, shows before hours of work.
        writer = MixtureWriter(self.config.out, self.config.shard_rows)
        try:
            self._prepare()
            self._leave_out_duplicates()
            self._mine()
            contrasts = self._contrast()
            of_labels, alone = self._contrast_labels()
            return self._mix([*contrasts, *of_labels], alone, self._contrast_forms(), writer)
        except BaseException:
            shutil.rmtree(writer.folder, ignore_errors=True)
            raise

    # Stage 1: rows.

    def _rows_key(self, one: Input) -> str:
        config, source = self.config, one.entry.source
        limit = config.hub_rows if source.hub is not None else None
        what = [one.identity, _plain(asdict(source)), one.entry.kind, limit, config.seed if limit else None]
        return digest([REVISION, what, _plain(asdict(config.filters)), self._against, config.strict])

    def _prepare(self) -> None:
        self._progress.stage("reading", len(self.datasets))
        for one in self.datasets:
            one.facts = self.work.facts("rows", one.entry.name, one.rows_key) or self._read(one).facts
            self._progress.step(one.entry.name)

    def _read(self, one: Taken) -> Kept:
        """The rows of a dataset from its files."""
        made = prepare(
            one.entry,
            one.given.paths,
            self.config.filters,
            self._protected,
            Problems(strict=self.config.strict),  # its own: what is kept must not depend on the registry's
            limit=self.config.hub_rows,
            seed=self.config.seed,
        )
        if one.entry.source.hub is not None and "broken_file" in made.facts["dropped"]:
            return Kept(made.table, made.facts)  # not kept on disk: the network may be back next time
        return self.work.save("rows", one.entry.name, one.rows_key, made.table, made.facts)

    def _all_rows(self, one: Taken) -> pa.Table:
        return (self.work.load("rows", one.entry.name, one.rows_key) or self._read(one)).table

    # Stage 2: duplicates.

    def _leave_out_duplicates(self) -> None:
        key = digest(
            [REVISION, [[one.entry.name, one.rows_key] for one in self.datasets], self.config.near_duplicates]
        )
        known = self.work.load("duplicates", "kept", key)
        if known is None:
            known = self._found_duplicates(key)
        keep = known.table.column("keep").to_numpy(zero_copy_only=False)
        start = 0
        for one, (n_rows, dropped) in zip(self.datasets, known.facts["datasets"], strict=True):
            one.keep = keep[start : start + n_rows]
            one.facts = {**one.facts, "dropped": {**one.facts["dropped"], **dropped}}
            start += n_rows

    def _found_duplicates(self, key: str) -> Kept:
        import pyarrow as pa

        self._progress.stage("duplicates", len(self.datasets))
        finder = RowDuplicates(self.config.near_duplicates)
        found: dict[str, Unique] = {}
        # Of the same pair in two datasets, the one that brings its own negatives is worth more.
        for one in sorted(self.datasets, key=lambda one: one.entry.kind != "triplet"):
            table = self._all_rows(one)
            sides = (table.column(name).to_pylist() for name in ("first", "second"))
            found[one.entry.name] = finder.of(one.entry.kind, *sides)
            self._progress.step(one.entry.name)
        ordered = [found[one.entry.name] for one in self.datasets]
        table = pa.table({"keep": np.concatenate([np.zeros(0, np.bool_), *(one.keep for one in ordered)])})
        facts = {"datasets": [[len(one.keep), one.dropped] for one in ordered]}
        return self.work.save("duplicates", "kept", key, table, facts)

    def _rows(self, one: Taken) -> pa.Table:
        """The rows that mining looks at: what is kept, or a draw of it."""
        rows = self._all_rows(one).filter(one.keep)
        pool = self.config.pool
        if pool is None or rows.num_rows <= pool:
            return rows
        rng = generator(self.config.seed, one.entry.name, "pool")
        return rows.take(np.sort(rng.choice(rows.num_rows, pool, replace=False)))

    def _which_rows(self, one: Taken) -> tuple[str, list[int] | None]:
        """What decides which rows of a dataset mining looks at, but for what it has."""
        pool = self.config.pool
        drawn = [pool, self.config.seed] if pool is not None and one.keep.sum() > pool else None
        return digest([len(one.keep), np.packbits(one.keep).tobytes().hex()]), drawn

    # Stage 3: triplets.

    def _mine(self) -> None:
        self._progress.stage("mining", len(self.datasets))
        options = _plain(asdict(replace(self.config.mining, pool=None, other_goal=0, wrong_instruction=0)))
        for one in self.datasets:
            kept, drawn = self._which_rows(one)
            what = [one.rows_key, kept, one.entry.symmetric, options, drawn]
            one.mined_key = digest([REVISION, what, self._contract])
            one.mined = self.work.facts("triplets", one.entry.name, one.mined_key) or self._find(one).facts
            one.n_triplets = one.mined["rows"]
            self._progress.step(one.entry.name)
        if not any(one.n_triplets for one in self.datasets):
            raise InputError(nothing_found(self.datasets))

    def _find(self, one: Taken) -> Kept:
        """The triplets of a dataset from its rows."""
        found = mine(one.entry, self._rows(one), self._vectors, self.config.mining)
        facts = {**found.facts, "rows": found.table.num_rows}
        return self.work.save("triplets", one.entry.name, one.mined_key, found.table, facts)

    def _triplets(self, one: Taken) -> pa.Table:
        return (self.work.load("triplets", one.entry.name, one.mined_key) or self._find(one)).table

    # Stage 4: same text, other goal.

    def _contrast(self) -> list[Contrasted]:
        limit = self.config.mining.other_goal
        if not limit:
            return []
        by_name = {one.entry.name: one for one in self.datasets}
        self._progress.stage("same text, other goal", len(by_name))
        ids = {}
        for name, one in by_name.items():
            ids[name] = text_ids(self._rows(one))
            self._progress.step(name)
        pairs = [
            shared
            for shared in shared_texts(ids, min_shared=MIN_SHARED)
            if by_name[shared.dataset_a].n_triplets
            and by_name[shared.dataset_b].n_triplets
            and may_contrast(by_name[shared.dataset_a].entry, by_name[shared.dataset_b].entry)
        ]
        self._progress.stage("contrasts", len(pairs))
        found = []
        for shared in pairs:
            a, b = by_name[shared.dataset_a], by_name[shared.dataset_b]
            made = self._contrast_of(a, b, shared, limit)
            if made.table.num_rows:
                found.append(Contrasted(a.entry.name, b.entry.name, made.table, made.facts))
            self._progress.step(f"{shared.dataset_a}, {shared.dataset_b}")
        return found

    def _contrast_of(self, a: Taken, b: Taken, shared: SharedTexts, limit: int) -> Kept:
        """The rows of both sides under drawn wordings, kept on disk."""
        import pyarrow as pa

        names = (a.entry.name, b.entry.name)
        wordings = [[one.entry.query, one.entry.document] for one in (a, b)]
        key = digest([REVISION, a.mined_key, b.mined_key, limit, self.config.seed, self._share, wordings])
        name = f"{a.entry.name}+{b.entry.name}"
        known = self.work.load("contrasts", name, key)
        if known is not None:
            return known
        sides = [Side(one.entry, self._rows(one), self._triplets(one)) for one in (a, b)]
        rng = generator(self.config.seed, *names, "contrast")
        made = contrast(sides[0], sides[1], shared, self._vectors, limit=limit, rng=rng)
        tables = [
            finished(one.entry, table, np.arange(table.num_rows), self._share, rng)
            for one, table in ((a, made.a), (b, made.b))
        ]
        return self.work.save("contrasts", name, key, pa.concat_tables(tables), made.facts)

    @property
    def _share(self) -> float:
        return self.config.mixture.paraphrases

    # Stage 5: same text, label or subject.

    def _contrast_labels(self) -> tuple[list[Contrasted], dict[str, pa.Table]]:
        """The groups of each labelled dataset, and its rows of the subject alone, as far as they are asked for."""
        options = self.config.labels
        found: list[Contrasted] = []
        alone: dict[str, pa.Table] = {}
        if not (options.texts and options.groups):
            return found, alone
        labelled = [one for one in self.datasets if one.n_triplets and one.mined["rule"] in ("labelled", "class")]
        if labelled:
            self._progress.stage("labels", len(labelled))
        for one in labelled:
            made = self._label_rows(one)
            name, n = one.entry.name, 2 * made.facts["groups"]
            groups, rest = made.table.slice(0, n), made.table.slice(n)
            if groups.num_rows:
                found.append(Contrasted(name, GOAL, groups, {**made.facts, "shared": made.facts["texts"]}))
            if rest.num_rows:
                alone[name] = rest
            self._progress.step(name)
        return found, alone

    def _label_rows(self, one: Taken) -> Kept:
        """The rows of a labelled dataset, groups first, kept on disk."""
        import pyarrow as pa

        options, seed, share = self.config.labels, self.config.seed, self._share
        goals, purposes = self._forms.goals, self._purposes
        what = [one.rows_key, *self._which_rows(one), one.entry.query, _plain(asdict(options))]
        what += [goals[GOAL], purposes]
        key = digest([REVISION, LABEL_REVISION, what, seed, share, self._contract])
        known = self.work.load("labels", one.entry.name, key)
        if known is not None:
            return known
        made = label_rows(
            one.entry, self._rows(one), self._vectors, goals, options, purposes=purposes, share=share, seed=seed
        )
        return self.work.save(
            "labels", one.entry.name, key, pa.concat_tables([made.groups, made.alone]), made.facts
        )

    @cached_property
    def _purposes(self) -> list[str]:
        """Instructions under which texts match by what they say: those of the datasets of two different sides."""
        entries = [one.entry for one in self.datasets if not one.entry.symmetric]
        return sorted({said for entry in entries for side in (entry.query, entry.document) for said in side.all})

    # Stage 6: same text, form or subject.

    def _contrast_forms(self) -> Kept | None:
        """The rows of texts of many forms; ``None`` where none are asked for."""
        options = self.config.forms
        if not (options.texts and options.groups):
            return None
        used = {place.dataset for place in self._forms.places}
        by_name = {one.entry.name: one for one in self.datasets if one.entry.name in used}
        rows = [[name, one.rows_key, *self._which_rows(one)] for name, one in by_name.items()]
        goals, places, _ = self._forms
        seed, share = self.config.seed, self._share
        key = digest(
            [REVISION, FORM_REVISION, rows, goals, places, _plain(asdict(options)), seed, share, self._contract]
        )
        if used:
            self._progress.stage("forms", len(used))
        known = self.work.load("forms", "+".join(goals), key)
        if known is None:
            texts = draw_texts(places, lambda name: self._rows(by_name[name]), options, seed=seed)
            made = form_rows(texts, self._vectors, goals, options, share=share, seed=seed)
            known = self.work.save("forms", "+".join(goals), key, made.table, made.facts)
        for name in by_name:
            self._progress.step(name)
        return known

    # Stage 7: the mixture.

    def _mix(
        self,
        contrasts: Sequence[Contrasted],
        alone: Mapping[str, pa.Table],
        forms: Kept | None,
        writer: MixtureWriter,
    ) -> dict[str, Any]:
        counts = allocate({one.entry.name: one.n_triplets for one in self.datasets}, self.config.mixture)
        n_alone = sum(table.num_rows for table in alone.values())
        weight_of = weights({**counts, GOAL: n_alone}, self.config.mixture)
        wrong = WrongInstructions([one.entry for one in self.datasets], self._vectors)
        rules: Counter[tuple[str, str]] = Counter()

        def add(table: pa.Table) -> None:
            names, own = (table.column(name).to_pylist() for name in ("dataset", "rule"))
            rules.update(zip(names, own, strict=True))
            writer.add(table)

        self._progress.stage("mixing", len(self.datasets) + 1)
        for at, taken in enumerate(self.datasets):
            add(self._of_dataset(taken, counts[taken.entry.name], wrong, at))
            self._progress.step(taken.entry.name)
        if forms is not None and forms.table.num_rows:
            facts = {"shared": sum(forms.facts["forms"].values())}
            contrasts = [*contrasts, Contrasted("form", "subject", forms.table, facts)]
        for pair in contrasts:
            add(pair.table)
        for table in alone.values():
            add(table)
        writer.finish()
        check = self._check(writer)
        self._progress.step("check")
        original = None
        if self.config.medi_json:
            written = write_medi_json(writer.triplets(), writer.folder / MEDI_JSON)
            original = {
                "rows": written.n_rows,
                "without_negative": written.n_without_negative,
                "other_instructions": written.n_other_instructions,
            }
        manifest = described(
            self.config,
            self.datasets,
            contrasts,
            self.left_out,
            alone=list(alone),
            forms=None if forms is None else {**forms.facts, "absent": self._forms.absent},
            goals=self._forms.goals,
            job=self.job,
            contract=self._contract,
            rules=rules,
            weights=weight_of,
            protected=self._protected_facts(),
            check=check,
            shards=writer.shards,
            original=original,
        )
        writer.commit(manifest)
        return manifest

    def _of_dataset(self, one: Taken, n: int, wrong: WrongInstructions, at: int) -> pa.Table:
        """Rows of one dataset, n of its triplets and some of them again under a wrong instruction."""
        import pyarrow as pa

        rng = generator(self.config.seed, one.entry.name, "mixture")
        triplets = self._triplets(one)
        rows = rng.permutation(triplets.num_rows)
        has_none = triplets.column("negative").is_null().to_numpy()[rows]
        rows = rows[np.argsort(has_none, kind="stable")][:n]  # under a cap, rows with a negative come first
        table = finished(one.entry, triplets, rng.permutation(rows), self._share, rng)
        contrary = wrong.of(at, table, self.config.mining.wrong_instruction, rng)
        return pa.concat_tables([table, contrary])

    def _check(self, writer: MixtureWriter) -> dict[str, Any] | None:
        """What the finished rows share with the evaluation, found by other code than what left it out."""
        if not self.config.against:
            return None
        protected = (found for path in self.config.against for found in protected_texts(path))
        found = independent_check(writer.texts(), protected)
        return {
            "texts": found.n_texts,
            "protected": found.n_protected,
            "exact": found.exact,
            "normalised": found.normalised,
            "n-gram": found.n_gram,
            "examples": [": ".join(one) for one in found.examples],
        }

    def _protected_facts(self) -> list[dict[str, Any]]:
        """What was guarded, and how often rows hit it."""
        hits: dict[str, Counter[str]] = {}
        for one in self.datasets:
            for source, by_reason in one.facts["hits"].items():
                hits.setdefault(source, Counter()).update(by_reason)
        names = dict.fromkeys(
            _set_name(path, one.name) for path in self.config.against for one in evaluation_sets(path)
        )
        return [
            {
                "name": name,
                "texts": self._protected.n_texts[name] if self._protected else 0,
                "hits": hits.get(name, {}),
            }
            for name in names
        ]


def _set_name(path: Path, name: str) -> str:
    return name if path.is_file() or path.resolve().name == name else f"{path.resolve().name}/{name}"


def _plain(value: Any) -> Any:
    """Options as JSON has them."""
    return json.loads(json.dumps(value, default=str, sort_keys=True))
