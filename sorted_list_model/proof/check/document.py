"""What a certificate is made of: lines of JSON, and in them bytes that are compressed. Nothing here is believed.

Whatever is wrong with a line is one reason, in one line; no line and no packed text takes more memory than it may.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import zlib
from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any, BinaryIO, NoReturn

MAX_LINE = 2**24
"""Bytes of a line, at most."""

MAX_UNPACKED = 2**24
"""Bytes that a packed text of one class may unpack to: 16 million nodes, or 4 million numbers of their witness."""


class Rejected(Exception):
    """The certificate does not prove what it says. The message is one line."""


class OutOfRange(Rejected):
    """The checkpoint is none that this checker can compute with. The message is one line."""


def require(condition: bool, reason: str) -> None:
    """Raise Rejected for this reason, unless the condition holds."""
    if not condition:
        raise Rejected(reason)


def lines_of(file: BinaryIO) -> Iterator[bytes]:
    """The lines of a file, one at a time; of one that is too long no more than shows that it is."""
    return iter(partial(file.readline, MAX_LINE + 1), b"")


def parsed(line: bytes, where: str, *names: str) -> dict[str, Any]:
    """The JSON object in a line, which has entries of these names and no others. Raises Rejected."""
    require(len(line) <= MAX_LINE, f"{where}: the line is longer than {MAX_LINE:,} bytes")
    require(line.endswith(b"\n"), f"{where}: the line is cut short")
    try:
        document = json.loads(line.decode(), object_pairs_hook=_without_repetition, parse_constant=_refused)
    except (ValueError, RecursionError) as error:
        raise Rejected(f"{where}: it is not JSON ({_one_line(error)})") from None
    return entries(document, where, *names)


def entries(document: Any, where: str, *names: str) -> dict[str, Any]:
    """`document`, a JSON object with entries of these names and no others. Raises Rejected."""
    require(isinstance(document, dict), f"{where}: it is not a JSON object")
    missing, unknown = sorted(set(names) - set(document)), sorted(set(document) - set(names))
    require(not missing, f"{where}: it lacks {', '.join(map(repr, missing))}")
    require(not unknown, f"{where}: it has an entry {unknown[:1]!r:.60} that does not belong there")
    return document


def whole(stated: Any, where: str) -> int:
    """A whole number, 0 or more: true and false are none, nor is 1.0. Raises Rejected."""
    require(type(stated) is int and stated >= 0, f"{where} is {shown(stated)}, which is no whole number from 0 on")
    return int(stated)


def size(stated: Any, where: str) -> float:
    """A finite number, 0 or more. Raises Rejected."""
    if type(stated) is int and 0 <= stated < 2**53:
        return float(stated)
    valid = type(stated) is float and math.isfinite(stated) and stated >= 0
    require(valid, f"{where} is {shown(stated)}, which is no number from 0 on")
    return float(stated)


def unpacked(stated: Any, where: str) -> bytes:
    """The bytes that were compressed with zlib and written in base 64. Raises Rejected."""
    require(isinstance(stated, str), f"{where}: it is no text")
    decompress = zlib.decompressobj()
    try:
        content = decompress.decompress(base64.b64decode(stated, validate=True), MAX_UNPACKED)
    except (ValueError, binascii.Error, zlib.error) as error:
        raise Rejected(f"{where}: it cannot be unpacked ({_one_line(error)})") from None
    require(not decompress.unconsumed_tail, f"{where}: it unpacks to more than {MAX_UNPACKED:,} bytes")
    require(decompress.eof, f"{where}: it is cut short")
    require(not decompress.unused_data, f"{where}: {len(decompress.unused_data)} bytes follow its end")
    return content


def shown(stated: Any) -> str:
    """What was found instead, in at most some forty characters."""
    if type(stated) is int and abs(stated) >= 10**40:  # Python refuses to write down what has thousands of digits
        return f"a number of {stated.bit_length()} bits"
    if isinstance(stated, list | dict):
        return "a list" if isinstance(stated, list) else "an object"
    text = repr(stated)
    return text if len(text) <= 40 else f"{text[:40]}.."


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        name, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise ValueError(f"it has two entries {name!r:.60}")
    return document


def _refused(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:100]}"
