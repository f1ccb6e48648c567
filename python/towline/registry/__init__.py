"""The ``docker://`` protocol: asking a registry for manifests and blobs.

Clauses REG-001 to REG-049.  From the bottom up: `wire` (sockets under watch), `web` (one request,
its redirects and repetitions), `challenge` and `tokens` (who we are), `client` (the protocol).
"""
