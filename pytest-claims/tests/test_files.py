"""Files appear whole or not at all, and are for nobody else to read than they were."""

import errno
import os
import stat
import tracemalloc

import pytest
from made_results import claim
from pytest_claims import files
from pytest_claims.__main__ import main
from pytest_claims.output.json import encode, to_document
from pytest_claims.report.report import Report
from pytest_claims.universality.outcome import OutcomeError, read_outcome


@pytest.fixture(params=[0o022, 0o077, 0o002], ids=oct)
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_file_is_as_the_umask_says(tmp_path, umask):
    files.write_whole(tmp_path / "new", b"content")
    assert mode(tmp_path / "new") == 0o666 & ~umask


@pytest.mark.parametrize("before", [0o600, 0o640, 0o664])
def test_a_replaced_file_stays_as_open_as_it_was(tmp_path, umask, before):
    (tmp_path / "old").write_bytes(b"")
    (tmp_path / "old").chmod(before)
    files.write_whole(tmp_path / "old", b"content")
    assert (tmp_path / "old").read_bytes() == b"content"
    assert mode(tmp_path / "old") == before


def test_no_file_is_open_for_a_moment_that_is_private_afterwards(tmp_path, umask, monkeypatch):
    private = tmp_path / "private"
    private.write_bytes(b"")
    private.chmod(0o600)
    seen = []
    opened = os.open

    def watch(path, flags, *rest, **named):
        descriptor = opened(path, flags, *rest, **named)
        if flags & os.O_CREAT:
            seen.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        return descriptor

    monkeypatch.setattr(files.os, "open", watch)
    files.write_whole(private, b"content")
    assert seen
    assert all(permissions & 0o077 == 0 for permissions in seen)


def test_a_file_that_is_written_in_pieces_appears_when_it_is_whole(tmp_path, umask):
    path = tmp_path / "folder" / "new"
    with files.written_whole(path) as file:
        for piece in (b"one ", b"two"):
            file.write(piece)
            assert not path.exists()
    assert path.read_bytes() == b"one two"
    assert mode(path) == 0o666 & ~umask
    assert os.listdir(path.parent) == ["new"]


@pytest.mark.parametrize("ended", [KeyboardInterrupt, ValueError, OSError], ids=lambda error: error.__name__)
@pytest.mark.parametrize("before", [b"what was there", None], ids=["replaced", "new"])
def test_a_writer_that_is_stopped_leaves_what_was_there(tmp_path, ended, before):
    path = tmp_path / "file"
    if before is not None:
        path.write_bytes(before)

    def stop():
        with files.written_whole(path) as file:
            file.write(b"half")
            file.flush()
            raise ended

    with pytest.raises(ended):
        stop()
    assert {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()} == ({"file": before} if before else {})


def test_a_full_disk_is_said_to_be_that_of_the_file(tmp_path):
    """Whichever piece it is that finds no room."""
    with pytest.raises(OSError, match="No space left") as caught, files.written_whole(tmp_path / "file"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.filename == str(tmp_path / "file")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("length", [240, 244, 245, 246, 250, 255])
def test_names_may_be_as_long_as_the_file_system_takes_them(tmp_path, length):
    path = tmp_path / ("x" * length)
    files.write_whole(path, b"content")
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("length", [20, 250, 255])
def test_what_a_killed_writer_left_is_swept_up_and_nothing_else(tmp_path, length):
    path, other_path = tmp_path / ("x" * length), tmp_path / ("y" * length)
    with files.beside(path, b"half") as temporary:
        kept = temporary.read_bytes()
    with files.beside(other_path, b"half") as of_other_path:
        pass
    temporary.write_bytes(kept)
    of_other_path.write_bytes(kept)
    path.write_bytes(b"whole")
    files.sweep_up(path)
    assert {entry.name for entry in tmp_path.iterdir()} == {path.name, of_other_path.name}


def test_the_outcome_of_a_run_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "outcome.json")
    with pytest.raises(OutcomeError, match=r"outcome\.json: is not a regular file"):
        read_outcome(tmp_path / "outcome.json")


def test_a_file_that_grows_while_it_is_read_is_refused(tmp_path, monkeypatch):
    """Its size was looked at before: what counts is what was read."""
    path = tmp_path / "grows"
    path.write_bytes(b"x" * 10)
    looked = os.fstat

    def look(descriptor):
        status = looked(descriptor)
        with path.open("ab") as file:
            file.write(b"x" * 10)
        return status

    monkeypatch.setattr(files.os, "fstat", look)
    with pytest.raises(files.Unreadable, match="takes more than the 15 bytes that are read"):
        files.read_regular(path, 15)


def test_a_file_that_grows_while_it_is_read_is_read_to_its_end(tmp_path, monkeypatch):
    path = tmp_path / "grows"
    path.write_bytes(b"12345")
    looked = os.fstat

    def look(descriptor):
        status = looked(descriptor)
        path.write_bytes(b"1234567890")
        return status

    monkeypatch.setattr(files.os, "fstat", look)
    assert files.read_regular(path, 15) == b"1234567890"


def test_reading_takes_the_memory_of_the_file_and_not_of_the_limit(tmp_path):
    path = tmp_path / "small"
    path.write_bytes(b"x" * 1000)
    tracemalloc.start()
    content = files.read_regular(path, 2**28)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(content) == 1000
    assert peak < 2**20


@pytest.mark.parametrize("name", ["a\0b", "x" * 300, "file/below", ""])
def test_a_name_that_no_file_can_have_is_unreadable(tmp_path, name):
    (tmp_path / "file").write_text("")
    with pytest.raises(files.Unreadable) as caught:
        files.read_regular(tmp_path / name, 10)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_replaced_through_a_link_stays_private(tmp_path):
    report = tmp_path / "report.json"
    report.write_bytes(encode(to_document(Report([claim()], exit_code=0))))
    (tmp_path / "real.html").write_text("private")
    (tmp_path / "real.html").chmod(0o600)
    (tmp_path / "report.html").symlink_to("real.html")
    assert main(["render", str(report)]) == 0
    assert (tmp_path / "report.html").stat().st_mode & 0o777 == 0o600
