"""What a file is that is no checkpoint, by its first bytes, and what to do instead."""

from __future__ import annotations

import json
import re

from toy_model.checkpoint.refusal import one_line

ANEW = "load it where you trust it and save it anew: torch.save(model.state_dict(), path)"

MAGIC = {
    b"version https://git-lfs": "is a Git LFS pointer, not the file: fetch that with `git lfs pull`",
    b"\x93NUMPY": "is a numpy .npy array, not a checkpoint of torch",
    b"GGUF": "is a GGUF file, as llama.cpp reads, not a checkpoint of torch: name the one that it was made of",
    b"GGML": "is a GGML file, as llama.cpp read, not a checkpoint of torch: name the one that it was made of",
    b"\x89HDF\r\n\x1a\n": "is an HDF5 file, as Keras writes, not a checkpoint of torch",
    b"\x1f\x8b": "is compressed with gzip: unpack it first",
    b"BZh": "is compressed with bzip2: unpack it first",
    b"\xfd7zXZ\x00": "is compressed with xz: unpack it first",
    b"\x28\xb5\x2f\xfd": "is compressed with zstd: unpack it first",
    b"7z\xbc\xaf\x27\x1c": "is a 7z archive: unpack it first",
    b"Rar!": "is a RAR archive: unpack it first",
    b"%PDF": "is a PDF document, not a checkpoint",
    b"\x89PNG": "is a picture, not a checkpoint",
    b"\xff\xd8\xff": "is a picture, not a checkpoint",
    b"\x7fELF": "is a program, not a checkpoint",
    b"PAR1": "is a Parquet table, not a checkpoint",
    b"ARROW1": "is an Arrow table, not a checkpoint",
    b"SQLite format 3\x00": "is a SQLite database, not a checkpoint",
    b"PK\x05\x06": "is an empty zip file",
}
"""By the first bytes."""

_PICKLE = tuple(bytes((0x80, protocol)) for protocol in range(2, 6))
_NEITHER = "is neither a safetensors file nor a torch.save archive"


def what_it_is(content: bytes) -> str:
    """The half line, to follow the name of the file, for a file that no reader takes."""
    for magic, kind in MAGIC.items():
        if content.startswith(magic):
            return kind
    if content[257:262] == b"ustar":
        return "is a tar archive: unpack it first"
    if content[4:8] == b"TFL3":
        return "is a TensorFlow Lite model, not a checkpoint of torch"
    if content.startswith(_PICKLE):
        return f"is a bare pickle, which could run code, and was not read; {ANEW}"
    if content[:1] == b"\x08" and re.search(rb"pytorch|onnx|ir_version", content[:400]):
        return "is an ONNX model, not a checkpoint of torch"
    start = content[:1000].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")) or b"<html" in start:
        return "is an HTML page, not the file: download the file itself (its raw or /resolve/ address)"
    if start.startswith(b"<?xml"):
        return "is an XML document, as a server's error message, not a checkpoint"
    if start.startswith((b"{", b"[")):
        return _json(content)
    return f"{_NEITHER}{', but text' if _is_text(content[:1000]) else ''}"


def _json(content: bytes) -> str:
    """A text that may be JSON; an index of shards is read elsewhere."""
    try:
        parsed = json.loads(content[: 2**20])
    except (ValueError, RecursionError):
        return _NEITHER
    keys = ", ".join(one_line(key)[:30] for key in list(parsed)[:3]) if isinstance(parsed, dict) else ""
    return f"{_NEITHER}, but a JSON text{f' that holds {keys}' if keys else ''}"


def _is_text(start: bytes) -> bool:
    try:
        return (
            start.decode("utf-8", errors="strict").replace("\n", "").replace("\t", "").replace("\r", "").isprintable()
        )
    except UnicodeDecodeError:
        return False
