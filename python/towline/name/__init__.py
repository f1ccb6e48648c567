"""Names: digests, references, and the parts of what a user typed."""

from __future__ import annotations
