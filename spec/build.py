"""Generates clauses.json, errors.json and the table of codes from the chapters and the code.

It also removes covered clauses from uncovered.txt; new lines are added there by hand.

python spec/build.py            writes the generated files
python spec/build.py --check    lists stale files, and writes nothing
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
    """A chapter does not have the format of README.md."""


@dataclass(frozen=True, slots=True)
class Example:
    """One block of examples.

    Attributes:
        clause: the id of the clause that contains the block, or the heading of a worked example.
        chapter: the file name of the chapter.
        editions: the editions in which the examples are valid.
        line: the number of the first line in the chapter, from 1.
        lines: the lines of the block.
    """

    clause: str
    chapter: str
    editions: tuple[str, ...]
    line: int
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Clause:
    """One clause; a withdrawn clause has the level ``WITHDRAWN`` and may have no other data."""

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
    """All clauses in the order of the chapters, and all examples, also those outside clauses.

    Raises:
        SpecError: a clause has no level, edition or source, or an id occurs twice.
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
    if repeated := sorted({name for name in ids if ids.count(name) > 1}):
        raise SpecError(f"ids that occur twice: {', '.join(repeated)}")
    return clauses, examples


def _sections(text: str) -> Iterator[tuple[str, int, list[str]]]:
    """The text, line number and body of each heading outside code blocks."""
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
        raise SpecError(f"{where}: must have the form '### ID · Title   [LEVEL]'")
    if head["level"] == "WITHDRAWN":
        return Clause(head["id"], head["title"], "WITHDRAWN", "", (), "", chapter, "", ())
    metas = [match for text in body if (match := _META.fullmatch(text.strip()))]
    if head["level"] not in LEVELS or len(metas) != 1:
        raise SpecError(
            f"{where}: a clause must have a level and one line 'Edition: … · Source: …'"
        )
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
    first, block_editions = 0, editions
    for number, line in enumerate(body, start + 1):
        if block is None:
            if fence := _FENCE.fullmatch(line):
                if fence["edition"] not in (None, *editions):
                    raise SpecError(f"{chapter}:{number}: the example has another edition")
                block, first = [], number + 1
                block_editions = (fence["edition"],) if fence["edition"] else editions
        elif line == "```":
            yield Example(name, chapter, block_editions, first, tuple(block))
            block = None
        else:
            block.append(line)


# --- vectors ------------------------------------------------------------------------------------


def read_vectors() -> list[dict[str, Any]]:
    """All recorded cases, each with its operation as ``op``."""
    cases = []
    for file in sorted((SPEC / "vectors").rglob("*.json")):
        document = json.loads(file.read_bytes())
        head = {"op": document["op"], "edition": document["edition"]}
        cases += [{**case, **head} for case in document["cases"]]
    return cases


def _contested() -> set[str]:
    """The ids of the vectors at which towline is expected to fail."""
    file = SPEC / "drivers" / "towline.expected"
    lines = file.read_text("utf-8").splitlines() if file.exists() else []
    return {line.partition("#")[0].strip() for line in lines} - {""}


def clauses_json(clauses: list[Clause]) -> str:
    """The content of clauses.json."""
    sys.path.insert(0, str(ROOT))
    from spec.held_by import held_by

    vectors: dict[str, list[str]] = {}
    other = {clause.id for clause in clauses if clause.edition == "libpod-1.3"}
    contested = _contested()
    for case in read_vectors():
        names = held_by(case)
        if case["edition"] == "current":
            # Vectors with intended differences from other tools test no clause.
            names = set() if case["id"] in contested else names - other
        for name in sorted(names):
            vectors.setdefault(name, []).append(case["id"])
    if unknown := sorted(vectors.keys() - {clause.id for clause in clauses}):
        raise SpecError(f"held_by.py has unknown clauses: {', '.join(unknown)}")
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
            "vectors": vectors.get(clause.id, []),
        }
        for clause in clauses
    ]
    return _json({"schema": 1, "clauses": entries})


# --- errors -------------------------------------------------------------------------------------


def error_entries() -> list[dict[str, Any]]:
    """All error codes, each with its class, the facts of its sentences, and the sentences."""
    sys.path.insert(0, str(ROOT / "python"))
    from towline import errors
    from towline.wording import (
        current,
        current_archives,
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
    own = _expressions(
        current, current_archives, current_configuration, current_registry, current_store
    )
    libpod = _expressions(libpod_1_3, libpod_1_3_configuration, libpod_1_3_registry)
    expressions = {current: own, libpod_1_3: {**own, **libpod}}
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


_TABLES = ("_OWN", "ARCHIVES", "CONFIGURATION", "REGISTRY", "STORE")  # tables of sentences by code


def _expressions(*modules: Any) -> Mapping[str, tuple[dict[str, str], set[str]]]:
    """The sentences by code that are not plain texts, each with the facts that it reads."""
    found: dict[str, tuple[dict[str, str], set[str]]] = {}
    for module in modules:
        found |= _expressions_of(ast.parse(inspect.getsource(module)))
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
    """The Markdown table at the end of errors.md."""
    rows = [
        f"| `{entry['code']}` | {entry['class']} | {', '.join(entry['facts'])} |"
        for entry in error_entries()
    ]
    return "\n".join(["| code | class | facts |", "|---|---|---|", *rows])


def errors_md() -> str:
    """The content of errors.md with a new table."""
    text = (SPEC / "errors.md").read_text("utf-8")
    before, begin, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not (begin and end):
        raise SpecError("errors.md: the marks around the table of codes are missing")
    return f"{before}{begin}\n{table_of_codes()}\n{end}{after}"


# --- coverage -----------------------------------------------------------------------------------


#: A test that cites more clauses than this is broad: its failure does not identify a clause.
MOST_CITED = 3


def cited_by_tests() -> dict[str, list[int]]:
    """Clause ids that tests cite with ``@pytest.mark.clause(...)``.

    Returns:
        For each clause, the number of clauses that each citing test cites.
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
    """The MUST clauses without a vector, an example or a citing test."""
    entries = json.loads(clauses_json(clauses))["clauses"]
    with_vectors = {entry["id"] for entry in entries if entry["vectors"]}
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
    """The committed list without the covered clauses; this function adds no lines."""
    lines = (SPEC / "uncovered.txt").read_text("utf-8").splitlines()
    remaining = set(uncovered(clauses))
    return "".join(f"{line}\n" for line in lines if line.startswith("#") or line in remaining)


def _json(document: Any) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def made() -> dict[Path, str]:
    """All generated files, each with its content."""
    clauses, _ = read_chapters()
    return {
        SPEC / "clauses.json": clauses_json(clauses),
        SPEC / "errors.json": errors_json(),
        SPEC / "errors.md": errors_md(),
        SPEC / "uncovered.txt": uncovered_txt(clauses),
    }


def main() -> int:
    """Write the generated files, or with --check list the stale ones."""
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
            print(f"wrote {file.relative_to(ROOT)}")
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    raise SystemExit(main())
