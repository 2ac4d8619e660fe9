"""What takes long to make and is only read: made once in a run of the tests, however many processes that has."""

import fcntl
import hashlib
import shutil


class Once:
    """Folders by name, in one that all processes of pytest-xdist share."""

    def __init__(self, shared):
        self.shared = shared

    def __call__(self, name, make):
        """The folder that `make(folder)` has filled. Whoever comes while it is made waits; if that fails, all fail."""
        folder, digest = self.shared / name, self.shared / f"{name}.sha256"
        with (self.shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not digest.exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                make(folder)
                digest.write_text(digest_of(folder))
        assert digest_of(folder) == digest.read_text(), f"a test has changed {folder}, which others read"
        return folder


def digest_of(folder):
    """One for the names and contents of all files below a folder."""
    whole = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        whole.update(f"{path.relative_to(folder)}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    return whole.hexdigest()
