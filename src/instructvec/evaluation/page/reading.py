"""The report's JSON -> typed values.

Knows the format; nothing of how it is shown. A part that is absent is left empty, so that a partial report can be
shown; a part of the wrong form is refused. Source: ``results.py``, which writes the format.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from instructvec.errors import InputError
from instructvec.evaluation.page.content import (
    Content,
    Difference,
    Failure,
    FollowingResult,
    KindScore,
    Model,
    PointMap,
    Result,
    Reworded,
    Task,
)
from instructvec.evaluation.page.names import WITHOUT, short_names
from instructvec.page.estimate import Estimate

FORMAT_VERSION = 1


def read_content(report: Mapping[str, Any]) -> Content:
    """The typed values of a report.

    Raises:
        InputError: it is of another format version, or a part is not of the form that the format has.
    """
    version = report.get("format_version", FORMAT_VERSION)
    if version != FORMAT_VERSION:
        raise InputError(
            f"report: format_version is {version!r}; this release reads {FORMAT_VERSION}: update instructvec"
        )
    results = {
        model: {task: _result(one, f"results, {model}, {task}") for task, one in _table(tasks, "results").items()}
        for model, tasks in _table(report.get("results"), "results").items()
    }
    suite = _table(report.get("suite"), "suite")
    return Content(
        suite=_text(suite.get("name")),
        description=_text(suite.get("description")),
        facts={name: report.get(name) for name in _FACTS},
        complete=bool(report.get("complete", True)),
        errors=tuple(
            Failure(*(_text(one.get(key)) for key in Failure._fields)) for one in _rows(report, "errors")
        ),
        notes=tuple(map(_text, report.get("notes") or ())),
        models=_models(_rows(report, "models"), results),
        tasks=_tasks(_rows(report, "tasks"), results),
        results=results,
        kinds={
            model: {scope: _kind_score(one) for scope, one in _table(scopes, "kinds").items()}
            for model, scopes in _table(report.get("kinds"), "kinds").items()
        },
        differences=tuple(map(_difference, _rows(report, "comparisons"))),
        ranks=_numbers_by(report, "ranks"),
        robustness=_numbers_by(report, "robustness"),
        following={
            model: {task: _following(one) for task, one in _table(tasks, "following").items()}
            for model, tasks in _table(report.get("following"), "following").items()
        },
        map=_map(report.get("map")),
    )


_FACTS = ("date", "command", "machine", "versions", "seed", "half", "limit", "n_resamples", "reword")


def number(value: Any) -> float | None:
    """A finite number, or ``None`` for anything else.

    Example:
        >>> number(3), number("3"), number(float("nan")), number(True)
        (3.0, None, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return float(value)


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _table(value: Any, where: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InputError(f"report: {where} is {value!r:.60}; expected an object: write the report again")
    return value


def _rows(report: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    value = report.get(key)
    if value is None:
        return []
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise InputError(f"report: {key} is {value!r:.60}; expected a list: write the report again")
    return [_table(one, f"{key}[{at}]") for at, one in enumerate(value)]


def _numbers(value: Any, where: str) -> dict[str, float]:
    found = {name: number(one) for name, one in _table(value, where).items()}
    return {name: one for name, one in found.items() if one is not None}


def _numbers_by(report: Mapping[str, Any], key: str) -> dict[str, dict[str, float]]:
    found = {name: _numbers(one, key) for name, one in _table(report.get(key), key).items()}
    return {name: one for name, one in found.items() if one}


def _estimate(value: Any, bounds: Any) -> Estimate:
    low, high = bounds if isinstance(bounds, Sequence) and len(bounds) == 2 else (None, None)
    low, high = number(low), number(high)
    return Estimate(number(value), low, high) if low is not None and high is not None else Estimate(number(value))


def _models(rows: Sequence[Mapping[str, Any]], results: Mapping[str, Any]) -> tuple[Model, ...]:
    facts = {_text(row.get("name")): row for row in rows}
    names = list(dict.fromkeys([*facts, *results]))
    short = short_names(names)
    return tuple(
        Model(
            name,
            short[name],
            at,
            bool(facts.get(name, {}).get("instructed", not name.endswith(WITHOUT))),
            facts.get(name, {}),
        )
        for at, name in enumerate(names)
    )


def _tasks(rows: Sequence[Mapping[str, Any]], results: Mapping[str, Mapping[str, Result]]) -> tuple[Task, ...]:
    described = {_text(row.get("name")): row for row in rows}
    scored = {task: result for tasks in results.values() for task, result in tasks.items()}
    return tuple(
        Task(
            name,
            _text(row.get("kind")) or (scored[name].kind if name in scored else ""),
            _text(row.get("metric")) or (scored[name].metric if name in scored else ""),
            _text(row.get("licence")),
            _text(row.get("source")),
            _text(row.get("note")),
            None if (units := number(row.get("n_units"))) is None else int(units),
            _text(row.get("instruction")),
            _text(row.get("document_instruction")),
        )
        for name, row in (described | {name: {} for name in scored if name not in described}).items()
    )


def _result(value: Any, where: str) -> Result:
    one = _table(value, where)
    reworded = []
    for label, found in _table(one.get("by_wording"), f"{where}, by_wording").items():
        row = _table(found, f"{where}, by_wording, {label}")
        if (score := number(row.get("score"))) is not None:
            texts = (_text(row.get("instruction")), _text(row.get("document_instruction")))
            reworded.append(Reworded(label, score, *texts))
    return Result(
        _text(one.get("kind")),
        _text(one.get("metric")),
        _estimate(one.get("score"), one.get("interval")),
        tuple(reworded),
        _numbers(one.get("metrics"), where),
    )


def _kind_score(value: Any) -> KindScore:
    one = _table(value, "kinds")
    n_tasks = number(one.get("n_tasks"))
    return KindScore(_estimate(one.get("score"), one.get("interval")), None if n_tasks is None else int(n_tasks))


def _difference(one: Mapping[str, Any]) -> Difference:
    return Difference(
        _text(one.get("a")),
        _text(one.get("b")),
        _text(one.get("over")),
        _estimate(one.get("difference"), one.get("interval")),
        number(one.get("p")),
    )


def _following(value: Any) -> FollowingResult:
    one = _table(value, "following")
    v_measure, accuracy = (_matrix(one.get(name), f"following, {name}") for name in ("v_measure", "accuracy"))
    return FollowingResult(
        tuple(map(_text, one.get("goals") or v_measure)),
        v_measure,
        accuracy,
        _numbers(one.get("sensitivity"), "following, sensitivity"),
        {goal: _text(said) for goal, said in _table(one.get("instructions"), "following").items()},
    )


def _matrix(value: Any, where: str) -> dict[str, dict[str, float]]:
    return {goal: _numbers(row, where) for goal, row in _table(value, where).items()}


def _map(value: Any) -> PointMap | None:
    one = _table(value, "map")
    goals = [_text(goal) for goal in one.get("goals") or ()][:2]
    if len(goals) < 2 or not one.get("texts"):
        return None
    labels, points = _table(one.get("labels"), "map, labels"), _table(one.get("points"), "map, points")
    texts = tuple(map(_text, one["texts"]))
    for goal in goals:
        for name, rows in (("labels", labels), ("points", points)):
            if len(rows.get(goal, ())) != len(texts):
                raise InputError(
                    f"report: map, {name} of {goal!r} has {len(rows.get(goal, ()))} rows, texts has {len(texts)}; "
                    "expected as many: write the report again"
                )
    return PointMap(
        _text(one.get("task")),
        _text(one.get("model")),
        (goals[0], goals[1]),
        {goal: _text(said) for goal, said in _table(one.get("instructions"), "map").items()},
        texts,
        {goal: tuple(map(_text, labels[goal])) for goal in goals},
        {goal: tuple((number(x) or 0.0, number(y) or 0.0) for x, y in points[goal]) for goal in goals},
    )
