"""A report's findings -> a few sentences for someone who reads nothing else.

Knows what a finding is and how sure it is; nothing of tables and charts. No sentence claims more than an interval
allows: a lead whose interval holds zero is called one that chance may explain.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean

from instructvec.evaluation.page.content import Content, Model
from instructvec.evaluation.page.effects import (
    followed,
    following_results,
    gain,
    mean_range,
    n_wordings,
)
from instructvec.evaluation.page.standing import Lead, first_difference, lead, n_common, wins
from instructvec.page.estimate import Estimate
from instructvec.page.markup import Html, counted, element, figure, joined, listed, paragraph, signed

_FEW = 4
_SOME = 1.0
"""Points by which the right instruction must gain to count as followed in part."""


def headline(content: Content) -> Html:
    """The findings as cards; empty where nothing was measured."""
    leading = lead(content)
    cards = [*_who_leads(content, leading), *_wording(content), *_instruction(content), *_following(content)]
    return element("div", {"class": "cards"}, *cards)


def name_of(model: Model) -> Html:
    """A model's short name with its colour, its whole name when pointed at."""
    chip = element("span", {"class": f"chip c{model.colour % 8}", "aria-hidden": "true"})
    return element("span", {"class": "model", "title": model.name}, chip, model.short)


def interval_text(estimate: Estimate, *, is_signed: bool = False, decimals: int = 1) -> str:
    """An interval in words.

    Example:
        >>> interval_text(Estimate(2.0, 1.0, 3.0))
        '1.0 to 3.0'
    """
    if estimate.low is None or estimate.high is None:
        return "no interval"
    write = signed if is_signed else figure
    return f"{write(estimate.low, decimals)} to {write(estimate.high, decimals)}"


def _card(question: str, value: str, *sentences: str | Html) -> Html:
    return element(
        "div",
        {"class": "card"},
        element("h3", None, question),
        element("div", {"class": "big"}, value),
        paragraph(*sentences),
    )


def _who_leads(content: Content, leading: Lead | None) -> Iterator[Html]:
    if leading is None:
        return
    name, estimate = leading.order[0]
    model = content.model(name)
    interval = f" (95% interval {interval_text(estimate)})" if estimate.low is not None else ""
    tasks = counted(leading.n_tasks, "task")
    if not leading.over_all:
        tasks = f"{leading.n_tasks} of {counted(len(content.tasks), 'task')}"
    if len(leading.order) < 2:
        yield _card(
            "How good is it?",
            figure(estimate.value),
            name_of(model),
            f" averages {figure(estimate.value)} percent over {tasks}{interval}.",
        )
        return
    if not leading.over_all:
        tasks = f"the {counted(leading.n_tasks, 'task')} that every model has a score on"
    yield _card(
        "Which model is best?",
        figure(estimate.value),
        name_of(model),
        f" has the highest mean over {tasks}: {figure(estimate.value)} percent{interval}. ",
        f"It scores highest on {wins(content)[name]} of them.",
    )
    yield from _how_sure(content, leading)


def _how_sure(content: Content, leading: Lead) -> Iterator[Html]:
    second = content.model(leading.order[1][0])
    difference = first_difference(content, leading)
    gap = (leading.order[0][1].value or 0.0) - (leading.order[1][1].value or 0.0)
    if difference is None or difference.estimate.low is None:
        yield _card(
            "Is the lead real?",
            signed(gap),
            "Points ahead of ",
            name_of(second),
            ". No interval was computed, so this may be chance.",
        )
        return
    verdict = "The interval contains zero: on these tasks, chance alone could explain the lead."
    if difference.estimate.excludes_zero:
        verdict = "The interval lies wholly above zero: the lead is real on these tasks."
        if difference.estimate.low < 0:
            verdict = "The interval lies wholly below zero: on the tasks that both have, the other is better."
    n_shared = n_common(content, difference.a, difference.b)
    over = (
        "" if n_shared == leading.n_tasks else f" over the {counted(n_shared, 'task')} that both have a score on"
    )
    yield _card(
        "Is the lead real?",
        signed(difference.estimate.value),
        "Points ahead of the next, ",
        name_of(second),
        f"{over}, with a 95% interval of {interval_text(difference.estimate, is_signed=True)}. {verdict}",
    )


def _wording(content: Content) -> Iterator[Html]:
    ranges = {model: found for model in content.models if (found := mean_range(content, model.name)) is not None}
    if not ranges:
        return
    value = _reach(figure(min(ranges.values())), figure(max(ranges.values())))
    models = _each([(model, figure(found)) for model, found in ranges.items()])
    yield _card(
        "Does the wording matter?",
        value,
        f"Points between the best and the worst of {n_wordings(content)} wordings that ask for the same, "
        "on a typical task",
        models,
        ". ",
        _order(content),
    )


def _reach(least: str, most: str) -> str:
    return least if least == most else f"{least} to {most}"


def _each(values: Sequence[tuple[Model, str]]) -> Html:
    """Models with their values, where they are few enough for a sentence."""
    if len(values) > _FEW:
        return Html("")
    return joined([": ", joined([joined([name_of(model), f" {value}"]) for model, value in values], ", ")])


def _order(content: Content) -> str:
    """Whether the models' order depends on the wording."""
    if len(content.ranks) < 2:
        return ""
    labels = list(dict.fromkeys(label for ranks in content.ranks.values() for label in ranks))
    orders = {
        tuple(sorted(content.ranks, key=lambda model: content.ranks[model].get(label, 0.0))) for label in labels
    }
    if len(orders) == 1:
        return "The order of the models is the same under each."
    firsts = {order[0] for order in orders}
    if len(firsts) == 1:
        return "The same model comes first under each, but the order behind it changes."
    return f"Which model comes first depends on it: {len(firsts)} models do under some wording."


def _instruction(content: Content) -> Iterator[Html]:
    gains = {model: found for model in content.models if (found := gain(content, model)) is not None}
    if not gains:
        return
    points = [found.points.value or 0.0 for found in gains.values()]
    wrongs = [found.against_wrong for found in gains.values() if found.against_wrong is not None]
    contrast = f" Against a wrong instruction it is {signed(fmean(wrongs))} on average." if wrongs else ""
    yield _card(
        "Does the instruction help?",
        _reach(signed(min(points)), signed(max(points))),
        "Points gained by giving the instruction rather than none, on a typical task",
        _each([(model, _points(found.points)) for model, found in gains.items()]),
        f".{contrast}",
    )


def _points(estimate: Estimate) -> str:
    if estimate.low is None:
        return signed(estimate.value)
    chance = "; it may be chance" if estimate.includes_zero else ""
    return f"{signed(estimate.value)} (95% interval {interval_text(estimate, is_signed=True)}{chance})"


def _following(content: Content) -> Iterator[Html]:
    by_model: dict[str, list[tuple[float, float, int, int]]] = {}
    goals: set[str] = set()
    for model, _, result in following_results(content):
        found = followed(result.v_measure) or followed(result.accuracy)
        if found is not None and model.instructed:
            by_model.setdefault(model.name, []).append(found)
            goals.update(result.goals)
    if not by_model:
        return
    gains = {name: fmean(one[0] - one[1] for one in found) for name, found in by_model.items()}
    best = max(gains, key=lambda name: gains[name])
    right, other = (fmean(one[at] for one in by_model[best]) for at in (0, 1))
    n_best, n_goals = (sum(int(one[at]) for one in by_model[best]) for at in (2, 3))
    verdict = "follows the instruction" if n_best == n_goals else "hardly follows it"
    if n_best < n_goals and gains[best] > _SOME:
        verdict = "follows it only in part"
    best_of = " (the one that follows best)" if len(by_model) > 1 else ""
    yield _card(
        "Does it follow the instruction?",
        signed(gains[best]),
        f"Points gained by asking for the right goal ({listed(sorted(goals))}) rather than another, for the same "
        "texts. ",
        name_of(content.model(best)),
        f"{best_of} {verdict}: its groups match the goal at {figure(right)} when asked for it and at "
        f"{figure(other)} when asked for another; the right instruction is the best one for {n_best} of "
        f"{n_goals} goals.",
    )
