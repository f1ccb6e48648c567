"""Running a goal: from what a caller wants to sources, stores and results."""

from __future__ import annotations
