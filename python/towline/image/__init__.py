"""Image documents as values: descriptors, manifests, configs and platforms."""

from __future__ import annotations
