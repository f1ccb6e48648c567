"""Image names by the grammar of docker/distribution: domain, path, tag, digest.

`parse_reference` parses a name as written.  `parse_normalized` adds the defaults of Docker Hub
(``docker.io``, ``library/``) and always returns a name with a domain.  Both reject a name that
does not match the grammar.  (NAME-001 to NAME-019)
"""

from __future__ import annotations

import re

from towline.errors import InvalidNameError
from towline.frozen import frozen, replace
from towline.name.digest import Digest, parse_digest

__all__ = [
    "DEFAULT_DOMAIN",
    "DEFAULT_TAG",
    "Reference",
    "parse_normalized",
    "parse_reference",
]

DEFAULT_DOMAIN = "docker.io"
DEFAULT_TAG = "latest"
NAME_MAX = 255  # bytes of domain and path together

# Every repetition below ends in a character that the next part cannot begin with, so a match takes
# time linear in the input.  ``-+`` replaces the grammar's ``[-]*``, which would be exponential.
_DOMAIN_PART = r"[a-zA-Z0-9]+(?:-+[a-zA-Z0-9]+)*"
_ADDRESS = r"\[[0-9a-fA-F:]+\]"  # of IPv6
_DOMAIN = rf"(?:{_DOMAIN_PART}(?:\.{_DOMAIN_PART})*|{_ADDRESS})(?::[0-9]+)?"
_PATH_PART = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_PATH = rf"{_PATH_PART}(?:/{_PATH_PART})*"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_ALGORITHM = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*"
_REFERENCE = re.compile(
    rf"(?P<name>(?:(?P<domain>{_DOMAIN})/)?(?P<path>{_PATH}))"
    rf"(?::(?P<tag>{_TAG}))?"
    rf"(?:@(?P<digest>{_ALGORITHM}:[0-9a-fA-F]{{32,}}))?"
)
_IDENTIFIER = re.compile(r"[a-f0-9]{64}")


@frozen
class Reference:
    """A parsed image name; `domain` is empty only if `parse_reference` found none."""

    domain: str
    path: str
    tag: str | None = None
    digest: Digest | None = None

    @property
    def name(self) -> str:
        """Domain and path."""
        return f"{self.domain}/{self.path}" if self.domain else self.path

    @property
    def familiar_name(self) -> str:
        """The name without ``docker.io/``, and without ``library/`` if one part follows it."""
        if self.domain != DEFAULT_DOMAIN:
            return self.name
        first, slash, rest = self.path.partition("/")
        return rest if first == "library" and slash and "/" not in rest else self.path

    @property
    def familiar(self) -> str:
        """The whole reference with its familiar name."""
        return self.familiar_name + self._suffix

    @property
    def _suffix(self) -> str:
        tag = f":{self.tag}" if self.tag is not None else ""
        return tag + (f"@{self.digest}" if self.digest else "")

    def tagged(self) -> Reference:
        """The same reference, with the tag ``latest`` if it has neither tag nor digest."""
        return self if self.tag or self.digest else replace(self, tag=DEFAULT_TAG)

    def without_tag(self) -> Reference:
        """The same reference without its tag."""
        return replace(self, tag=None)

    def namespaces(self) -> tuple[str, ...]:
        """The name and its parents, nearest first, down to the domain."""
        names = [self.name]
        while "/" in names[-1]:
            names.append(names[-1].rpartition("/")[0])
        return tuple(names)

    def __str__(self) -> str:
        return self.name + self._suffix


def parse_reference(text: str, *, addresses: bool = True) -> Reference:
    """Parse a name as written: text before the first slash is the domain if it fits (NAME-001).

    Args:
        text: the name.
        addresses: the domain may be an IPv6 address in brackets (NAME-007).

    Raises:
        InvalidNameError: ``name.empty``, ``name.uppercase`` (it would match in lower case),
            ``name.invalid``, ``name.too_long``, or a ``digest.*`` error, tested in this order.
    """
    match = _REFERENCE.fullmatch(text)
    if match is None:
        if not text:
            raise InvalidNameError("name.empty", name=text)
        if _REFERENCE.fullmatch(_to_lower(text)):
            raise InvalidNameError("name.uppercase", name=text)
        raise InvalidNameError("name.invalid", name=text)
    domain = match["domain"] or ""
    if domain.startswith("[") and not (addresses and _is_address(domain)):
        raise InvalidNameError("name.invalid", name=text)
    if len(match["name"]) > NAME_MAX:
        raise InvalidNameError("name.too_long", name=text, limit=NAME_MAX)
    digest = parse_digest(match["digest"]) if match["digest"] else None
    return Reference(domain, match["path"], match["tag"], digest)


def parse_normalized(text: str, *, addresses: bool = True) -> Reference:
    """Parse a name as Docker does: ``docker.io`` and ``library/`` are added (NAME-010).

    Args:
        text: the name.
        addresses: as in `parse_reference`.

    Raises:
        InvalidNameError: ``name.identifier`` for 64 hex digits alone, ``name.uppercase_path`` if
            the path is not lower case, otherwise as `parse_reference`.
    """
    if _IDENTIFIER.fullmatch(text):
        raise InvalidNameError("name.identifier", name=text)
    domain, path = _split_domain(text)
    repository = path.partition(":")[0]
    if _to_lower(repository) != repository:
        raise InvalidNameError("name.uppercase_path", name=text)
    return parse_reference(f"{domain}/{path}", addresses=addresses)


def _split_domain(text: str) -> tuple[str, str]:
    first, slash, rest = text.partition("/")
    if not slash or not ("." in first or ":" in first or first == "localhost"):
        domain, path = DEFAULT_DOMAIN, text
    else:
        domain, path = first, rest
    if domain == "index.docker.io":  # NAME-012
        domain = DEFAULT_DOMAIN
    if domain == DEFAULT_DOMAIN and "/" not in path:
        path = f"library/{path}"
    return domain, path


def _is_address(domain: str) -> bool:
    """Whether a domain in brackets, perhaps with a port, has a valid address."""
    from ipaddress import AddressValueError, IPv6Address  # slow to import and rarely needed

    try:
        IPv6Address(domain[1:].partition("]")[0])
    except AddressValueError:
        return False
    return True


def _to_lower(text: str) -> str:
    """The text in lower case, rune by rune as Go converts it (NAME-004).

    U+0130 becomes ``i``, and a byte that is not valid UTF-8 becomes U+FFFD.
    """
    if text.isascii():
        return text.lower()
    return re.sub("[\ud800-\udfff]", "\ufffd", text.replace("\u0130", "i").lower())
