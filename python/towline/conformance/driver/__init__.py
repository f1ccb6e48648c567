"""The built-in driver: towline behind the protocol of ``spec/driver.md``.

The only rooms of the suite that know towline.  They run as ``python -m
towline.conformance.driver`` and are judged by their answers alone, like any other driver.
"""
