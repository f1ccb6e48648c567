"""The embedded store: an OCI layout, and records of its images in a subfolder."""

from __future__ import annotations

from towline.store.layout.gc import Collected
from towline.store.layout.image import StoredImage
from towline.store.layout.ingest import LayoutIngest
from towline.store.layout.locks import Holder
from towline.store.layout.sink import LayoutSink, StoredBlob
from towline.store.layout.store import Durability, LayoutStore, Removed, open_store
from towline.store.layout.verify import Verification

__all__ = [
    "Collected",
    "Durability",
    "Holder",
    "LayoutIngest",
    "LayoutSink",
    "LayoutStore",
    "Removed",
    "StoredBlob",
    "StoredImage",
    "Verification",
    "open_store",
]
