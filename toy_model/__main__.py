"""`python -m toy_model verify`: the claims of all systems, or of the one that a checkpoint is of, from any folder."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from toy_model.commands.verify import VERIFY, verify

DESCRIPTION = """\
Run the claims of every system on the checkpoint that is shipped with it; or, where PATH is a checkpoint, those of the
system that it is of. Everything after PATH goes to pytest, as with the `verify` of a system's own package.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run pytest. Returns its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == [VERIFY] and not {"-h", "--help"} & set(words):
        return verify(words[1:])
    usage = f"python -m toy_model {VERIFY} [PATH] [option of pytest ...]"
    parser = argparse.ArgumentParser(usage=usage, description=DESCRIPTION)
    parser.add_argument("command", choices=[VERIFY])
    parser.parse_args(words)
    return 0


if __name__ == "__main__":
    sys.exit(main())
