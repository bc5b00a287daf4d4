"""Generated sections of hand-written pages: what stands between two markers is replaced, so no number there is typed."""

from __future__ import annotations

from pathlib import Path

from effbench.errors import BadInput


def replace_section(page: Path, name: str, text: str) -> None:
    """Put ``text`` between the markers ``<!-- NAME:begin ... -->`` and ``<!-- NAME:end -->`` of a page.

    Raises ``BadInput`` where the page lacks them.
    """
    content = page.read_text(encoding="utf-8")
    begin, end = content.find(f"<!-- {name}:begin"), content.find(f"<!-- {name}:end -->")
    if begin < 0 or end < begin:
        raise BadInput(f"{page}: has no section between <!-- {name}:begin --> and <!-- {name}:end -->")
    opening = content[begin : content.index("-->", begin) + len("-->")]
    page.write_text(f"{content[:begin]}{opening}\n{text.strip()}\n{content[end:]}", encoding="utf-8")
