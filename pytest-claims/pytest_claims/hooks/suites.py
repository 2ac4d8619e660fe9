"""Which suite a claim belongs to, and the models of each: checkpoints under test, and controls made of them.

A suite is what lies below one `conftest.py` that says how its model is loaded. Several may run at once; nothing that
belongs to one is ever asked of another.
"""

from __future__ import annotations

import inspect
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pytest_claims import weights
from pytest_claims.claim import Control
from pytest_claims.hooks.spelling import spelled
from pytest_claims.judging import attached, name_of, new_model
from pytest_claims.text import first_line, one_line

ENDINGS = (".pt", ".pth", ".bin", ".ckpt", ".safetensors", ".npz", ".npy", ".h5", ".pkl", ".onnx", ".json")
"""Of files that are taken for checkpoints in a folder that is named, unless the suite says which are."""

KEPT_BYTES = 64 * 2**20
"""Memory that models beside the one that is being judged may take to be kept for a claim that asks for them later."""


@dataclass(frozen=True)
class Checkpoint:
    """One model to verify, before it is loaded.

    suite  the key of its suite
    path   what was named; None for the model that the suite is about
    label  what it is called in test ids and reports, where several are verified; empty where it is the only one
    """

    suite: str
    path: Path | None
    label: str = ""


@dataclass
class Loaded:
    """A model under test, with what names it and what must not change."""

    checkpoint: Checkpoint
    model: Any
    line: str
    fingerprint: str | None
    attached: list[str]
    computed: dict[Any, Any] = field(default_factory=dict)
    """What claims computed of it."""


@dataclass
class Suite:
    """What one `conftest.py` says of its claims, asked in its folder.

    key     the folder, seen from pytest's root folder
    folder  where it lies
    config  pytest's
    claims  the folder of its first claim, in which hooks are asked
    """

    key: str
    folder: Path
    config: pytest.Config
    claims: Path
    checkpoints: list[Checkpoint] = field(default_factory=list)

    @property
    def hook(self) -> Any:
        """The hooks of pytest, as they are asked there."""
        return hooks_in(self.claims, self.config)


def hooks_in(folder: Path, config: pytest.Config) -> Any:
    """The hooks of pytest without those in the `conftest.py` of other folders.

    To be made anew for every call: a `conftest.py` that is loaded later is not left out of what was made before.
    """
    session: Any = config.pluginmanager.get_plugin("session")
    return session.gethookproxy(folder)


class Suites:
    """All suites of a run, in the order in which their first claim is collected."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.by_key: dict[str, Suite] = {}
        self._by_plugin: dict[int, Suite] = {}

    def of(self, folder: Path) -> Suite | None:
        """The suite of claims in a folder: of the `conftest.py` that is asked first for a model. None if none is."""
        implementations = hooks_in(folder, self.config).pytest_claims_load.get_hookimpls()
        loading = [impl for impl in implementations if not (impl.wrapper or impl.hookwrapper)]
        if not loading:
            return None
        plugin = loading[-1].plugin
        if id(plugin) not in self._by_plugin:
            file = Path(getattr(plugin, "__file__", None) or self.config.rootpath / "conftest.py")
            place = file.parent if file.name == "conftest.py" else self.config.rootpath
            suite = Suite(_seen_from(self.config.rootpath, place), place, self.config, folder)
            suite.checkpoints = [Checkpoint(suite.key, path, label) for path, label in self._named(suite)]
            self._by_plugin[id(plugin)] = self.by_key.setdefault(suite.key, suite)
        return self._by_plugin[id(plugin)]

    def folder_of(self, key: str) -> Path:
        """Where a suite lies, known to this process or not."""
        return self.by_key[key].folder if key in self.by_key else self.config.rootpath / key

    def at(self, folder: Path) -> Suite | None:
        """The suite that a folder belongs to, in a process that has collected nothing itself, as under pytest-xdist."""
        manager = self.config.pluginmanager
        manager._loadconftestmodules(
            folder,
            self.config.getoption("importmode"),
            self.config.rootpath,
            consider_namespace_packages=self.config.getini("consider_namespace_packages"),
        )
        return self.of(folder)

    def require(self, folder: Path, claim: str) -> Suite:
        """The suite, or pytest.UsageError where nobody says how the model of a claim is loaded."""
        suite = self.of(folder)
        if suite is None:
            named = self.config.getoption("claims_checkpoint")
            ignored = f"; {spelled(self.config, 'checkpoint')} {one_line(named[0])} is read by nobody" if named else ""
            raise pytest.UsageError(
                f"{claim}: no conftest.py says which model this claim is about: define "
                f"pytest_claims_load(path, device){ignored}"
            )
        return suite

    def _named(self, suite: Suite) -> list[tuple[Path | None, str]]:
        """The checkpoints that were asked for, and what to call them."""
        named: list[Path] = self.config.getoption("claims_checkpoint") or []
        paths: list[Path] = []
        for path in named:
            paths += self._in_folder(suite, path) if path.is_dir() else [path]
        if len(paths) < 2:
            return [(path, "") for path in paths] or [(None, "")]
        return list(zip(paths, labels(paths), strict=True))

    def _in_folder(self, suite: Suite, folder: Path) -> list[Path]:
        chosen = suite.hook.pytest_claims_checkpoints(config=self.config, path=folder)
        if chosen is not None:
            return [Path(path) for path in chosen]
        files = sorted(path for path in folder.iterdir() if path.suffix in ENDINGS and path.is_file())
        is_one = any(path.name in ("config.json", "pytorch_model.bin", "model.safetensors") for path in files)
        return [folder] if is_one or not files else files


def labels(paths: Iterable[Path]) -> list[str]:
    """A short name for each path, no two alike: its stem, with as much of its folder as that takes."""
    parts = [[*path.with_suffix("").parts] for path in paths]
    longest = max(map(len, parts))
    for length in range(1, longest + 1):
        names = ["-".join(part.strip("/") for part in path[-length:]) for path in parts]
        if len(set(names)) == len(names):
            return [_plain_id(name) for name in names]
    return [f"{_plain_id(path[-1])}-{i}" for i, path in enumerate(parts, start=1)]


def _plain_id(name: str) -> str:
    return "".join(c if c.isalnum() or c in "_-.=" else "_" for c in name) or "checkpoint"


def _seen_from(root: Path, folder: Path) -> str:
    try:
        return folder.resolve().relative_to(root.resolve()).as_posix()
    except ValueError:
        return folder.as_posix()


class Models:
    """The models of a process: of each suite one checkpoint at a time, and controls as long as they are asked for."""

    def __init__(self, config: pytest.Config, suites: Suites) -> None:
        self.config = config
        self.suites = suites
        self._loaded: dict[str, Loaded] = {}
        self._made: dict[tuple[Checkpoint, Control | None], _Made] = {}
        self._asked_for: Counter[tuple[Checkpoint, Control | None]] = Counter()

    def load(self, checkpoint: Checkpoint) -> Loaded:
        """The model, loaded unless it is. Raises pytest.UsageError in one line if the suite refuses its path."""
        suite = checkpoint.suite
        if suite not in self._loaded or self._loaded[suite].checkpoint != checkpoint:
            self.forget(suite)  # there may not be room for two
            self._loaded[suite] = self._load(checkpoint)
        return self._loaded[suite]

    def forget(self, suite: str) -> None:
        """Let go of the model of a suite, and of everything that was made of it."""
        self._loaded.pop(suite, None)
        self._made = {key: made for key, made in self._made.items() if key[0].suite != suite}

    def _load(self, checkpoint: Checkpoint) -> Loaded:
        suite, path = self.suites.by_key[checkpoint.suite], checkpoint.path
        option = spelled(self.config, "checkpoint")
        asked = f"{option} {one_line(path, 1000)}: " if path is not None else "the model under test: "
        device = self.config.getoption("claims_device")
        with _refusing(asked, suite):
            model = suite.hook.pytest_claims_load(config=self.config, path=path, device=device)
        if model is None:
            raise pytest.UsageError(f"{asked}pytest_claims_load in {suite.key}/conftest.py returned no model")
        loaded = Loaded(checkpoint, model, "", None, [])
        with _refusing(f"{asked}pytest_claims_fingerprint: ", suite):
            loaded.fingerprint = self.fingerprint(suite, model)
        loaded.attached = weights.attached(model)
        with _refusing(f"{asked}pytest_claims_subject: ", suite):
            loaded.line = self._line(suite, loaded)
        return loaded

    def fingerprint(self, suite: Suite, model: Any) -> str | None:
        """What the suite says, else what can be read off the model."""
        fingerprint = suite.hook.pytest_claims_fingerprint(config=self.config, model=model)
        return weights.fingerprint(model) if fingerprint is None else weights.as_sha256(str(fingerprint))

    def _line(self, suite: Suite, loaded: Loaded) -> str:
        path = loaded.checkpoint.path
        line = suite.hook.pytest_claims_subject(config=self.config, model=loaded.model, path=path)
        if line is not None:
            return one_line(line, 1000)
        return name_of(loaded.model, loaded.fingerprint, path)

    def require_unchanged(self, checkpoint: Checkpoint) -> None:
        """Raise RuntimeError if the model under test is not what it was when it was loaded."""
        loaded, suite = self.load(checkpoint), self.suites.by_key[checkpoint.suite]
        if self.fingerprint(suite, loaded.model) != loaded.fingerprint:
            raise RuntimeError("it changed the checkpoint under test: nothing that runs after it means anything")
        now = weights.attached(loaded.model)
        if now != loaded.attached:
            added = [name for name in now if name not in loaded.attached]
            what = f"left {added[0].strip()!r} attached to" if added else "took off what was attached to"
            raise RuntimeError(f"it {what} the checkpoint under test: nothing that runs after it means anything")

    def expect(self, runs: Iterable[tuple[Checkpoint, Control | None]]) -> None:
        """Every run that is to come: what no run asks for any more is not kept."""
        self._asked_for = Counter(runs)

    @contextmanager
    def run(self, checkpoint: Checkpoint, control: Control | None) -> Iterator[_Made]:
        """The model that a claim runs on, and what was computed of it: the checkpoint, or a control made from it.

        Raises what making it raises; ValueError if the control is no new model.
        """
        key = checkpoint, control
        loaded = self.load(checkpoint)
        made = self._made.setdefault(key, _Made(control))
        try:
            if control is None:
                made.model, made.computed = loaded.model, loaded.computed
                yield made
            elif inspect.isgeneratorfunction(control):
                with attached(control, loaded.model) as made.model:
                    yield made
            else:
                if made.model is None:
                    made.model = new_model(control, loaded.model)
                    made.size = weights.n_bytes(made.model)
                yield made
        finally:
            if control is None or inspect.isgeneratorfunction(control):
                made.model = None  # it is the checkpoint, which is kept by itself
            self._asked_for[key] -= 1
            if self._asked_for[key] <= 0:
                self._made.pop(key, None)
            self._make_room(key)

    def _make_room(self, latest: tuple[Checkpoint, Control | None]) -> None:
        """Let go of large models, the latest first: the others are asked for sooner again."""
        kept = sum(made.size or 0 for made in self._made.values())
        for key in [latest, *[key for key in self._made if key != latest]]:
            if kept <= KEPT_BYTES:
                return
            made = self._made.get(key)
            if made is not None and made.size:
                kept -= made.size
                del self._made[key]


@dataclass
class _Made:
    """A control, or the checkpoint itself, and what claims computed of it."""

    control: Control | None
    model: Any = None
    size: int | None = None
    computed: dict[Any, Any] = field(default_factory=dict)


@contextmanager
def _refusing(what: str, suite: Suite) -> Iterator[None]:
    """Turn whatever a hook raises, as pytest.skip and sys.exit do, too, into one line that ends the run."""
    try:
        yield
    except (pytest.UsageError, pytest.exit.Exception, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise pytest.UsageError(f"{what}{_told(error, suite.folder)}") from None


def _told(error: BaseException, folder: Path) -> str:
    """An exception in one line: where in the suite it was raised, unless it says a file's name itself."""
    text = f"{type(error).__name__}: {one_line(first_line(error), 500)}"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}" + (f" ({one_line(error.filename)})" if error.filename else "")
    frames = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).is_relative_to(folder)]
    return text + (f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else "")
