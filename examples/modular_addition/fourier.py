"""Measures the Fourier structure of a model. Every function returns numbers; the claims judge them.

With w_k = 2 pi k / p, the frequencies are k = 1 .. (p - 1) / 2: fifteen for p = 31. A function on the numbers splits
into a constant and one plane for each frequency, spanned by cos(w_k a) and sin(w_k a). Planes are orthogonal, so the
power (sum of squares) of a matrix over the numbers splits likewise. Everything is computed in float64 and, where
inputs matter, on all p * p pairs.
"""

from dataclasses import dataclass
from math import pi

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from modadd import ModAdd, every_pair


@dataclass(frozen=True)
class Activations:
    """What the model computes on every pair, in the order of `every_pair`, in float64."""

    answers: Tensor  # [p * p]
    pattern: Tensor  # [p * p, head, 3]: attention weights from `=` to a, b and `=`
    resid_mid: Tensor  # [p * p, d_model]
    post: Tensor  # [p * p, d_mlp]
    logits: Tensor  # [p * p, p]


def run(model: ModAdd, **replace) -> Activations:
    """Runs the model once on every pair and records what its hooks pass.

    `replace` maps a name such as `pattern` or `post` to a function from that activation to the one that takes its
    place: `run(model, post=torch.zeros_like)` is the model without its MLP.
    """
    pairs = every_pair(model.config.p)
    seen = {}

    def hook(name):
        def record(_module, _inputs, out):
            seen[name] = replace[name](out) if name in replace else out
            return seen[name]

        return getattr(model, f"hook_{name}").register_forward_hook(record)

    handles = [hook(name) for name in {"pattern", "resid_mid", "post"} | set(replace)]
    try:
        with torch.no_grad():
            logits = model(pairs)
    finally:
        for handle in handles:
            handle.remove()
    recorded = {name: seen[name].detach().double() for name in ("pattern", "resid_mid", "post")}
    return Activations(pairs.sum(1) % model.config.p, **recorded, logits=logits.double())


def accuracy(logits: Tensor, answers: Tensor) -> float:
    return (logits.argmax(1) == answers).double().mean().item()


def loss(logits: Tensor, answers: Tensor) -> float:
    """Mean cross entropy in nats."""
    return cross_entropy(logits, answers).item()


def margins(acts: Activations) -> Tensor:
    """By how much the logit of the right answer exceeds the next largest, for each pair."""
    right = acts.logits.gather(1, acts.answers[:, None])
    others = acts.logits.scatter(1, acts.answers[:, None], -torch.inf)
    return right.squeeze(1) - others.amax(1)


def moved(before: Tensor, after: Tensor) -> float:
    """The largest change of a logit, each pair's logits taken relative to their mean, which no answer depends on."""
    difference = after - before
    return (difference - difference.mean(1, keepdim=True)).abs().max().item()


# The numbers: W_E, W_L and their spectra


def plane(p: int, k: int) -> Tensor:
    """Orthonormal cos(w_k a) and sin(w_k a) as columns, [p, 2]."""
    angle = 2 * pi * k * torch.arange(p, dtype=torch.float64) / p
    return torch.stack([angle.cos(), angle.sin()], dim=1) * (2 / p) ** 0.5


def spectrum(values: Tensor) -> Tensor:
    """The fraction of a matrix's power at each frequency, [(p - 1) / 2], the mean over the numbers left out.

    `values` has one row for each number.
    """
    p = len(values)
    power = torch.stack([(plane(p, k).T @ values).square().sum() for k in frequencies(p)])
    return power / power.sum()


def frequencies(p: int) -> range:
    return range(1, p // 2 + 1)


def number_embeddings(model: ModAdd) -> Tensor:
    """W_E without the row of `=`, [p, d_model]."""
    return model.W_E[: model.config.p].detach().double()


def W_L(model: ModAdd) -> Tensor:
    """The neuron-logit map W_out @ W_U, [d_mlp, p]."""
    return model.W_out.detach().double() @ model.W_U.detach().double()


def key_frequencies(model: ModAdd) -> list[int]:
    """The frequencies with more than an even share of the power of W_L, in increasing order.

    As in the paper, it is the readout that says which frequencies are key. That the embedding agrees is a claim.
    """
    power = spectrum(W_L(model).T)
    return [k for k in frequencies(model.config.p) if power[k - 1] > 1 / len(power)]


def power_at(model: ModAdd, values: Tensor) -> float:
    """The fraction of the power of `values` (rows: numbers) that is at the model's key frequencies."""
    return sum(spectrum(values)[k - 1].item() for k in key_frequencies(model))


def roundness(model: ModAdd, k: int) -> float:
    """Short over long axis of the ellipse on which the embedding lays the numbers at frequency k; 1 is a circle."""
    axes = torch.linalg.svdvals(plane(model.config.p, k).T @ number_embeddings(model))
    return (axes[1] / axes[0]).item()


def without_frequencies(model: ModAdd, removed) -> Activations:
    """Runs the model with some frequencies taken out of W_E, the mean over the numbers left in."""
    p = model.config.p
    W = number_embeddings(model)
    for k in removed:
        W = W - plane(p, k) @ (plane(p, k).T @ W)
    numbers = W.float()[every_pair(p)]
    return run(model, embed=lambda out: torch.cat([numbers, out[:, 2:]], dim=1))


# The head: where `=` attends


def scores_of_numbers(model: ModAdd) -> Tensor:
    """The attention score from `=` to each number, position aside, [p, head]."""
    query = model.W_E[-1] + model.W_pos[-1]
    q = torch.einsum("d,hde->he", query, model.W_Q)
    k = torch.einsum("nd,hde->nhe", model.W_E[: model.config.p], model.W_K)
    return torch.einsum("he,nhe->nh", q, k).detach().double() / model.config.d_head**0.5


def best_linear_pattern(acts: Activations) -> tuple[Tensor, Tensor]:
    """Fits each head's attention weight on a by a constant and multiples of the cosines and sines of a and b.

    They are of one frequency, the best for that head. Returns the fit, [p * p, head], and its fraction of variance
    explained, [head].
    """
    p = acts.logits.shape[1]
    weight = acts.pattern[:, :, 0]
    mean = weight.mean(0)
    fits = torch.stack([project(weight - mean, linear_terms(p, k)) for k in frequencies(p)])
    explained = fits.square().sum(1) / (weight - mean).square().sum(0).clamp_min(1e-12)
    best = explained.argmax(0)
    heads = torch.arange(len(best))
    return mean + fits[best, :, heads].T, explained[best, heads]


# Functions of a pair


def linear_terms(p: int, k: int) -> Tensor:
    """Cosine and sine of w_k a and of w_k b, as columns over every pair, [p * p, 4]."""
    return torch.cat([plane(p, k).repeat_interleave(p, dim=0), plane(p, k).repeat(p, 1)], dim=1)


def polynomial_terms(p: int, k: int) -> Tensor:
    """The linear terms and the four products of one of a's and one of b's: orthogonal columns, [p * p, 8]."""
    of_a, of_b = linear_terms(p, k).split(2, dim=1)
    products = torch.einsum("ni,nj->nij", of_a, of_b).flatten(1)
    return torch.cat([of_a, of_b, products], dim=1)


def sum_terms(p: int, k: int) -> Tensor:
    """Cosine and sine of w_k (a + b), as columns over every pair, [p * p, 2]."""
    return plane(p, k)[every_pair(p).sum(1) % p]


def project(values: Tensor, terms: Tensor) -> Tensor:
    """Orthogonal projection of each column of `values` onto the span of `terms`, whose columns are orthogonal."""
    unit = terms / terms.norm(dim=0)
    return unit @ (unit.T @ values)


def explained(values: Tensor, fit: Tensor) -> Tensor:
    """Fraction of variance of each column that the fit explains; none of a column that does not vary."""
    centred = values - values.mean(0)
    residual = centred - (fit - fit.mean(0))
    return 1 - residual.square().sum(0) / centred.square().sum(0).clamp_min(1e-12)


# The neurons


@dataclass(frozen=True)
class Neurons:
    """Each neuron's best degree-2 polynomial in the cosines and sines of a and b at one key frequency."""

    frequency: Tensor  # [d_mlp]
    explained: Tensor  # [d_mlp]: fraction of variance
    fit: Tensor  # [p * p, d_mlp]


def fit_neurons(model: ModAdd, acts: Activations) -> Neurons:
    p, key = model.config.p, key_frequencies(model)
    mean = acts.post.mean(0)
    fits = torch.stack([project(acts.post - mean, polynomial_terms(p, k)) for k in key])
    fractions = torch.stack([explained(acts.post, fit) for fit in fits])
    best = fractions.argmax(0)
    neurons = torch.arange(len(best))
    return Neurons(torch.tensor(key)[best], fractions[best, neurons], mean + fits[best, :, neurons].T)


def output_power_at_own_frequency(model: ModAdd, neurons: Neurons) -> Tensor:
    """The fraction of the power of each neuron's row of W_L at the frequency of its activation, [d_mlp]."""
    per_neuron = torch.stack([spectrum(row[:, None]) for row in W_L(model)])
    return per_neuron[torch.arange(len(per_neuron)), neurons.frequency - 1]


def rank_residual(matrix: Tensor, rank: int) -> float:
    """What the best approximation of that rank leaves of the matrix, as a fraction of its Frobenius norm."""
    singular = torch.linalg.svdvals(matrix)
    return (singular[rank:].norm() / singular.norm()).item()


def off_key_residual(model: ModAdd) -> float:
    """What W_L has off the cosines and sines of the key frequencies, as a fraction of its Frobenius norm."""
    W = W_L(model)
    key = torch.cat([plane(model.config.p, k) for k in key_frequencies(model)], dim=1)
    return ((W - W @ key @ key.T).norm() / W.norm()).item()


# The logits


def readout_explained(model: ModAdd, acts: Activations, k: int) -> float:
    """How far cos(w_k (a + b)) explains what W_L reads for cos(w_k c) off the neurons, and sin what it reads for sin.

    Returns the smaller of the two fractions of variance.
    """
    read = acts.post @ W_L(model) @ plane(model.config.p, k)
    terms = sum_terms(model.config.p, k)
    fits = [project(read[:, i], terms[:, i : i + 1]) for i in range(2)]
    return explained(read, torch.stack(fits, dim=1)).min().item()


def cosine_logits(model: ModAdd, acts: Activations) -> Tensor:
    """The best fit of the logits by sum_k alpha_k cos(w_k (a + b - c)) over the key frequencies, [p * p, p].

    One number alpha_k for each frequency, and nothing else is fitted.
    """
    p = model.config.p
    total = torch.zeros_like(acts.logits)
    for k in key_frequencies(model):
        # The cosine of a difference: cos x cos c + sin x sin c, up to a factor.
        wave = sum_terms(p, k) @ plane(p, k).T
        total += wave * (wave * acts.logits).sum() / wave.square().sum()
    return total


def fraction_explained(acts: Activations, fit: Tensor) -> float:
    """Fraction of the logits' sum of squares that a fit explains, each pair's mean logit left out of both."""
    target = acts.logits - acts.logits.mean(1, keepdim=True)
    residual = target - (fit - fit.mean(1, keepdim=True))
    return 1 - (residual.square().sum() / target.square().sum()).item()


def key_part(model: ModAdd, acts: Activations) -> Tensor:
    """The part of the logits that varies as cos or sin of w_k (a + b) at a key frequency, [p * p, p].

    Kept alone, with the mean over the pairs, it gives the restricted loss; taken away, the excluded loss.
    """
    return sum(project(acts.logits, sum_terms(model.config.p, k)) for k in key_frequencies(model))


def explained_by_a(acts: Activations) -> float:
    """Fraction of the variance of the logits that depends on a alone."""
    p = acts.logits.shape[1]
    logits = (acts.logits - acts.logits.mean(0)).view(p, p, p)
    return (p * logits.mean(1).square().sum() / logits.square().sum()).item()
