"""Every module-level number of the library says why it is that number.

A constant is a module-level name in capitals whose value is written out of numbers: 2_000,
4 * 1024**2, OTHER + 1, (1, 4, 16). Its reason or its source stands beside it: a string right below
it, a comment on its lines, or a comment right above it.
"""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = ("effbench", "baselines", "leaderboard")


def test_every_constant_has_its_reason_beside_it():
    bare = [
        f"{path.relative_to(ROOT)}:{line} {name}"
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*.py"))
        for line, name in bare_constants(path.read_text("utf-8"))
    ]
    assert not bare, "constants without a reason or a source beside them:\n" + "\n".join(bare)


def test_the_search_knows_a_bare_constant_from_a_reasoned_one():
    source = (
        "BARE = 3\n"
        "\n"
        "# Two of a kind.\n"
        "ABOVE = (1, 2.5)\n"
        "BELOW_ANOTHER = -7\n"
        "ON_THE_LINE: int = 4 * 1024  # a page\n"
        'BELOW = 1e-6\n"""The smallest step."""\n'
        "_PRIVATE = (1,)\n"
        "# noqa: E501\n"
        "MARKED = 5\n"
        "PAIRED = 6  # type: ignore\n"
        'WORDS = ("a", "b")\n'
        "FLAG = True\n"
        "lower = 9\n"
        "DERIVED = BARE + 1\n"
        "SAME = BARE\n"
        "FIRST, SECOND = 1, 2\n"
    )
    assert [name for _, name in bare_constants(source)] == [
        "BARE",
        "BELOW_ANOTHER",
        "_PRIVATE",
        "MARKED",
        "PAIRED",
        "DERIVED",
        "FIRST",
        "SECOND",
    ]


def bare_constants(source: str) -> list[tuple[int, str]]:
    """(line, name) of the module-level numbers of `source` that nothing beside them explains."""
    lines = source.splitlines()
    body = ast.parse(source).body
    bare = []
    for place, node in enumerate(body):
        targets, value = _assigned(node)
        names = [name for name in targets if re.fullmatch(r"_?[A-Z][A-Z0-9_]*", name)]
        if not names or value is None or not _is_number(value):
            continue
        below = body[place + 1] if place + 1 < len(body) else None
        reasoned = (
            _is_string(below)
            or _is_reason(lines[node.lineno - 2] if node.lineno > 1 else "", alone=True)
            or any(_is_reason(line) for line in lines[node.lineno - 1 : node.end_lineno])
        )
        if not reasoned:
            bare += [(node.lineno, name) for name in names]
    return bare


def _assigned(node: ast.stmt) -> tuple[list[str], ast.expr | None]:
    if isinstance(node, ast.Assign):
        leaves = [
            leaf for target in node.targets for leaf in (target.elts if isinstance(target, ast.Tuple) else [target])
        ]
        return [leaf.id for leaf in leaves if isinstance(leaf, ast.Name)], node.value
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return [node.target.id], node.value
    return [], None


def _is_number(value: ast.expr) -> bool:
    """Whether the expression is made of numbers: one, arithmetic, or a tuple or a list of such."""
    made_of = (ast.Constant, ast.Name, ast.UnaryOp, ast.BinOp, ast.Tuple, ast.List)
    parts = [part for part in ast.walk(value) if not isinstance(part, ast.operator | ast.unaryop | ast.expr_context)]
    constants = [part.value for part in parts if isinstance(part, ast.Constant)]
    return (
        bool(constants)
        and all(isinstance(part, made_of) for part in parts)
        and all(type(constant) in (int, float) for constant in constants)
    )


def _is_string(node: ast.stmt | None) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _is_reason(line: str, alone: bool = False) -> bool:
    """Whether a comment of words (not a mark for a tool) stands on the line; alone: nothing else."""
    code, hash_mark, comment = line.partition("#")
    if not hash_mark or (alone and code.strip()):
        return False
    return not re.match(r"\s*(noqa|type:|pragma|mypy:|ruff:|fmt:|-*\s*$)", comment)
