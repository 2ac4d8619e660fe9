"""Files that people hand over by mistake are named for what they are."""

import gzip
import io
import json
import tarfile
import zipfile

import numpy as np
import pytest
import torch
from saved_files import complaint, hooked


def npz(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def npy():
    file = io.BytesIO()
    np.save(file, np.ones(3))
    return file.getvalue()


def tar():
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("model.pt"))
    return file.getvalue()


def zipped(*names):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
    return file.getvalue()


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 16467\n"

FILES = {
    "is a Git LFS pointer, not the file: fetch that with `git lfs pull`": POINTER,
    "is an HTML page, not the file": b"<!DOCTYPE html>\n<html><title>model.pt</title></html>\n",
    "is an HTML page, not": b"\n  <HTML><body>404</body></HTML>",
    "is an XML document": b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>',
    "is a numpy .npz archive": npz(W_E=np.ones(3)),
    "is a numpy .npy array": npy(),
    "is a GGUF file": b"GGUF\x03\0\0\0" + bytes(60),
    "is an HDF5 file, as Keras writes": b"\x89HDF\r\n\x1a\n" + bytes(60),
    "is compressed with gzip": gzip.compress(b"x"),
    "is a tar archive": tar(),
    "is a Keras model": zipped("config.json", "model.weights.h5"),
    "is a zip file, but not one that torch.save wrote: it holds a.pt, b.pt": zipped("a.pt", "b.pt"),
    "is an empty zip file": zipped(),
    "is a program": b"\x7fELF" + bytes(60),
    "is neither a safetensors file nor a torch.save archive, but a JSON text that holds architectures": json.dumps(
        {"architectures": ["GPT2"]}
    ).encode(),
    "is neither a safetensors file nor a torch.save archive, but text": b"import torch\n",
    "is neither a safetensors file nor a torch.save archive": bytes(range(200, 256)),
    "is a bare pickle, which could run code": b"\x80\x04}.",
}


@pytest.mark.parametrize("kind", FILES)
def test_a_file_is_named_for_what_it_is(tmp_path, kind):
    path = tmp_path / "model.pt"
    path.write_bytes(FILES[kind])
    assert complaint(path).startswith(kind)


def test_a_TorchScript_program_is_one(tmp_path):
    with pytest.warns(DeprecationWarning, match="torch.jit"):
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), tmp_path / "script.pt")
    assert complaint(tmp_path / "script.pt") == "is a TorchScript program, not a state dict: save model.state_dict()"


def test_a_file_that_was_cut_short_is_no_other_kind(save, reference):
    path = save(hooked(reference))
    path.write_bytes(path.read_bytes()[:-100])
    assert complaint(path) == "is a torch.save archive that was cut short or padded"
