"""The objective worked out row by row in float64: what its vectorised form is held to."""

import math
from itertools import product

import numpy as np


def cosine(a, b):
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return float(np.dot(a, b) / math.sqrt(np.dot(a, a) * np.dot(b, b)))


def term(own, others, tau):
    """-own/tau + log(exp(own/tau) + sum exp(other/tau)), as the log of a sum of ratios."""
    return math.log1p(math.fsum(math.exp((other - own) / tau) for other in others))


class Loops:
    """One batch: lists of vectors, and what is known of each."""

    def __init__(self, queries, positives, negatives, identities=None):
        self.sides = {"q": list(queries), "p": list(positives), "n": list(negatives)}
        self.ids = identities or {}
        self.n = len(queries)

    def row(self, side, j):
        return self.ids["negative_rows"][j] if side == "n" else j

    def label(self, side, j):
        if side == "n":
            return self.ids.get("negative_labels", [-1] * len(self.sides["n"]))[j]
        return self.ids.get("labels", [-1] * self.n)[j]

    def text(self, side, j):
        return self.ids[{"q": "queries", "p": "positives", "n": "negatives"}[side]][j]

    def one_group(self, i, side, j):
        groups = self.ids.get("groups", [-1] * self.n)
        return groups[i] >= 0 and groups[i] == groups[self.row(side, j)]

    def left_out(self, anchor, i, side, j, rules, margin):
        """Whether candidate j of a side is a false negative for row i, whose query or positive is the anchor."""
        if "text" in rules:
            pairs = set(zip(self.ids["queries"], self.ids["positives"], strict=True))
            pairs |= {(b, a) for a, b in pairs}
            query, positive, other = self.text("q", i), self.text("p", i), self.text(side, j)
            if side == "q" and ((positive, other) in pairs or other == positive):
                return True
            if side != "q" and ((query, other) in pairs or other == query):
                return True
        if "label" in rules and self.alike(i, side, j):
            return True
        if margin is not None and not (self.ids and self.one_group(i, side, j)):
            limit = cosine(self.sides["q"][i], self.sides["p"][i]) + margin
            return cosine(self.sides[anchor][i], self.sides[side][j]) > limit
        return False

    def alike(self, i, side, j):
        """Whether candidate j of a side has row i's label, and the two do not contrast on purpose."""
        mine = self.label("q", i)
        return mine >= 0 and mine == self.label(side, j) and not self.one_group(i, side, j)

    def direction(self, anchor, sides, tau, rules=(), margin=None, width=None, match_labels=False):
        terms = []
        for i in range(self.n):
            others, matches = [], [cosine(self.sides["q"][i][:width], self.sides["p"][i][:width])]
            for side in sides:
                for j, candidate in enumerate(self.sides[side]):
                    if side != "n" and j == i:
                        continue
                    score = cosine(self.sides[anchor][i][:width], candidate[:width])
                    if not self.left_out(anchor, i, side, j, rules, margin):
                        others.append(score)
                    if match_labels and self.alike(i, side, j):
                        matches.append(score)
            terms.append(math.fsum(term(match, others, tau) for match in matches) / len(matches))
        return math.fsum(terms) / self.n

    def loss(self, tau, *, form="full", same_side=False, **options):
        forward = {"full": "pn", "released": "n"}[form] + ("q" if same_side else "")
        backward = "q" + ("pn" if same_side else "")
        return self.direction("q", forward, tau, **options) + self.direction("p", backward, tau, **options)

    def cosines(self):
        documents = self.sides["p"] + self.sides["n"]
        return [[cosine(q, d) for d in documents] for q in self.sides["q"]]


def kl(student, teacher, tau):
    """The mean over rows of sum t log(t/s), each softmax written out."""

    def softmax(row):
        powers = [math.exp((value - max(row)) / tau) for value in row]
        return [power / math.fsum(powers) for power in powers]

    total = 0.0
    for s_row, t_row in zip(student, teacher, strict=True):
        s, t = softmax(s_row), softmax(t_row)
        total += math.fsum(b * math.log(b / a) for a, b in zip(s, t, strict=True))
    return total / len(student)


def moved(student, teacher):
    """The mean of 1 - cosine over the texts of all sides."""
    pairs = [pair for side in "qpn" for pair in zip(student.sides[side], teacher.sides[side], strict=True)]
    return math.fsum(1 - cosine(a, b) for a, b in pairs) / len(pairs)


def mse(student, teacher):
    cells = list(product(range(len(student)), range(len(student[0]))))
    return math.fsum((student[i][j] - teacher[i][j]) ** 2 for i, j in cells) / len(cells)
