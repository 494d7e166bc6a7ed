"""Reports as an evaluation writes them, with made-up figures: one of usual size, a partial one, and ones of any
size.
"""

from __future__ import annotations

import numpy as np

from instructvec.evaluation.comparison import Scored, by_kind, comparisons
from instructvec.evaluation.robustness import ranks, spread, summary
from instructvec.evaluation.suite import METRICS
from instructvec.tasks.maps.layout import map_points

TASKS = {
    "Banking77Classification": "classification",
    "EmotionClassification": "classification",
    "TweetSentimentExtractionClassification": "classification",
    "AmazonCounterfactualClassification": "classification",
    "CLINC150": "classification",
    "TRECQuestionType": "classification",
    "TwentyNewsgroupsClustering": "clustering",
    "StackOverflowShortText": "clustering",
    "SearchSnippets": "clustering",
    "TweetTopics89": "clustering",
    "MSRP": "pair_classification",
    "TRECQAReranking": "reranking",
    "SciFact": "retrieval",
    "CISI": "retrieval",
    **{f"STS{year}": "sts" for year in (12, 13, 14, 15, 16, 17)},
    "STSBenchmark": "sts",
    "SummEval": "summarization",
    "BillboardMSCOCO": "text_generation_evaluation",
    "BillboardCNNDM": "text_generation_evaluation",
    "PromptGeoQuery": "prompt_retrieval",
    "PromptSST5": "prompt_retrieval",
    "SynGoalEx": "following",
}
MODELS = (
    "bundled",
    "/home/someone/models/instructvec/runs/2026-11-20-medi-short/checkpoint-12000",
    "sentence-transformers/all-MiniLM-L6-v2@none",
)
LEVEL = {
    "classification": 66, "clustering": 52, "pair_classification": 83, "reranking": 76, "retrieval": 55, "sts": 78,
    "summarization": 30, "text_generation_evaluation": 34, "prompt_retrieval": 60, "following": 48,
    "instruction_retrieval": 40,
}  # fmt: skip
PARAPHRASES = [f"paraphrase {at}" for at in range(1, 6)]
ABLATIONS = {"none": -3.5, "tag": -1.8, "simple": -0.9, "placebo": -3.2, "wrong": -8.0}
GOALS = ("topic", "style", "language")
N_REPLICATES = 200


def full_report(models=MODELS, tasks=TASKS, *, seed=0, n_texts=240):
    """Every part, over any models and tasks (name -> kind)."""
    rng = np.random.default_rng(seed)
    scored = {model: {} for model in models}
    results = {model: {} for model in models}
    for task, kind in tasks.items():
        level = LEVEL[kind] + rng.normal(0, 8)
        noise = rng.normal(0, 1.4, N_REPLICATES)
        for at, model in enumerate(models):
            score = float(np.clip(level - 1.4 * at + rng.normal(0, 1.5), 2, 98))
            replicates = score + noise + rng.normal(0, 0.5, N_REPLICATES)
            scored[model][task] = Scored(kind, score, replicates)
            results[model][task] = result(kind, score, replicates, task, instructed(model), rng)
    by_label = {
        model: {
            task: {label: row["score"] for label, row in one["by_wording"].items()} for task, one in found.items()
        }
        for model, found in results.items()
    }
    spreads = {
        model: summary([one["spread"] for one in found.values() if one["spread"]])
        for model, found in results.items()
    }
    following = {
        model: {
            task: following_result(at, instructed(model), rng)
            for task, kind in tasks.items()
            if kind == "following"
        }
        for at, model in enumerate(models)
    }
    return {
        "format_version": 1,
        "suite": {"name": "open", "description": "Tasks whose data anyone can fetch, a few of every kind."},
        "date": "2026-11-25",
        "command": "instructvec evaluate --suite open --data DATA --models " + " ".join(models) + " --out report",
        "machine": "2 cores, 8 GB, Linux x86_64",
        "versions": {"instructvec": "0.1.0", "python": "3.11.9", "numpy": "2.4.6", "scikit-learn": "1.9.1"},
        "seed": 42, "half": "all", "limit": None, "n_resamples": 1000, "reword": "queries",
        "complete": True, "errors": [],
        "notes": ["TRECQAReranking leaves out 12 queries without a good candidate."],
        "models": [model_row(model) for model in models],
        "tasks": [task_row(task, kind) for task, kind in tasks.items()],
        "results": results,
        "kinds": by_kind(scored),
        "comparisons": comparisons(scored),
        "ranks": ranks(by_label),
        "robustness": {model: one for model, one in spreads.items() if one},
        "following": {model: one for model, one in following.items() if one},
        "map": point_map(models[0], rng, n_texts) if n_texts else None,
    }  # fmt: skip


def partial_report():
    """One model on two tasks, one of which failed, over a part of the data; nothing on wording or following."""
    score, kind = 61.25, "sts"
    replicates = np.random.default_rng(0).normal(score, 1.0, N_REPLICATES)
    only = {
        "instruction": {"instruction": "Represent the sentence: ", "document_instruction": None, "score": score}
    }
    scored = {"bundled": {"STSBenchmark": Scored(kind, score, replicates)}}
    return {
        "format_version": 1,
        "suite": {"name": "mine", "description": ""},
        "date": "2026-11-25",
        "command": "instructvec evaluate --suite mine.toml --data DATA --limit 200 --out report",
        "seed": 42,
        "limit": 200,
        "n_resamples": 1000,
        "complete": False,
        "errors": [
            {
                "model": "",
                "task": "SciFact",
                "message": "DATA/SciFact/queries.jsonl, line 17: no field 'text'; expected _id and text",
            }
        ],
        "models": [model_row("bundled")],
        "tasks": [task_row("STSBenchmark", "sts"), task_row("SciFact", "retrieval")],
        "results": {
            "bundled": {
                "STSBenchmark": result(kind, score, replicates, "STSBenchmark", False, np.random.default_rng(1))
                | {"by_wording": only, "spread": None}
            }
        },
        "kinds": by_kind(scored),
        "comparisons": [],
        "following": {},
        "map": None,
    }


def instructed(model):
    return not model.endswith("@none")


def model_row(model):
    return {
        "name": model, "fingerprint": "9f86d081884c7d659a2feaa0c55ad015", "dimension": 384, "max_seq_length": 512,
        "backend": "onnx", "dtype": "int8", "instructed": instructed(model),
    }  # fmt: skip


def task_row(task, kind):
    two_sided = kind in ("retrieval", "reranking")
    return {
        "name": task, "kind": kind, "metric": METRICS[kind][0], "licence": "CC-BY-SA 4.0",
        "source": f"https://example.org/{task.lower()}",
        "note": "17 systems, MTEB has 16" if task == "SummEval" else "",
        "n_units": 1379, "instruction": f"Represent the text of {task} for its purpose: ",
        "document_instruction": "Represent the document for retrieval: " if two_sided else None,
    }  # fmt: skip


def result(kind, score, replicates, task, with_wordings, rng):
    wordings = {"instruction": score}
    if with_wordings:
        width = rng.uniform(0.3, 1.6)
        wordings |= {label: score + float(rng.normal(-0.4, width)) for label in PARAPHRASES}
        wordings |= {label: score + float(rng.normal(change, 1.2)) for label, change in ABLATIONS.items()}
    said = {
        label: "" if label == "none" else f"Represent the text of {task} as {label} asks: " for label in wordings
    }
    return {
        "kind": kind, "metric": METRICS[kind][0], "score": score,
        "interval": [float(end) for end in np.quantile(replicates, [0.025, 0.975])],
        "by_instruction": {said[label]: value for label, value in wordings.items()},
        "by_wording": {
            label: {"instruction": said[label], "document_instruction": None, "score": value}
            for label, value in wordings.items()
        },
        "spread": spread(wordings), "metrics": {METRICS[kind][0]: score}, "n_units": 1379,
    }  # fmt: skip


def following_result(at, follows, rng):
    def matrix(high, low):
        return {
            goal: {
                asked: float(
                    np.clip((high if follows and goal == asked else low) - 6 * at + rng.normal(0, 4), 0, 100)
                )
                for asked in GOALS
            }
            for goal in GOALS
        }

    return {
        "goals": list(GOALS), "v_measure": matrix(81, 24), "accuracy": matrix(93, 62),
        "sensitivity": {"within": 0.041, "between": 0.187, "ratio": 4.56} if follows else None,
        "instructions": {goal: f"Represent the text for clustering by {goal}: " for goal in GOALS},
    }  # fmt: skip


def point_map(model, rng, n_texts):
    topics, styles = rng.integers(0, 4, n_texts), rng.integers(0, 4, n_texts)
    centres = rng.normal(0, 1, (2, 4, 16))
    noise = rng.normal(0, 0.45, (n_texts, 16))
    vectors = {
        "topic": centres[0][topics] + 0.3 * centres[1][styles] + noise,
        "style": centres[1][styles] + 0.3 * centres[0][topics] + noise,
    }
    topic_names, style_names = ("cooking", "law", "sailing", "weather"), ("formal", "headline", "rhyme", "slang")
    return {
        "task": "SynGoalEx", "model": model, "goals": ["topic", "style"],
        "instructions": {goal: f"Represent the text for clustering by {goal}: " for goal in ("topic", "style")},
        "texts": [
            f"Text number {at} on {topic_names[topics[at]]}, said as {style_names[styles[at]]}." * 2
            for at in range(n_texts)
        ],
        "labels": {"topic": [topic_names[at] for at in topics], "style": [style_names[at] for at in styles]},
        "points": map_points(vectors),
    }  # fmt: skip
