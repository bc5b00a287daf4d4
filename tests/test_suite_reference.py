from pathlib import Path

from effbench.suitedoc import suite_reference


def test_docs_suite_md_is_what_the_schema_says():
    page = Path(__file__).parent.parent / "docs" / "suite.md"
    assert page.read_text() == suite_reference(), "run `make docs`"
