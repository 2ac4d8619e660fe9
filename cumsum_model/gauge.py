"""Which basis of the stream, and which of many equivalent unembeddings, training leaves a model in.

Without layer norm every invertible change of the stream's basis is the same function, and so is one vector added to
all unembeddings. The loss does not choose; weight decay does. At a stationary point of the loss plus a multiple of
the squared norm of all weights, the derivative along any change that leaves the function as it is vanishes, the
loss does not change along it, so the squared norm does not either: the norm is the smallest among these models,
since it has no other stationary point. For the basis that says A = B, where

    A = sum of x^T x over every row x that a parameter writes to the stream,
    B = sum of r r^T over every column r that a parameter reads from it,

and for a vector added to all unembeddings that they add up to zero. Training stops short of a stationary point, so
trained models come close to both; how close is measured here.

Of bases in which the same function is written x M, M^-1 r, the norm |X M|^2 + |M^-1 Y|^2 = tr(A S) + tr(S^-1 B),
S = M M^T, is strictly convex in S and stationary where S A S = B. With X Y = U D V^T (singular values D), that is
solved by M = Y V D^-1/2: then X M = U D^1/2 and M^-1 Y = D^1/2 V^T, and the smallest norm is 2 tr D, twice the
nuclear norm of what is written times what reads it.
Sources: Srebro, Rennie and Jaakkola 2004, "Maximum-margin matrix factorization" (the nuclear norm); Kunin et al. 2021,
"Neural mechanics", arXiv 2012.04728 (symmetries and weight decay); Lindsey and Menon 2025, "Regularization implies
balancedness in the deep linear network", arXiv 2511.01137 (the smallest norm is reached where factors are balanced).
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from cumsum_model.model import CumsumTransformer
from cumsum_model.scope import no_account_of

MAX_IMBALANCE = 1 / 20
"""A stream scaled by a factor s as a whole has imbalance tanh(2 ln s): 1/20 where lengths are off by 2.5%.

What carries most of the weights' norm counts most. Axes that hardly anything writes to or reads may be off by more.
"""

MAX_UNEMBEDDING_SUM = 1 / 5
"""Then what the three have in common is 1/15 of the longest, which turns an unembedding of that length by 4 degrees."""


def written_to_stream(model: CumsumTransformer) -> list[Tensor]:
    """Every parameter whose last axis is d_model: what it holds are vectors of the stream, as rows."""
    written = [model.W_E, model.W_pos]
    for block in model.blocks:
        written += block.attn.W_O, block.attn.b_O, block.mlp.W_out, block.mlp.b_out
    return written


def read_from_stream(model: CumsumTransformer) -> list[Tensor]:
    """Every parameter whose last axis but one is d_model: what it holds are covectors of the stream, as columns."""
    read: list[Tensor] = []
    for block in model.blocks:
        read += block.attn.W_Q, block.attn.W_K, block.attn.W_V, block.mlp.W_in
    return [*read, model.W_U]


def change_basis(
    model: CumsumTransformer,
    M: Float[Tensor, "d_model d_model"],
    inverse: Float[Tensor, "d_model d_model"] | None = None,
) -> CumsumTransformer:
    """The model with every vector x of its stream replaced by x M, and every covector r by M^-1 r.

    What is read from the stream is a sum of products x r, so nothing that is read changes. Computed in float64 and
    stored as the model's weights are. `inverse` is for those who have it.
    """
    mutant = copy.deepcopy(model).requires_grad_(False).double()
    M = M.to(model.device)
    _rebase(mutant, M, torch.linalg.inv(M) if inverse is None else inverse.to(model.device))
    return mutant.to(model.W_E.dtype)


def _rebase(model: CumsumTransformer, M: Tensor, inverse: Tensor) -> None:
    for vectors in written_to_stream(model):
        vectors.copy_(vectors @ M)
    for covectors in read_from_stream(model):
        covectors.copy_(inverse @ covectors)


def basis_imbalance(model: CumsumTransformer) -> float:
    """|A - B| / |A + B| in Frobenius norm: 0 in the basis of least norm, 1 where what is written is all or nothing."""
    X, Y = _written_and_read(model)
    A, B = X.T @ X, Y @ Y.T
    return _ratio((A - B).norm(), (A + B).norm())


def excess_norm(model: CumsumTransformer) -> float:
    """By what fraction the squared norm of all that is written and read exceeds the smallest of any basis."""
    X, Y = _written_and_read(model)
    smallest = 2 * torch.linalg.svdvals(X @ Y).sum()
    return _ratio(X.square().sum() + Y.square().sum() - smallest, smallest)


def unembedding_sum(model: CumsumTransformer) -> float:
    """The length of the sum of the three unembeddings, relative to the longest: 0 where they are centred, 3 at most."""
    W_U = model.W_U.double()
    return _ratio(W_U.sum(-1).norm(), W_U.norm(dim=0).max())


def is_as_training_leaves(model: CumsumTransformer) -> bool:
    """Whether the weights are near the smallest norm that their function has in any basis and gauge of the logits.

    Rotations of the stream keep it, and so they keep all lengths and angles.
    """
    return basis_imbalance(model) < MAX_IMBALANCE and unembedding_sum(model) < MAX_UNEMBEDDING_SUM


def not_in_the_basis_of_training(model: CumsumTransformer) -> str | None:
    """Why what is said of raw columns, as weight decay leaves them, is not about `model`; None if it is."""
    reason = no_account_of(model)
    if reason is not None or is_as_training_leaves(model):
        return reason
    imbalance = basis_imbalance(model)
    if not imbalance < MAX_IMBALANCE:
        return (
            "this is about the basis that weight decay leaves; in this model what is written to the stream and what "
            f"is read from it differ by {imbalance:.0%}"
        )
    return (
        "this is about unembeddings as weight decay leaves them, centred; in this model they add up to "
        f"{unembedding_sum(model):.0%} of the longest"
    )


@dataclass(frozen=True)
class BalancedBasis:
    """The basis of least norm; lengths and angles in it are the same whichever basis the model is stored in.

    A change of basis of the model changes its vectors, its covectors, M and N, so that `vector` and `covector` give
    what they gave, but for the signs of coordinates.

    M  takes a vector of the stream to its coordinates x M, one for each singular value, the largest first
    N  takes a covector to its coordinates N r: (x M) (N r) = x r for all that the model writes and reads

    Where something writes along every direction of the stream and something reads along every one, N = M^-1. A
    direction that nothing reads has length 0, as there is no smallest norm but ever smaller ones.
    """

    M: Float[Tensor, "d_model rank"]
    N: Float[Tensor, "rank d_model"]

    @property
    def S(self) -> Float[Tensor, "d_model d_model"]:
        """The metric of vectors: x S y^T is the product of x and y in the balanced basis. It solves S A S = B."""
        return self.M @ self.M.T

    def vector(self, x: Float[Tensor, "rows d_model"]) -> Float[Tensor, "rows rank"]:
        """Coordinates of what is written: rows of W_E, W_OV, W_out, biases, the stream itself."""
        return x.double() @ self.M

    def covector(self, r: Float[Tensor, "d_model columns"]) -> Float[Tensor, "rank columns"]:
        """Coordinates of what reads: columns of W_U, W_in, W_V."""
        return self.N @ r.double()


def balanced_basis(model: CumsumTransformer) -> BalancedBasis:
    """The basis in which the weights that write to and read from the stream have the least norm, in float64.

    Not only the function decides it: W_E against W_pos, b_in against b_O, the scale of a neuron and the basis of a
    head move norm between parameters, and with it the balance.
    """
    return BalancedBasis(*balance(*_written_and_read(model)))


def balance(
    X: Float[Tensor, "n d"], Y: Float[Tensor, "d m"]
) -> tuple[Float[Tensor, "d rank"], Float[Tensor, "rank d"]]:
    """M and N of which X M and N Y have the least norm of all factors of X Y that these two can be turned into."""
    U, D, Vh = torch.linalg.svd(X @ Y, full_matrices=False)
    rounding = D[0] * len(D) * torch.finfo(D.dtype).eps
    rank = min(X.shape[1], int(D.gt(rounding).sum()))
    root = D[:rank].sqrt()
    return Y @ Vh[:rank].T / root, (U[:, :rank] / root).T @ X


def in_balanced_basis(model: CumsumTransformer) -> CumsumTransformer:
    """The same function in its balanced basis: lengths and angles read off its stream are invariant.

    Axes are in the order of how much is written along them and read.
    """
    basis = balanced_basis(model)
    return change_basis(model, *padded(basis.M, basis.N))


def balance_basis(model: CumsumTransformer) -> None:
    """The same in place, of a model in float64."""
    basis = balanced_basis(model)
    _rebase(model, *padded(basis.M, basis.N))


def padded(M: Float[Tensor, "d rank"], N: Float[Tensor, "rank d"]) -> tuple[Float[Tensor, "d d"], Float[Tensor, "d d"]]:
    """The two with zeros for coordinates that are left over."""
    missing = M.shape[0] - M.shape[1]
    return F.pad(M, (0, missing)), F.pad(N, (0, 0, 0, missing))


def _written_and_read(model: CumsumTransformer) -> tuple[Float[Tensor, "n d_model"], Float[Tensor, "d_model m"]]:
    """Everything written to the stream, as rows, and everything that reads from it, as columns, in float64."""
    d_model = model.cfg.d_model
    written = [vectors.double().reshape(-1, d_model) for vectors in written_to_stream(model)]
    read = [covectors.double().movedim(-2, 0).reshape(d_model, -1) for covectors in read_from_stream(model)]
    return torch.cat(written), torch.cat(read, dim=1)


def _ratio(part: Tensor, whole: Tensor) -> float:
    """Their ratio; of nothing, 0."""
    return (part / whole).item() if whole > 0 else 0.0
