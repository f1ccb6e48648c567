"""The built-in driver: towline behind the protocol of ``spec/driver.md``.

Only these modules of the suite import towline.  They run as ``python -m
towline.conformance.driver``, and only their answers are compared, as for any other driver.
"""
