"""Names and sentences from stores as text that nothing takes for markup: Markdown, Plotly and a page's address."""

from __future__ import annotations

import re

_ADDRESS = re.compile(r"\b(www)\.", re.IGNORECASE)
"""What Markdown makes a link of although no protocol stands before it."""


def escape(text: str) -> str:
    """Return text that Streamlit's Markdown shows as it is, on one line: no link, picture, colour or icon comes of it."""
    plain = " ".join(text.split())
    marked = "".join(f"\\{character}" if character in "\\`*_{}[]()$:<>~#|!" else character for character in plain)
    return _ADDRESS.sub(r"\1\\.", marked)


def plain_label(text: str) -> str:
    """Return text that Plotly shows as it is: no tag, link or ``%{field}`` comes of it."""
    plain = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;")
    return plain.replace("%{", "%&#123;").replace("$", "&#36;")


def code(text: str) -> str:
    """Return text as a code span of Markdown: between more backticks than it holds in a row."""
    plain = " ".join(text.split())
    fence = "`" * (1 + max(map(len, re.findall("`+", plain)), default=0))
    return f"{fence}{plain}{fence}" if len(fence) == 1 else f"{fence} {plain} {fence}"
