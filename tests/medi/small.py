"""A few small datasets of every kind, as files in their own formats, and the registry that describes them."""

import csv
import io
import json
from dataclasses import replace
from itertools import product

from instructvec.medi.config import BuildConfig, Choice, LabelOptions, MiningOptions, Mixture

TOPICS = {"food": ["soup", "bread", "cook", "plate"], "stay": ["room", "bed", "lift", "towel"]}
MOODS = {"glad": ["lovely", "warm", "kind", "fresh"], "cross": ["dirty", "rude", "stale", "broken"]}
DAYS = ["monday", "tuesday", "friday", "sunday"]
VERBS = ["open", "close", "change", "share", "print"]
THINGS = ["account", "invoice", "calendar", "password", "photo"]


def reviews():
    """(text, topic, mood): every text has a label of either kind; 64 of them."""
    for topic, mood, at, day in product(TOPICS, MOODS, range(4), range(4)):
        nouns, words = TOPICS[topic], MOODS[mood]
        text = (
            f"the {nouns[at]} and the {nouns[at - 1]} were {words[day]} and {words[day - 1]} on {DAYS[at - day]}"
        )
        yield text, topic, mood


def questions():
    """(question, answer), 25 of them."""
    for verb, thing in product(VERBS, THINGS):
        yield f"how do i {verb} my {thing} today?", f"to {verb} your {thing} press {verb} beside the {thing}."


def tasks():
    """Two Super-NI tasks: outputs are classes, outputs are texts."""
    yes_no = [
        (f"is a {thing} something to {verb} ?", "yes" if verb < "p" else "no")
        for verb, thing in product(VERBS, THINGS)
    ]
    story = [
        (f"{name} went out to {verb} the {thing}", f"the {thing} of {name} was {verb}ed at last")
        for name, verb, thing in product(["ann", "bob"], VERBS, THINGS)
    ]
    return {"task0001_yes_no": yes_no, "task0002_story": story}


def task_content(rows, **changes):
    """A task file as upstream writes it."""
    instances = [{"id": f"i{at}", "input": one, "output": [other]} for at, (one, other) in enumerate(rows)]
    content = {
        "Contributors": ["somebody"],
        "Categories": ["Question Answering"],
        "Definition": ["Answer the question. Say only what is asked for."],
        "Domains": ["Commonsense"],
        "Input_language": ["English"],
        "Output_language": ["English"],
        "Instances": instances,
        "Instance License": ["MIT"],
    }
    return json.dumps(content | changes)


def csv_content(rows):
    file = io.StringIO()
    csv.writer(file).writerows(rows)
    return file.getvalue()


def json_lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def entry(name, kind, file, *, objective, columns=None, rights=("MIT", "yes", "yes"), document=None):
    """A ``[[dataset]]`` table."""
    columns = ", ".join(f"{role} = {json.dumps(column)}" for role, column in (columns or {}).items())
    lines = [
        "[[dataset]]",
        f'name = "{name}"',
        f'kind = "{kind}"',
        *(
            f'{key} = "{value}"'
            for key, value in zip(("licence", "redistribution", "commercial"), rights, strict=True)
        ),
        f'instruction = "Represent the text for {objective}: "',
        f'paraphrases = ["{objective}: ", "I want vectors for {objective}: "]',
        f'source = {{ file = "{file}"' + (f", columns = {{ {columns} }}" if columns else "") + " }",
    ]
    if document is not None:
        lines += [
            "symmetric = false",
            f'document_type = "{document}"',
            f'document_instruction = "Represent the {document} for retrieval: "',
            f'document_paraphrases = ["a {document}: "]',
        ]
    return "\n".join(lines) + "\n\n"


ENTRIES = {
    "clicks": entry(
        "clicks", "triplet", "clicks.jsonl", objective="finding a product", document="product",
        columns={"query": "query", "positive": "clicked", "negative": "skipped"}, rights=("our own", "no", "yes"),
    ),
    "faq": entry(
        "faq", "pair", "faq.jsonl", objective="retrieving its answer", document="answer",
        columns={"query": "q", "positive": "a"}, rights=("CC BY-NC 4.0", "yes", "no"),
    ),
    "mood": entry(
        "mood", "label", "reviews.csv", objective="telling its mood", columns={"text": "text", "label": "mood"}
    ),
    "task0001_yes_no": entry("task0001_yes_no", "superni", "task0001_yes_no.json", objective="saying yes or no"),
    "task0002_story": entry("task0002_story", "superni", "task0002_story.json", objective="telling how it ends"),
    "topic": entry(
        "topic", "label", "reviews.csv", objective="sorting by subject", columns={"text": "text", "label": "topic"}
    ),
}  # fmt: skip


class Project:
    """A data folder, a registry and a place for mixtures, made if they are not there."""

    def __init__(self, folder):
        self.folder = folder
        self.data = folder / "data"
        self.registry = folder / "lib" / "mine.toml"
        self.out = folder / "mixture"
        self.cache = folder / "mixture.cache"
        if self.data.exists():  # made by another process
            return
        (self.data / "tasks").mkdir(parents=True)
        self.registry.parent.mkdir()
        self.registry.write_text("".join(ENTRIES.values()))
        for name, rows in tasks().items():
            (self.data / "tasks" / f"{name}.json").write_text(task_content(rows))
        (self.data / "reviews.csv").write_text(csv_content([("text", "topic", "mood"), *reviews()]))
        pairs = list(questions())
        (self.data / "faq.jsonl").write_text(json_lines({"q": q, "a": a} for q, a in pairs))
        clicks = [
            {
                "query": f"{color} {thing}",
                "clicked": f"a {thing} in {color}",
                "skipped": [f"a {thing} in grey", "shoes"],
            }
            for color, thing in product(["red", "blue", "green"], ["coat", "lamp", "chair"])
        ]
        (self.data / "clicks.jsonl").write_text(json_lines(clicks))

    def config(self, *, mining=None, mixture=None, choice=None, **changes):
        """What is asked for, by default all six datasets with every rule but contrasts of label and subject."""
        whole = BuildConfig(
            out=self.out,
            data=(self.data,),
            registries=(self.registry,),
            bundled=False,
            choice=Choice(**{"unlisted": False, **(choice or {})}),
            mining=MiningOptions(**{"wrong_instruction": 0.2, **(mining or {})}),
            labels=LabelOptions(groups=0),
            mixture=Mixture(**(mixture or {})),
        )
        return replace(whole, **changes)

    def arguments(self, *more):
        """The same for the command."""
        places = ["--data", self.data, "--registry", self.registry, "--out", self.out, "--label-groups", 0]
        return ["medi", "build", *map(str, places), "--own", *map(str, more)]
