"""What commands about certificates have in common, whatever is proved."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from pytest_claims.files import a_path

CHECK_EXAMPLES = """\
exit code: 0 accepted, 1 rejected, with the reason in one line, 4 a file cannot be read
"""

MOST_DIGITS = 80
"""Of a budget: more than there are inputs of any sizes that are handled."""


def add_check(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    description: str,
    command: Callable[[argparse.Namespace], int],
) -> None:
    """Add `check` to the command line of a system."""
    check = commands.add_parser(
        "check",
        help="verify a certificate independently of how it was found",
        description=description,
        epilog=CHECK_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    check.set_defaults(command=command)
    check.add_argument("certificate", type=a_path, metavar="FILE", help="what `certify --out` wrote")
    check.add_argument("checkpoint", nargs="?", metavar="CHECKPOINT", help="default: the one that is shipped")


def whole_number(text: str) -> int:
    """A budget, for argparse."""
    if not text.isdecimal() or len(text) > MOST_DIGITS:
        raise argparse.ArgumentTypeError(f"{text[:100]!r} is not a whole number of at most {MOST_DIGITS} digits")
    return int(text)
