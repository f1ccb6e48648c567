"""Go's JSON, base64 and quoting, as far as their behaviour is visible to users."""

from __future__ import annotations
