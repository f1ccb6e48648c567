"""A conformance suite that tests any implementation with recorded vectors.

`command` is the command line, and `runner` runs the cases.  `driver` is the built-in driver and the
only subpackage that imports towline: it runs as a separate process and uses the protocol of
``spec/driver.md`` like any other driver.  ``spec`` has the vectors, the fixtures and the clauses;
in a checkout it is a link to ``spec/``.
"""
