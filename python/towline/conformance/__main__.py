"""``python -m towline.conformance``: the suite as a separate command."""

from __future__ import annotations

import sys

from towline.conformance.command import main

if __name__ == "__main__":
    sys.exit(main())
