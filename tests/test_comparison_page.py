"""The README's table of what other tools do is that of docs/comparison.md, which says for every tool what was read."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent


def table(page: str) -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    found = re.search(r"<!-- comparison:begin.*?-->\n(.*?)<!-- comparison:end -->", text, re.DOTALL)
    assert found is not None, page
    return found[1].strip().splitlines()


def test_both_pages_show_one_table_and_every_tool_has_its_sources():
    rows = table("docs/comparison.md")
    assert table("README.md") == rows
    tools = [cell.strip() for cell in rows[0].split("|")[3:-1]]
    page = (ROOT / "docs/comparison.md").read_text(encoding="utf-8")
    sections = {part.splitlines()[0]: part for part in page.split("\n## ")[1:]}
    for tool in tools:
        title = {"lm-eval": "lm-evaluation-harness"}.get(tool, tool)
        assert "Read" in sections[title], tool
    assert all(row.count("|") == len(tools) + 3 for row in rows)
