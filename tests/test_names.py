"""One word, one meaning: no two public classes of the library share a name.

`Params` is exempt: it is a class inside a plugin's class, and the contract asks for that name.
"""

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = ("effbench", "baselines", "leaderboard")


def test_no_two_public_classes_share_a_name():
    places = defaultdict(list)
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            for line, name in public_classes(path.read_text("utf-8")):
                places[name].append(f"{path.relative_to(ROOT)}:{line}")
    shared = [f"{name}: {', '.join(at)}" for name, at in sorted(places.items()) if len(at) > 1]
    assert not shared, "public classes of one name:\n" + "\n".join(shared)


def test_the_search_reads_nested_classes_and_skips_private_ones_and_params():
    source = (
        "class Outer:\n"
        "    class Params:\n        pass\n"
        "    class Inner:\n        pass\n"
        "class _Private:\n    pass\n"
        "def make():\n    class Local:\n        pass\n"
    )
    assert [name for _, name in public_classes(source)] == ["Outer", "Inner"]


def public_classes(source: str) -> list[tuple[int, str]]:
    """(line, name) of the public classes of `source`, those inside public classes too."""

    def walk(body: list[ast.stmt]) -> list[tuple[int, str]]:
        found = []
        for node in body:
            if isinstance(node, ast.If | ast.Try):
                found += walk(node.body) + walk(node.orelse)
            elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                if node.name != "Params":
                    found.append((node.lineno, node.name))
                found += walk(node.body)
        return found

    return walk(ast.parse(source).body)
