"""Text and numbers that are safe to show: whatever a checkpoint, a claim or a report holds."""

from __future__ import annotations

import unicodedata

LONGEST_TEXT = 20_000


def readable(text: str) -> str:
    r"""The text with everything that cannot be seen or written spelled out, at most `LONGEST_TEXT` long.

    Control characters, characters that turn the direction of writing, and what was no valid UTF-8 become
    escapes such as \x1b; line breaks stay.
    """
    if len(text) > LONGEST_TEXT:
        text = f"{text[:LONGEST_TEXT]}... ({len(text) - LONGEST_TEXT:,} characters more)"
    return "".join(character if _visible(character) else _escaped(character) for character in text)


def one_line(text: object, longest: int = 200) -> str:
    """The text readable, on one line and cut to `longest` characters."""
    return " ".join(readable(str(text)).split())[:longest]


def first_line(error: BaseException) -> str:
    """What an exception says, in one line; its type where it says nothing."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def format_number(number: float) -> str:
    """Four significant digits; whole numbers in full."""
    if isinstance(number, int):
        return f"{number:,}"
    return f"{number:.4g}"


def short_name(claim: str) -> str:
    """The name of a claim's test, without its file."""
    return claim.rpartition("::")[2]


def without_commands(line: str) -> str:
    """The line, such that GitHub Actions does not take it for a workflow command: it is text of a claim."""
    return line.replace("::", ": :", 1) if line.lstrip().startswith("::") else line


def _visible(character: str) -> bool:
    if character in "\n\t":
        return True
    not_a_character = ord(character) & 0xFFFE == 0xFFFE  # nor may it stand in XML
    return not not_a_character and unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp")


def _escaped(character: str) -> str:
    if ord(character) < 128:  # "backslashreplace" leaves these as they are
        return f"\\x{ord(character):02x}"
    return character.encode("ascii", "backslashreplace").decode()
