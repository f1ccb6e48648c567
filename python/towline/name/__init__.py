"""Image names: digests, references, and the parts of a name as the user typed it."""

from __future__ import annotations
