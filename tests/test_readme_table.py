"""What puts tables into pages: the shipped demo's tables come out whole, and without claims."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_a_store_s_tables_replace_what_stands_between_the_markers(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- numbers:begin (x) -->\nstale\n<!-- numbers:end -->\nafter\n")
    store = ROOT / "leaderboard" / "demo" / "demo-architectures"
    line = [sys.executable, ROOT / "docs" / "readme_table.py", store, "--page", page, "--section", "numbers"]
    subprocess.run(line, check=True, capture_output=True, timeout=120)
    text = page.read_text()
    assert text.startswith("before\n") and text.endswith("after\n") and "stale" not in text
    assert "### planted-25" in text and "kendall tau" in text and "#### " not in text
