"""Makes clauses.json, errors.json and the table of codes from the chapters and from the code.

It also takes from uncovered.txt what is held by now; what is new there is written by hand.

python spec/build.py            writes what is made
python spec/build.py --check    says what is stale, and writes nothing
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import string
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SPEC = Path(__file__).resolve().parent
ROOT = SPEC.parent
CHAPTERS = (
    "names.md",
    "transports.md",
    "configuration.md",
    "goals.md",
    "pulling.md",
    "policy.md",
    "manifests.md",
    "blobs.md",
    "store.md",
    "errors.md",
)
LEVELS = ("MUST", "SHOULD", "MAY")
EDITIONS = ("libpod-1.3", "current")
CLAUSE_ID = re.compile(r"\b[A-Z][A-Z0-9]{2,8}-[0-9]{3}\b")

_HEADING = re.compile(r"### (?P<id>\S+) · (?P<title>.+?)   \[(?P<level>[A-Z]+)\]")
_META = re.compile(
    r"Edition: (?P<edition>[^·]+?)(?: · Rules: (?P<rules>[^·]+?))? · Source: (?P<source>.+)"
)
_FENCE = re.compile(r"```example(?: (?P<edition>\S+))?")
_BEGIN = "<!-- codes: begin, made by spec/build.py -->"
_END = "<!-- codes: end -->"


class SpecError(Exception):
    """A chapter that is not written as README.md says."""


@dataclass(frozen=True, slots=True)
class Example:
    """One block of examples.

    Attributes:
        clause: the id of the clause in which it stands, or the heading of a worked example.
        editions: in which it holds.
        line: of its first line in the chapter, from 1.
    """

    clause: str
    chapter: str
    editions: tuple[str, ...]
    line: int
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Clause:
    """One clause; a withdrawn one has the level ``WITHDRAWN`` and need not say more."""

    id: str
    title: str
    level: str
    edition: str
    rules: tuple[str, ...]
    source: str
    chapter: str
    text: str
    examples: tuple[Example, ...]

    @property
    def area(self) -> str:
        """The part of the id before the number."""
        return self.id.rpartition("-")[0]


def read_chapters() -> tuple[list[Clause], list[Example]]:
    """All clauses in the order of the chapters, and all examples, those outside clauses too.

    Raises:
        SpecError: a clause without level, edition or source, or with an id that stands twice.
    """
    clauses: list[Clause] = []
    examples: list[Example] = []
    for chapter in CHAPTERS:
        for heading, line, body in _sections((SPEC / chapter).read_text("utf-8")):
            if heading.startswith("### "):
                clause = _clause(chapter, heading, line, body)
                clauses.append(clause)
                examples += clause.examples
            else:
                examples += _examples(heading.lstrip("# "), chapter, line, body, EDITIONS)
    ids = [clause.id for clause in clauses]
    if twice := sorted({name for name in ids if ids.count(name) > 1}):
        raise SpecError(f"ids that stand twice: {', '.join(twice)}")
    return clauses, examples


def _sections(text: str) -> Iterator[tuple[str, int, list[str]]]:
    """Heading, its line, and the lines below it, for each heading outside code."""
    heading, start, body, fenced = "", 0, list[str](), False
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("```"):
            fenced = not fenced
        if line.startswith("#") and not fenced:
            if heading:
                yield heading, start, body
            heading, start, body = line, number, []
        else:
            body.append(line)
    if heading:
        yield heading, start, body


def _clause(chapter: str, heading: str, line: int, body: list[str]) -> Clause:
    where = f"{chapter}:{line}"
    head = _HEADING.fullmatch(heading)
    if head is None or not CLAUSE_ID.fullmatch(head["id"]):
        raise SpecError(f"{where}: not of the form '### ID · Title   [LEVEL]'")
    if head["level"] == "WITHDRAWN":
        return Clause(head["id"], head["title"], "WITHDRAWN", "", (), "", chapter, "", ())
    metas = [match for text in body if (match := _META.fullmatch(text.strip()))]
    if head["level"] not in LEVELS or len(metas) != 1:
        raise SpecError(f"{where}: a clause needs a level, and one line 'Edition: … · Source: …'")
    meta = metas[0]
    if meta["edition"] not in (*EDITIONS, "both"):
        raise SpecError(f"{where}: the edition {meta['edition']!r} is unknown")
    editions = EDITIONS if meta["edition"] == "both" else (meta["edition"],)
    text = " ".join(
        part.strip() for part in _outside_code(body) if part.strip() and not _META.match(part)
    )
    return Clause(
        id=head["id"],
        title=head["title"],
        level=head["level"],
        edition=meta["edition"],
        rules=tuple(name.strip() for name in (meta["rules"] or "").split(",") if name.strip()),
        source=meta["source"],
        chapter=chapter,
        text=text,
        examples=tuple(_examples(head["id"], chapter, line, body, editions)),
    )


def _outside_code(body: list[str]) -> Iterator[str]:
    fenced = False
    for line in body:
        if line.startswith("```"):
            fenced = not fenced
        elif not fenced:
            yield line


def _examples(
    name: str, chapter: str, start: int, body: list[str], editions: tuple[str, ...]
) -> Iterator[Example]:
    block: list[str] | None = None
    first, here = 0, editions
    for number, line in enumerate(body, start + 1):
        if block is None:
            if fence := _FENCE.fullmatch(line):
                if fence["edition"] not in (None, *editions):
                    raise SpecError(f"{chapter}:{number}: an example of another edition")
                block, first = [], number + 1
                here = (fence["edition"],) if fence["edition"] else editions
        elif line == "```":
            yield Example(name, chapter, here, first, tuple(block))
            block = None
        else:
            block.append(line)


# --- vectors ------------------------------------------------------------------------------------


def read_vectors() -> list[dict[str, Any]]:
    """Every recorded case, with its operation under ``op``."""
    cases = []
    for file in sorted((SPEC / "vectors").rglob("*.json")):
        told = json.loads(file.read_bytes())
        cases += [{**case, "op": told["op"], "edition": told["edition"]} for case in told["cases"]]
    return cases


def _contested() -> set[str]:
    """The vectors at which towline is expected to fail, each explained by a clause."""
    file = SPEC / "drivers" / "towline.expected"
    lines = file.read_text("utf-8").splitlines() if file.exists() else []
    return {line.partition("#")[0].strip() for line in lines} - {""}


def clauses_json(clauses: list[Clause]) -> str:
    """The content of clauses.json."""
    sys.path.insert(0, str(ROOT))
    from spec.held_by import held_by

    held: dict[str, list[str]] = {}
    other = {clause.id for clause in clauses if clause.edition == "libpod-1.3"}
    contested = _contested()
    for case in read_vectors():
        names = held_by(case)
        if case["edition"] == "current":
            # What other tools decide otherwise on purpose holds nothing here.
            names = set() if case["id"] in contested else names - other
        for name in sorted(names):
            held.setdefault(name, []).append(case["id"])
    if unknown := sorted(held.keys() - {clause.id for clause in clauses}):
        raise SpecError(f"held_by.py names unknown clauses: {', '.join(unknown)}")
    entries = [
        {
            "id": clause.id,
            "title": clause.title,
            "level": clause.level,
            "edition": clause.edition,
            "rules": list(clause.rules),
            "source": clause.source,
            "chapter": clause.chapter,
            "text": clause.text,
            "examples": len(clause.examples),
            "vectors": held.get(clause.id, []),
        }
        for clause in clauses
    ]
    return _json({"schema": 1, "clauses": entries})


# --- errors -------------------------------------------------------------------------------------


def error_entries() -> list[dict[str, Any]]:
    """Every code: its class, the facts that its sentences use, and the sentences themselves."""
    sys.path.insert(0, str(ROOT / "python"))
    from towline import errors
    from towline.wording import (
        current,
        current_configuration,
        current_registry,
        current_store,
        libpod_1_3,
        libpod_1_3_configuration,
        libpod_1_3_registry,
    )

    areas = {
        area: kind.__name__ for kind in errors.TowlineError.__subclasses__() for area in kind.areas
    }
    expressions = {
        current: _expressions(current, current_configuration, current_registry, current_store),
        libpod_1_3: _expressions(libpod_1_3, libpod_1_3_configuration, libpod_1_3_registry),
    }
    entries = []
    for code in sorted(current.ERRORS.keys() | libpod_1_3.ERRORS.keys()):
        sentences: dict[str, Any] = {}
        facts: set[str] = set()
        for edition, module in zip(EDITIONS, (libpod_1_3, current), strict=True):
            template = module.ERRORS.get(code)
            if template is None:
                continue
            if isinstance(template, str):
                sentences[edition] = template
                facts |= _fields(template)
            else:
                sentences[edition], used = expressions[module][code]
                facts |= used
        entries.append(
            {
                "code": code,
                "class": areas.get(code.partition(".")[0], "TowlineError"),
                "facts": sorted(facts),
                "sentences": sentences,
            }
        )
    return entries


def _fields(template: str) -> set[str]:
    names = (field for _, field, _, _ in string.Formatter().parse(template) if field)
    return {re.split(r"[.\[]", name)[0] for name in names}


_TABLES = ("_OWN", "CONFIGURATION", "REGISTRY", "STORE")  # of sentences, by code


def _expressions(*rooms: Any) -> Mapping[str, tuple[dict[str, str], set[str]]]:
    """What stands for a code, where it is no plain text, and the facts that it reads."""
    found: dict[str, tuple[dict[str, str], set[str]]] = {}
    for room in rooms:
        found |= _expressions_of(ast.parse(inspect.getsource(room)))
    return found


def _expressions_of(tree: ast.Module) -> dict[str, tuple[dict[str, str], set[str]]]:
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    found: dict[str, tuple[dict[str, str], set[str]]] = {}
    for node in ast.walk(tree):
        if not (isinstance(node, ast.AnnAssign) and ast.unparse(node.target) in _TABLES):
            continue
        table = node.value
        if not isinstance(table, ast.Dict):
            continue
        for key, value in zip(table.keys, table.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                name = value.id if isinstance(value, ast.Name) else ""
                body = functions.get(name, value)
                shown = {"function": name} if name else {"expression": ast.unparse(value)}
                found[key.value] = (shown, set(_facts_read(body, functions)))
    return found


def _facts_read(node: ast.AST, functions: Mapping[str, ast.FunctionDef]) -> Iterator[str]:
    for part in ast.walk(node):
        match part:
            case ast.Subscript(value=ast.Name(id="facts"), slice=ast.Constant(value=str(name))):
                yield name
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="facts"), attr="get"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                yield name
            case ast.Call(func=ast.Name(id=called)) if called in functions:
                if functions[called] is not node:
                    yield from _facts_read(functions[called], functions)
            case _:
                pass


def errors_json() -> str:
    """The content of errors.json."""
    return _json({"schema": 1, "errors": error_entries()})


def table_of_codes() -> str:
    """The table at the end of errors.md."""
    rows = [
        f"| `{entry['code']}` | {entry['class']} | {', '.join(entry['facts'])} |"
        for entry in error_entries()
    ]
    return "\n".join(["| code | class | facts |", "|---|---|---|", *rows])


def errors_md() -> str:
    """The chapter on errors with its table made anew."""
    text = (SPEC / "errors.md").read_text("utf-8")
    before, begin, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not (begin and end):
        raise SpecError("errors.md: the marks around the table of codes are gone")
    return f"{before}{begin}\n{table_of_codes()}\n{end}{after}"


# --- what is held -------------------------------------------------------------------------------


#: A test that cites more clauses is broad: it fails for any of them and shows none in particular.
MOST_CITED = 3


def cited_by_tests() -> dict[str, list[int]]:
    """Clause ids that tests cite by ``@pytest.mark.clause(...)``.

    Returns:
        For each clause, how many clauses each citing test cites.
    """
    cited: dict[str, list[int]] = {}
    for file in sorted((ROOT / "tests").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_bytes())):
            match node:
                case ast.Call(func=ast.Attribute(attr="clause"), args=args):
                    for arg in args:
                        name = str(arg.value) if isinstance(arg, ast.Constant) else ""
                        if CLAUSE_ID.fullmatch(name):
                            cited.setdefault(name, []).append(len(args))
                case _:
                    pass
    return cited


def uncovered(clauses: list[Clause]) -> list[str]:
    """The MUSTs that no vector, no example and no citing test holds."""
    told = json.loads(clauses_json(clauses))["clauses"]
    with_vectors = {entry["id"] for entry in told if entry["vectors"]}
    cited = cited_by_tests()
    return [
        clause.id
        for clause in clauses
        if clause.level == "MUST"
        and not clause.examples
        and clause.id not in with_vectors
        and clause.id not in cited
    ]


def uncovered_txt(clauses: list[Clause]) -> str:
    """The committed list without what is held by now; nothing is ever added here."""
    lines = (SPEC / "uncovered.txt").read_text("utf-8").splitlines()
    left = set(uncovered(clauses))
    return "".join(f"{line}\n" for line in lines if line.startswith("#") or line in left)


def _json(document: Any) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def made() -> dict[Path, str]:
    """Every file that is made, and what it must hold."""
    clauses, _ = read_chapters()
    return {
        SPEC / "clauses.json": clauses_json(clauses),
        SPEC / "errors.json": errors_json(),
        SPEC / "errors.md": errors_md(),
        SPEC / "uncovered.txt": uncovered_txt(clauses),
    }


def main() -> int:
    """Write what is made, or with --check say what is stale."""
    stale = [
        file
        for file, text in made().items()
        if not file.exists() or file.read_text("utf-8") != text
    ]
    for file in stale:
        if "--check" in sys.argv:
            print(f"stale: {file.relative_to(ROOT)}")
        else:
            file.write_text(made()[file], "utf-8")
            print(f"made {file.relative_to(ROOT)}")
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    raise SystemExit(main())
