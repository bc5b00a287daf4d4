"""What a word of YAML means: the values on which YAML 1.1 and 1.2 agree, and text as it is written for all others.

YAML 1.1 turns ``off`` into false, ``1:30`` into 90, ``010`` into 8 and ``2020-01-01`` into a date without a word. Here
they stay text: a field for text gets what was written, and a field for a number says what to write instead (``number_hint``).
"""

from __future__ import annotations

import math
import re

NULLS = ("", "~", "null", "Null", "NULL")
BOOLS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
LARGEST = 2**63 - 1
"""Beyond it numpy, torch and Arrow take no integer."""
MOST_DIGITS = 400
"""Characters of a number: the largest float has 309 digits, and Python refuses to read an integer of over 4300."""

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*)([eE][-+][0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")

_EXPONENT = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9_]+")
_BASE = re.compile(r"[-+]?0[obOB][0-9_]+")
_SEXAGESIMAL = re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?")
_UNDERSCORES = re.compile(r"[-+]?[0-9][0-9_]*(\.[0-9_]*)?")


class BadScalar(ValueError):
    """A word that cannot be taken as it is; the message is the sentence without its place."""


def plain_value(text: str, finite: bool = True) -> bool | int | float | str | None:
    """Return the value of an unquoted word; raise ``BadScalar`` beyond 64 bits and, if ``finite``, for .inf and .nan."""
    if text in NULLS:
        return None
    if text in BOOLS:
        return BOOLS[text]
    if _NOT_FINITE.fullmatch(text):
        if not finite:
            return float(text.replace(".", "", 1))
        raise BadScalar(f"{text} is not a finite number; leave the key out where there is no limit")
    if _INTEGER.fullmatch(text) or _HEXADECIMAL.fullmatch(text):
        if len(text) > MOST_DIGITS or abs(value := int(text, 0)) > LARGEST:
            raise BadScalar(f"{_short(text)} is beyond 64 bits; the largest integer is {LARGEST}")
        return value
    if _FLOAT.fullmatch(text):
        if len(text) > MOST_DIGITS or math.isinf(number := float(text)):
            raise BadScalar(f"{_short(text)} is beyond what a number can hold; the largest is 1.7e+308")
        return number
    return text


def is_octal_to_some(text: str) -> bool:
    """Return whether a word is a number with leading zeros, which YAML 1.1 reads as octal and YAML 1.2 as decimal."""
    return bool(_LEADING_ZERO.fullmatch(text))


def number_hint(text: str) -> str:
    """Return what to write where a number was meant and the word is text, as "; ..."; "" where nothing is known."""
    if len(text) > MOST_DIGITS:
        return ""
    if _EXPONENT.fullmatch(text):
        number = float(text)
        wanted = "a finite number" if math.isinf(number) else _with_dot(number)
        return f"; YAML reads {text} as text, write {wanted}"
    if is_octal_to_some(text):
        return "; with a leading zero it is octal to some readers and decimal to others, write it without"
    if _BASE.fullmatch(text):
        return "; write the number in decimal digits"
    if _SEXAGESIMAL.fullmatch(text):
        return "; some readers take it as base 60 (1:30 as 90), write the number itself"
    if "_" in text and _UNDERSCORES.fullmatch(text):
        return f"; write {text.replace('_', '')}"
    if text.lower() in ("none", "nil", "undefined"):
        return "; write null for no value"
    if text.lower().lstrip("+-.") in ("inf", "infinity", "nan"):
        return "; a number must be finite"
    return ""


def _with_dot(number: float) -> str:
    if number.is_integer() and abs(number) < LARGEST:
        return str(int(number))  # which does for a whole number and for any other
    plain = repr(number)
    if "e" not in plain:
        return plain
    digits, _, exponent = plain.partition("e")
    return f"{digits if '.' in digits else digits + '.0'}e{exponent}"


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:30]}... ({len(text)} characters)"
