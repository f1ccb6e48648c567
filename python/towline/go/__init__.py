"""What Go does where users can see it: JSON, base64 and quoting."""

from __future__ import annotations
