"""The client side of the registry protocol, for ``docker://`` images (REG-001 to REG-049).

From the bottom up: `deadline` (sockets with deadlines), `http` (one request with its redirects and
retries), `challenge` and `tokens` (authentication), `client` (the protocol).
"""
