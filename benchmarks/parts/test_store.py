"""The store: publishing an image without layers."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest

from benchmarks.parts.conftest import Measure
from benchmarks.workloads.stores import fill_store, publish


@pytest.mark.parametrize("held", [1, 1_000])
def test_publish(measure: Measure, held: int, tmp_path: Path) -> None:
    """Into a store that has so many images; records and index reach the disk."""
    store = fill_store(tmp_path / "store", held)
    numbers = count(held)
    plural = "s" if held > 1 else ""
    name = f"publish into a store of {held:,} image{plural}"
    measure(name, lambda: publish(store, next(numbers)))
