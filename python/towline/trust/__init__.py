"""Whether an image may be used: the judging of policies."""

from __future__ import annotations
