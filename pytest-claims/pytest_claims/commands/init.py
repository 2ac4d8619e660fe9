"""`init`: write the files that a suite of claims begins with."""

from __future__ import annotations

import argparse
import os
from importlib import resources
from pathlib import Path

from pytest_claims.commands.failure import fail
from pytest_claims.files import a_path, shown

HELP = """\
Write the files that a suite of claims begins with: how its model is loaded, a model of two numbers to try it on, one
claim with the control that refutes it, and a workflow for GitHub Actions. No file that is there is replaced.
"""

EXAMPLES = """\
exit code: 0 written, 1 not written, as where one of the files is there already

examples:
  %(prog)s
  %(prog)s mymodel --torch
"""

PLAIN = {
    "conftest.py": "plain/conftest.py.txt",
    "model.json": "plain/model.json.txt",
    "claims/test_first.py": "plain/test_first.py.txt",
    ".github/workflows/claims.yml": "claims.yml.txt",
}
TORCH = {
    "conftest.py": "torch/conftest.py.txt",
    "claims/test_first.py": "torch/test_first.py.txt",
    ".github/workflows/claims.yml": "claims.yml.txt",
}
"""The files, and what they begin as; the ending keeps tests of the suite from being taken for our own."""

NEXT = """\
next:
{cd}  pytest claims/                          judge the claim on the model, and on its control
  pytest claims/ --claims-report report   the same, with a page in report/report.html
then load your own model in conftest.py, and say in claims/ what you claim about it
"""


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `init` to the command line."""
    init = commands.add_parser(
        "init",
        help="write the files that a suite of claims begins with",
        description=HELP,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    init.set_defaults(command=_init)
    init.add_argument(
        "folder", type=a_path, nargs="?", default=Path(), metavar="DIR", help="where to (default: the current folder)"
    )
    init.add_argument("--torch", action="store_true", help="a model of torch's in place of one of two numbers")


def _init(options: argparse.Namespace) -> int:
    folder: Path = options.folder
    files = {folder / name: _read(template) for name, template in (TORCH if options.torch else PLAIN).items()}
    if options.torch:
        workflow = folder / ".github/workflows/claims.yml"
        files[workflow] = files[workflow].replace("install pytest-claims #", "install pytest-claims torch #")
    taken = [path for path in files if _in_the_way(path)]
    if taken:
        names = ", ".join(str(path.relative_to(folder)) for path in taken)
        return fail(f"{folder} has {names} already: nothing was written")
    written: list[Path] = []
    try:
        for path, text in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as file:  # never over one that appears in between
                written.append(path)
                file.write(text)
    except OSError as error:
        for path in written:
            path.unlink(missing_ok=True)
        return fail(f"{error.filename or folder}: {error.strerror or error}: nothing was written")
    for path in written:
        print(f"wrote {shown(path)}")
    print(NEXT.format(cd="" if folder == Path() else f"  cd {shown(folder)}\n"), end="")
    return 0


def _read(template: str) -> str:
    return (resources.files("pytest_claims.commands") / "start" / template).read_text(encoding="utf-8")


def _in_the_way(path: Path) -> bool:
    """Whether something has the name of the file, or of a folder that it would lie in and is none."""
    if os.path.lexists(path):
        return True
    return any(os.path.lexists(parent) and not parent.is_dir() for parent in path.parents)
