"""Hypothesis strategies for the names and references that towline parses."""

from __future__ import annotations

from hypothesis import strategies as st

from towline.transport import TRANSPORTS

__all__ = [
    "digests",
    "domains",
    "full_names",
    "image_texts",
    "path_parts",
    "registries",
    "short_names",
    "tags",
]

_ALNUM = "abcdefghijklmnopqrstuvwxyz0123456789"
_SEPARATORS = st.sampled_from([".", "_", "__", "-", "--", "---"])


@st.composite
def path_parts(draw: st.DrawFn) -> str:
    """One component of a repository path."""
    parts = draw(st.lists(st.text(_ALNUM, min_size=1, max_size=6), min_size=1, max_size=3))
    text = parts[0]
    for part in parts[1:]:
        text += draw(_SEPARATORS) + part
    return text


@st.composite
def domains(draw: st.DrawFn) -> str:
    """A host that counts as a registry: with a dot, a port, or ``localhost``."""
    label = st.from_regex(r"[a-zA-Z0-9]([a-zA-Z0-9-]{0,6}[a-zA-Z0-9])?", fullmatch=True)
    return draw(
        st.one_of(
            st.just("localhost"),
            st.builds("{}.{}".format, label, label),
            st.builds("{}:{}".format, label, st.integers(1, 65535)),
        )
    )


tags = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,12}", fullmatch=True)
digests = st.builds("sha256:{}".format, st.text("0123456789abcdef", min_size=64, max_size=64))
_suffixes = st.one_of(st.just(""), st.builds(":{}".format, tags), st.builds("@{}".format, digests))
# The limits exclude 64 hex digits, which would be an image ID, and names above 255 characters.
_paths = st.lists(path_parts(), min_size=1, max_size=3).map("/".join)
short_names = st.builds("{}{}".format, _paths, _suffixes).filter(lambda name: len(name) < 200)
full_names = st.builds("{}/{}{}".format, domains(), _paths, _suffixes).filter(
    lambda name: len(name) < 250
)
registries = st.lists(domains(), max_size=5)

_TRANSPORTS = [*TRANSPORTS, "unknown"]
_pieces = st.sampled_from([*":/@[].-_ \n\x00é", "docker.io", "sha256:", "a" * 64, "localhost"])
image_texts = st.one_of(
    st.text(max_size=40),
    st.builds("{}:{}".format, st.sampled_from(_TRANSPORTS), st.text(max_size=20)),
    st.builds("{}:{}".format, st.sampled_from(_TRANSPORTS), full_names),
    st.lists(st.one_of(_pieces, path_parts(), tags), max_size=8).map("".join),
)
