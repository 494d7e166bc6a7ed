"""A recipe, its data and what came of it -> the model card: a README.md that says what the model is and is not.

Knows Markdown and the hub's YAML head; nothing of weights. Whatever is not known is said to be unknown.
Source: Mitchell et al. 2019, "Model Cards for Model Reporting"; the hub's metadata keys.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from instructvec.checkpoints.spec import CheckpointSpec
from instructvec.extras import version_of
from instructvec.training.card_data import DataFacts, data_facts, data_section, rights_section
from instructvec.training.card_table import table
from instructvec.training.mixture import TrainingMixture
from instructvec.training.recipe import Recipe

BEFORE, AFTER = "before", "after"
"""Columns of scores between which the difference is shown too."""

_TAGS = ("sentence-transformers", "sentence-similarity", "feature-extraction", "instructvec", "instructions")
_VERSIONS = ("instructvec", "torch", "transformers", "accelerate", "peft")
_INSTRUCTION = "Represent the sentence for retrieving a duplicate sentence: "


def model_card(
    recipe: Recipe,
    spec: CheckpointSpec,
    mixture: TrainingMixture,
    *,
    steps: int,
    scores: Mapping[str, Mapping[str, float]] | None = None,
    measured: str = "",
) -> str:
    """The README.md of a trained model.

    Args:
        recipe: what was asked for.
        spec: the checkpoint that training started from, under the recipe's joining and limit.
        mixture: what was trained on.
        steps: that were taken.
        scores: column -> task -> score in percent; ``"before"`` and ``"after"`` are compared.
        measured: how the scores were found, as a sentence.

    Returns:
        Markdown with a YAML head, without a path of this machine.
    """
    data = data_facts(mixture)
    parts = (
        _head(recipe, spec, data),
        f"# {recipe.model.name or recipe.name}",
        recipe.description.strip(),
        _what_it_is(recipe, spec),
        _how_to_use(spec, data),
        _scores(scores or {}, measured),
        data_section(mixture, data),
        rights_section(data, _start(recipe), _licence_of_start(spec)),
        _how_trained(recipe, steps),
        _limits(recipe, spec, mixture),
    )
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(recipe: Recipe, spec: CheckpointSpec, data: DataFacts) -> str:
    """The YAML that the hub reads; strings of JSON are strings of YAML."""
    lines = [
        "---",
        "license: other",
        f"license_name: {json.dumps(data.licence_name)}",
        "library_name: sentence-transformers",
        "pipeline_tag: sentence-similarity",
        f"base_model: {json.dumps(_start(recipe))}",
        *_listed("tags", [*_TAGS, spec.architecture.model_type]),
        *_listed("datasets", [one.name for one in data.datasets]),
        "---",
    ]
    return "\n".join(lines)


def _listed(key: str, values: Sequence[str]) -> Iterator[str]:
    if values:
        yield f"{key}:"
        yield from (f"- {json.dumps(value, ensure_ascii=False)}" for value in values)


def _start(recipe: Recipe) -> str:
    """What training started from, by a name that says nothing of this machine."""
    path = Path(recipe.model.start)
    return path.name if path.is_absolute() else recipe.model.start


def _what_it_is(recipe: Recipe, spec: CheckpointSpec) -> str:
    pooled = "instruction and text" if spec.pooling.include_prompt else "the text's tokens, not the instruction's"
    if recipe.batches.instructions == "none":
        kind = "A text embedder trained without instructions, for comparison with those that read them."
    else:
        kind = "A text embedder that reads an instruction before each text: what the vector is for."
    family = f"{spec.architecture.model_type}, {spec.architecture.n_layers} layers"
    modes = ", ".join(spec.pooling.modes)
    return (
        f"{kind} Trained from `{_start(recipe)}` ({family}); vectors of {spec.dimension} dimensions; at most "
        f"{spec.max_seq_length} tokens with the instruction; pooled ({modes}) over {pooled}, joined by the rule "
        f"`{spec.joining}`."
    )


def _how_to_use(spec: CheckpointSpec, data: DataFacts) -> str:
    instruction = json.dumps(data.instruction or _INSTRUCTION, ensure_ascii=False)
    if spec.joining == "prompt":
        note = "Both give the same vectors."
    else:
        note = (
            f"sentence-transformers does not know the joining `{spec.joining}`: which special tokens are pooled "
            "differs, and so its vectors are near those of `Embedder`, not the same. Do not mix the two."
        )
    return f"""## How to use it

```python
from instructvec import Embedder

embedder = Embedder("path/to/this/directory")
vectors = embedder.encode(["a first text", "a second text"], {instruction})
print(embedder.similarity(vectors, vectors))
```

With sentence-transformers the instruction is the prompt:

```python
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("path/to/this/directory")
vectors = model.encode(["a first text", "a second text"], prompt={instruction})
```

{note}"""


def _scores(scores: Mapping[str, Mapping[str, float]], measured: str) -> str:
    if not any(scores.values()):
        return "## Scores\n\nNone were measured."
    columns = list(scores)
    tasks = list(dict.fromkeys(task for column in scores.values() for task in column))
    compared = BEFORE in scores and AFTER in scores
    rows = []
    for task in tasks:
        row = [task, *(_number(scores[column].get(task)) for column in columns)]
        if compared:
            before, after = scores[BEFORE].get(task), scores[AFTER].get(task)
            row.append("-" if before is None or after is None else f"{after - before:+.1f}")
        rows.append(row)
    head = ["task", *columns, *(["change"] if compared else [])]
    return "\n\n".join(part for part in ("## Scores", measured, table(head, rows, n_left=1)) if part)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _how_trained(recipe: Recipe, steps: int) -> str:
    versions = ", ".join(f"{name} {version}" for name in _VERSIONS if (version := version_of(name)))
    asked = "" if steps == recipe.optimizer.steps else f" of the {recipe.optimizer.steps:,} asked for"
    others = [f"`{Path(name).parent.name or name}`" for name in recipe.result.average_with]
    mean = f" The weights are the mean of these and of {', '.join(others)}." if others else ""
    return f"""## How it was trained

{steps:,} steps{asked} of {recipe.batches.batch_size:,} rows each; seed {recipe.seed}; with {versions}.{mean}
The whole recipe (digest `{recipe.digest}`), which `instructvec train` takes:

```toml
{recipe.to_toml(whole_paths=False).strip()}
```"""


def _limits(recipe: Recipe, spec: CheckpointSpec, mixture: TrainingMixture) -> str:
    if recipe.batches.instructions == "none":
        instructions = "It was not trained to follow instructions."
    else:
        instructions = (
            "It follows instructions of the kind it was trained with; others move its vectors less reliably."
        )
    points = [
        f"Longer texts are cut at {spec.max_seq_length} tokens.",
        instructions,
        "Vectors of other models, instructions or joinings must not be compared with its own.",
        "It has whatever faults and preferences its training texts have; none were looked for here.",
    ]
    check = mixture.manifest.check if mixture.manifest else None
    if check is None:
        points.append("Whether its training data holds texts of evaluation sets was not checked.")
    else:
        points.append(
            f"Of the training data's {check.texts:,} texts, {sum(check.hits.values()):,} are among the "
            f"{check.protected:,} of evaluation sets that it was checked against."
        )
    return "## Limits\n\n" + "\n".join(f"- {point}" for point in points)


def _licence_of_start(spec: CheckpointSpec) -> str | None:
    """What the head of the start's own card names."""
    file = spec.path / "README.md"
    if not file.is_file():
        return None
    text = file.read_text(encoding="utf-8", errors="replace")
    parts = re.split(r"^---\s*$", text, maxsplit=2, flags=re.MULTILINE) if text.startswith("---") else []
    found = re.search(r"^license:\s*['\"]?([\w.+-]+)", parts[1], re.MULTILINE) if len(parts) == 3 else None
    return found[1] if found else None
