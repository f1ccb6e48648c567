"""The modules of the Rust crate import each other without cycles."""

from __future__ import annotations

import re
from pathlib import Path

from tests.architecture.test_layers import cycles

SOURCE = Path(__file__).parents[2] / "rust" / "src"
_TESTS = re.compile(r"#\[cfg\(test\)\]\s*mod tests \{.*", re.DOTALL)
_COMMENT = re.compile(r"//.*")
_USE = re.compile(r"\buse\s+((?:crate|super|self)\b[^;]*);")
_PATH = re.compile(r"\b(?:crate|super)(?:::\w+)+")


def modules() -> dict[str, str]:
    """The text of each module without comments and tests, by its path such as ``archive::pass``."""
    found = {}
    for path in sorted(SOURCE.rglob("*.rs")):
        name = "::".join(path.relative_to(SOURCE).with_suffix("").parts)
        if path.stem not in ("tests", "lib", "testing"):
            found[name] = _TESTS.sub("", _COMMENT.sub("", path.read_text()))
    return found


def expanded(text: str) -> list[str]:
    """The paths of a use declaration, its braces expanded."""
    text = " ".join(text.split())
    start = text.find("{")
    if start < 0:
        return [text.split(" as ")[0]]
    depth, parts, part = 0, [], ""
    for char in text[start + 1 : text.rindex("}")]:
        depth += (char == "{") - (char == "}")
        if char == "," and not depth:
            parts.append(part)
            part = ""
        else:
            part += char
    return [
        path
        for each in (*parts, part)
        if each.strip()
        for path in expanded(text[:start] + each.strip())
    ]


def resolved(path: str, module: str, names: set[str]) -> str | None:
    """The module that a path leads to, None if it leads to none but the crate itself."""
    parts = path.split("::")
    base = module.split("::")
    if parts[0] == "super":
        while parts and parts[0] == "super":
            base = base[:-1]
            parts = parts[1:]
    elif parts[0] == "crate":
        base, parts = [], parts[1:]
    else:
        parts = parts[1:]
    target = [*base, *parts]
    while target:
        if "::".join(target) in names:
            return "::".join(target)
        target.pop()
    return None


def graph() -> dict[str, set[str]]:
    """The imports of each module."""
    found = modules()
    imports = {}
    for name, text in found.items():
        paths = [path for use in _USE.findall(text) for path in expanded(use)]
        paths += _PATH.findall(_USE.sub("", text))
        targets = {resolved(path, name, set(found)) for path in paths}
        imports[name] = {target for target in targets if target is not None} - {name}
    return imports


def test_imports_are_read() -> None:
    """Braces, aliases, and paths outside of use declarations."""
    assert expanded("crate::a::{b, c::{d, e as f}}") == [
        "crate::a::b",
        "crate::a::c::d",
        "crate::a::c::e",
    ]
    names = {"a", "a::b", "c"}
    assert resolved("super::b::Thing", "a::x", names) == "a::b"
    assert resolved("crate::c::Thing", "a", names) == "c"
    assert resolved("crate::Result", "a", names) is None
    imports = graph()
    assert "compression::format" in imports["compression::frames"]
    assert "sha256_pair" in imports["sha256"]


def test_no_modules_import_each_other() -> None:
    """No cycle, not even between a module and its children."""
    assert cycles(graph()) == []
