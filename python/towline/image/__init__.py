"""Images: descriptors, manifests, configs and platforms, as values."""

from __future__ import annotations
