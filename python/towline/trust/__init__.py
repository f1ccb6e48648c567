"""The signature policy (policy.json): parsing and evaluation."""

from __future__ import annotations
