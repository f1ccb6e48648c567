"""Benchmarks of the store: publishing an image without layers."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest

from benchmarks.parts.conftest import Measure
from benchmarks.workloads.stores import fill_store, publish


@pytest.mark.parametrize("images", [1, 1_000])
def test_publish(measure: Measure, images: int, tmp_path: Path) -> None:
    """Publish into a store that has some images; records and index are flushed to the disk."""
    store = fill_store(tmp_path / "store", images)
    numbers = count(images)
    plural = "s" if images > 1 else ""
    name = f"publish into a store of {images:,} image{plural}"
    measure(name, lambda: publish(store, next(numbers)))
