"""`certify`: bound a checkpoint's accuracy over every list, and say class by class what is proved."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_claims.commands.failure import UNREADABLE, fail
from pytest_claims.files import a_path, alone_in, shown

from sorted_list_model.system import SYSTEM
from toy_model.commands.certificates import whole_number
from toy_model.commands.shared import progress_bar, read_or_say_why
from toy_model.sweep.cluster import NotReached, cluster, problem
from toy_model.sweep.cluster import add_options as add_cluster_options

if TYPE_CHECKING:
    from sorted_list_model.model import SortedListTransformer
    from sorted_list_model.proof.certificate import Certificate
    from sorted_list_model.proof.certificate_file import Growing
    from sorted_list_model.proof.proving import ClassProof
    from sorted_list_model.proof.rounding import Float32Error
    from toy_model.checkpoint.checkpoint import Checkpoint

CERTIFY_HELP = """\
Bound a checkpoint's accuracy over every list that it can be given: none is sampled, all are covered.

There are 46,367,760,833,856,000 lists of the published sizes. Their answers fall into 8,169 classes by the current
number, its rank, and the next number. Of each class, a branch and bound proves that the right answer beats every other
on all lists of a node, or that some other one beats it; a node that is small, and neither, stays open. So accuracy over
all answers lies in an interval: what is proved right, and that with all that is open.
"""

CERTIFY_EXAMPLES = """\
--depth classes divides no class (seconds), quick divides nodes of more than a millionth of all sets (twenty seconds
on one core), deep those of more than a hundred millionth (some minutes on two).

exit code: 0 the certificate is whole, 1 it is not, or proves less than --at-least, 4 the checkpoint cannot be read or
is of another kind, 130 interrupted

examples:
  python -m sorted_list_model certify                                     the checkpoint that is shipped
  python -m sorted_list_model certify runs/seed7 --at-least 0.995         a gate: exit code 1 below that
  python -m sorted_list_model certify runs/seed7 --depth deep --workers 2 --out seed7.jsonl
  python -m sorted_list_model check seed7.jsonl runs/seed7                verify it independently
"""


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `certify` to the command line."""
    certify = commands.add_parser(
        "certify",
        help="bound a checkpoint's accuracy over every list",
        description=CERTIFY_HELP,
        epilog=CERTIFY_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    certify.set_defaults(command=_certify)
    certify.add_argument("checkpoint", nargs="?", metavar="CHECKPOINT", help="default: the one that is shipped")
    certify.add_argument("--depth", choices=("classes", "quick", "deep"), default="quick", help="default: quick")
    certify.add_argument(
        "--budget",
        type=whole_number,
        metavar="N",
        help="instead of a depth: divide nodes of more than one in N of all sets; ten times as many take three to "
        "five times as long",
    )
    certify.add_argument("--at-least", type=_accuracy, metavar="ACCURACY", help="exit with 1 unless this is proved")
    certify.add_argument(
        "--out",
        type=a_path,
        metavar="FILE",
        help="write the certificate, as it is found; the same command goes on with a file that is not whole, whose "
        "proofs it takes as they are: `check` verifies them",
    )
    certify.add_argument("--force", action="store_true", help="replace FILE if it exists")
    add_cluster_options(certify, default="no cluster, this process alone")


def _certify(options: argparse.Namespace) -> int:
    unusable = problem(options)
    if unusable:
        return fail(unusable, code=2)
    checkpoint = read_or_say_why(options.checkpoint, SYSTEM)
    if checkpoint is None:
        return UNREADABLE

    from sorted_list_model.proof.tables import Unprovable
    from sorted_list_model.proof.workers import WorkerLost

    progress = Progress()
    started = time.perf_counter()
    try:
        certificate = _proved(options, checkpoint, progress)
    except Unprovable as error:
        return fail(f"{checkpoint.path}: {error}", code=UNREADABLE)
    except NotReached as error:
        return fail(str(error), code=UNREADABLE)
    except (WorkerLost, _NotWritten) as error:
        return fail(f"{error}{progress.left_off(options.out)}", code=1)
    except KeyboardInterrupt:
        return fail(f"interrupted{progress.left_off(options.out)}", code=130)

    from sorted_list_model.commands.summary import summary
    from sorted_list_model.proof.certificate import rounded_down

    print("\n".join(summary(certificate, checkpoint)))
    if options.out is not None:
        verify = f"python -m sorted_list_model check {shown(options.out)} {shown(checkpoint.path)}"
        print(f"wrote {shown(options.out)}; verify it: {verify}")
    print(f"took {time.perf_counter() - started:.1f} s")
    if options.at_least is not None and certificate.accuracy[0] < options.at_least:
        low = rounded_down(certificate.accuracy[0], 6)
        return fail(f"{checkpoint.path}: accuracy is proved to be at least {low}, not {options.at_least}", code=1)
    return 0


class Progress:
    """How many queries are done, for who interrupts."""

    def __init__(self) -> None:
        self.done, self.all = 0, 0

    def left_off(self, out: Path | None) -> str:
        """What to say of it at the end of a line."""
        if out is None or not self.all:
            return ""
        return f": {self.done} of {self.all} queries are in {shown(out)}, the same command goes on from there"


class _NotWritten(Exception):
    """--out cannot be written. The message is half a line."""


def _proved(
    options: argparse.Namespace, checkpoint: Checkpoint[SortedListTransformer], progress: Progress
) -> Certificate:
    """The certificate, written to --out as it is found."""
    from sorted_list_model.proof.certificate import BUDGETS, collected
    from sorted_list_model.proof.certificate_file import OtherCertificate, header, last_line
    from sorted_list_model.proof.rounding import order_error
    from sorted_list_model.proof.tables import require_handled

    model, cfg = checkpoint.model, checkpoint.model.cfg
    require_handled(model)
    budget = BUDGETS[options.depth] if options.budget is None else options.budget
    error = order_error(model)
    first_line = header(model, checkpoint.path.name, checkpoint.sha256, budget, error)
    with ExitStack() as open_:
        file = None
        if options.out is not None:
            try:
                file = _opened(options.out, first_line, model, open_, replace=options.force)
            except OtherCertificate as refused:
                raise _NotWritten(
                    f"{shown(options.out)} {refused}; choose another --out, or replace it with --force"
                ) from None
            except OSError as refused:
                raise _refused(options.out, refused) from None
        proofs = _proofs(options, model, budget, error, file, progress, open_)
        certificate = collected(proofs, cfg.list_len, cfg.max_value, budget, error)
        if file is not None:
            _add(file, last_line(certificate))
    return certificate


def _opened(out: Path, first_line: bytes, model: SortedListTransformer, open_: ExitStack, *, replace: bool) -> Growing:
    """The file, which nobody else writes meanwhile. Raises _NotWritten, OtherCertificate and OSError."""
    from sorted_list_model.proof.certificate_file import Growing

    if out.exists() and not out.is_file():
        raise _NotWritten(f"--out {shown(out)}: is not a regular file")
    out.open("ab").close()  # it is there from now on, and as it was
    if not open_.enter_context(alone_in(out)):
        raise _NotWritten(f"--out {shown(out)}: another process is writing it")
    return open_.enter_context(Growing(out, first_line, model.cfg.list_len, model.cfg.max_value, replace=replace))


def _add(file: Growing, line: bytes) -> None:
    """Write another line. Raises _NotWritten."""
    try:
        file.add(line)
    except OSError as refused:
        raise _refused(file.path, refused) from None


def _refused(out: Path, error: OSError) -> _NotWritten:
    return _NotWritten(f"--out {str(out)[:200]}: {error.strerror or error}")


def _proofs(
    options: argparse.Namespace,
    model: SortedListTransformer,
    budget: int,
    error: Float32Error,
    file: Growing | None,
    progress: Progress,
    open_: ExitStack,
) -> Iterator[ClassProof]:
    """Proofs of all classes: those of a file under way, then the rest as it is found."""
    from sorted_list_model.proof.certificate_file import line_of
    from sorted_list_model.proof.classes import queries

    to_prove = queries(model.cfg.list_len, model.cfg.max_value)
    progress.all = len(to_prove)
    begun = [] if file is None else file.begun
    done = {(proof.of.k, proof.of.d) for proof in begun}
    yield from begun
    progress.done = len(done)
    to_prove = [query for query in to_prove if query not in done]
    bar = open_.enter_context(progress_bar("proving", progress.all))
    bar(progress.done)
    for of_query in _of_queries(options, model, to_prove, budget, error, open_):
        for proof in of_query:
            if file is not None:
                _add(file, line_of(proof))
            yield proof
        progress.done += 1
        bar(progress.done)


def _of_queries(
    options: argparse.Namespace,
    model: SortedListTransformer,
    to_prove: Sequence[tuple[int, int]],
    budget: int,
    error: Float32Error,
    open_: ExitStack,
) -> Iterator[Sequence[ClassProof]]:
    if options.workers is None and options.scheduler is None:
        from sorted_list_model.proof.certificate import proofs_of_query
        from sorted_list_model.proof.tables import tables

        read = tables(model)
        for k, d in to_prove:
            yield list(proofs_of_query(read, k, d, budget, error))
    elif to_prove:
        from sorted_list_model.proof.workers import proved_by_workers

        client = open_.enter_context(cluster(options))
        yield from proved_by_workers(client, model, to_prove, budget, error)


def _accuracy(text: str) -> float:
    try:
        accuracy = float(text)
    except ValueError:
        accuracy = -1.0
    if not 0 <= accuracy <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not an accuracy, between 0 and 1")
    return accuracy
