"""``python -m towline.conformance.driver``: run the built-in driver."""

from __future__ import annotations

from towline.conformance.driver.serve import main

if __name__ == "__main__":
    main()
