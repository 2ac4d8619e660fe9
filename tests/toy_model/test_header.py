"""The header of a checkpoint: it is read only where it can mean one thing, and only up to a size."""

import json
import struct

import pytest

from cumsum_model.system import SYSTEM
from cumsum_model.task import REFERENCE
from toy_model.checkpoint.checkpoint import CheckpointError, read_checkpoint
from toy_model.checkpoint.container import MAX_HEADER


def rewritten(header, data):
    text = header.encode()
    return struct.pack("<Q", len(text)) + text + data


def test_a_tensor_that_stands_twice_in_a_header_is_refused(tmp_path):
    """Which of the two is meant is for each reader to decide: another might see another model."""
    content = REFERENCE.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header, data = content[8 : 8 + length].decode(), content[8 + length :]
    name = '"blocks.0.attn.W_K"'
    entry = json.dumps(json.loads(header)["blocks.0.attn.W_Q"])
    path = tmp_path / "twice.safetensors"
    path.write_bytes(rewritten(f"{{{name}:{entry},{header.strip()[1:]}", data))
    with pytest.raises(CheckpointError, match=r"its header has blocks\.0\.attn\.W_K twice"):
        read_checkpoint(path, SYSTEM)


def test_a_header_larger_than_any_is_not_read(tmp_path):
    path = tmp_path / "large.safetensors"
    path.write_bytes(rewritten("{" + " " * MAX_HEADER + "}", b""))
    with pytest.raises(CheckpointError, match="has a header of 4,194,306 bytes, more than the 4,194,304"):
        read_checkpoint(path, SYSTEM)
