"""Runs goals: opens their sources and the store, and returns the results."""

from __future__ import annotations
