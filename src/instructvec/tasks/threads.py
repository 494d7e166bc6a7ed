"""Many small fits -> the same fits without threads that wait for each other.

Knows the linear algebra library's threads only.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_thread() -> Iterator[None]:
    """Matrix products on one thread inside the block.

    Fits of some hundred rows lose more to threads that wait for each other than they gain: with 150 labels of 8
    rows a fit takes 0.1 s, on two threads 0.3 s where two cores are free and 1.9 s where they are busy. Other
    threads of this process are limited too while it lasts.
    """
    from threadpoolctl import threadpool_limits  # scikit-learn brings it

    with threadpool_limits(1):
        yield
