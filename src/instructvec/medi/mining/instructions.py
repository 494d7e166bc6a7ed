"""Triplets of many datasets -> for some of them an instruction that is wrong for the pair.

Knows numbers of datasets, their text types and objectives; nothing of the instructions' wording.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from instructvec.errors import InputError
from instructvec.medi.mining.mined import check_share, row_ids
from instructvec.medi.search import NO_ROW

SHARE = 0.05


def wrong_instructions(
    datasets: ArrayLike,
    text_types: Sequence[str],
    objectives: Sequence[str],
    *,
    rng: np.random.Generator,
    share: float = SHARE,
    same_text_type_only: bool = False,
) -> NDArray[np.int64]:
    r"""For a share of the triplets, a dataset whose instruction fits the positive's text but not the job.

    The negative is then the positive's own text under that dataset's instruction I':

    .. math:: (I, x), \quad (I, p) \text{ near}, \quad (I', p) \text{ not}

    In a batch of one task everybody has the same instruction, so a loss can be met without reading it; here the
    two documents differ in nothing else. The idea of making the instruction the only thing that is wrong is
    Promptriever's (Weller et al. 2024, instruction negatives) and INSTRUCTIR's (Oh et al. 2024, one query under
    many instructions); theirs is a document that fits the query and not its instruction, for retrieval. The
    instruction comes from another objective, and where possible from the same text type, so that the text
    type does not give it away.

    Args:
        datasets: (n,) the dataset of each triplet, as a number into the two lists; for an asymmetric dataset
            count its document side as a dataset of its own, since it is the positive's instruction that changes.
        text_types: of each dataset.
        objectives: of each dataset; instructions of equal ones mean the same job.
        rng: draws which triplets and which datasets.
        share: of the triplets that get one, rounded to whole triplets.
        same_text_type_only: gives none where no other objective has the text type, instead of any other objective.

    Returns:
        (n,) int64, a dataset, or ``NO_ROW`` (-1) for triplets that keep their negative.

    Raises:
        InputError: numbers that are no datasets, or lists of other lengths.
        ConfigError: a share outside 0 to 1.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> types, objectives = ["tweet", "tweet", "recipe"], ["mood", "irony", "dish"]
        >>> wrong_instructions([0, 0], types, objectives, rng=rng, share=1).tolist()
        [1, 1]
    """
    numbers = row_ids(datasets, np.size(datasets), "datasets")
    check_share(share, "share")
    if len(text_types) != len(objectives):
        raise InputError(
            f"{len(text_types)} text types and {len(objectives)} objectives; expected one each a dataset"
        )
    if len(numbers) and not 0 <= numbers.min() <= numbers.max() < len(text_types):
        raise InputError(
            f"datasets go from {numbers.min()} to {numbers.max()}, and {len(text_types)} text types are given; "
            "expected numbers into the text types"
        )
    types, jobs = (np.unique(np.asarray(list(of), str), return_inverse=True)[1] for of in (text_types, objectives))
    wrong = np.full(len(numbers), NO_ROW)
    drawn = np.sort(rng.permutation(len(numbers))[: round(share * len(numbers))])
    for dataset in np.unique(numbers[drawn]):
        other = jobs != jobs[dataset]
        alike = other & (types == types[dataset])
        candidates = np.flatnonzero(alike if alike.any() or same_text_type_only else other)
        rows = drawn[numbers[drawn] == dataset]
        if len(candidates):
            wrong[rows] = rng.choice(candidates, len(rows))
    return wrong
