"""Names and sentences from stores as text that nothing takes for markup: Markdown, Plotly and a page's address."""

from __future__ import annotations

import re

_MEANT = re.compile(
    r"(?<=http:)(?=//)|(?<=https:)(?=//)|(?<=www)(?=\.)|(?<=@)(?=[-\w]+\.[-\w])|(?<=:)(?=[a-z+-][\w+/-]*:)",
    re.IGNORECASE,
)
"""Where addresses and names of icons can be broken: the page looks for them once escapes are undone, so these do not help."""

_BREAK = "\u2060"
"""A character without width (word joiner), at which no line is broken either."""


def escape(text: str) -> str:
    """Return text that Streamlit's Markdown shows as it is, on one line: no link, picture, colour or icon comes of it."""
    plain = _MEANT.sub(_BREAK, " ".join(text.split()))
    return "".join(f"\\{character}" if character in "\\`*_{}[]()$:<>~#|!" else character for character in plain)


def plain_label(text: str) -> str:
    """Return text that Plotly shows as it is: no tag, link or ``%{field}`` comes of it."""
    plain = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;")
    return plain.replace("%{", "%&#123;").replace("$", "&#36;")


def code(text: str) -> str:
    """Return text as a code span of Markdown: between more backticks than it holds in a row."""
    plain = " ".join(text.split())
    fence = "`" * (1 + max(map(len, re.findall("`+", plain)), default=0))
    return f"{fence}{plain}{fence}" if len(fence) == 1 else f"{fence} {plain} {fence}"
