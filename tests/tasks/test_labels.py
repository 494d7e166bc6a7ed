"""Labels become codes; what is no label is named."""

import pytest

from instructvec.errors import InputError
from instructvec.tasks.labels import check_several_labels, label_codes


def test_labels_are_coded_in_order_numbers_first():
    distinct, codes = label_codes(["b", 10, 2, "a", "b"])
    assert distinct == [2, 10, "a", "b"]
    assert codes.tolist() == [3, 1, 0, 2, 3]


def test_a_single_label_is_refused_by_name():
    with pytest.raises(InputError, match="training labels: every row has the label 'spam'; expected two"):
        check_several_labels("training labels", ["spam", "spam"])
