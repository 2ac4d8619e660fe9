"""What is compiled is saved between processes, until any source of it changes, and only where it can be."""

import numba
import pytest

from sorted_list_model.proof.compiled import caching, search


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module with a function to compile, in a folder that may be written to."""
    (tmp_path / "compiled_here.py").write_text("def double(x):\n    return 2 * x\n")
    monkeypatch.syspath_prepend(tmp_path)
    return __import__("compiled_here")


def compiled_anew(function):
    """Whether a call compiles, as in a process of its own."""
    dispatcher = numba.njit(function)
    caching.save_between_processes(dispatcher)
    assert dispatcher(2) == 4
    return not dispatcher.stats.cache_hits


def test_what_is_compiled_is_made_anew_when_any_source_has_changed(module, monkeypatch):
    assert compiled_anew(module.double)
    assert not compiled_anew(module.double)
    monkeypatch.setattr(caching, "sources", lambda: "of another version")
    assert compiled_anew(module.double)
    assert not compiled_anew(module.double)


def test_the_search_is_saved_by_all_of_its_sources():
    assert search.search._cache._cache_file._source_stamp == caching.sources()


def test_where_nothing_can_be_written_each_process_compiles(module, monkeypatch):
    monkeypatch.setattr(numba.config, "CACHE_LOCATOR_CLASSES", "UserProvidedCacheLocator")  # of which there is none
    assert compiled_anew(module.double)
    assert compiled_anew(module.double)


def test_a_full_disk_does_not_matter(module, monkeypatch):
    from numba.core.caching import IndexDataCacheFile

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(IndexDataCacheFile, "save", full)
    assert compiled_anew(module.double)
