"""Controls: the model with one thing broken, each named for what it does. None edits the model that it is given.

A claim that still holds on a control that breaks its mechanism says nothing, so every claim names controls that refute
it. Several here answer all pairs as before: no test of behaviour tells them from the model.
"""

import copy
from pathlib import Path

import torch
from pytest_claims import CannotBeMade

from fourier import W_L, best_linear_pattern, frequencies, key_frequencies, number_embeddings, plane, run, spectrum
from modadd import ModAdd, load

MEMORISED = Path(__file__).parent / "memorised.pt"


def changed(model: ModAdd, **weights) -> ModAdd:
    """A copy with other weights; `numbers` are the rows of W_E that belong to numbers."""
    copied = copy.deepcopy(model)
    with torch.no_grad():
        for name, weight in weights.items():
            target = copied.W_E[:-1] if name == "numbers" else getattr(copied, name)
            target.copy_(weight)
    return copied


def shuffled(n: int) -> torch.Tensor:
    return torch.randperm(n, generator=torch.Generator().manual_seed(0))


def strongest_frequency(model: ModAdd) -> int:
    """The key frequency with the most power in W_E."""
    power = spectrum(number_embeddings(model))
    return max(key_frequencies(model), key=lambda k: power[k - 1].item())


def weakest_frequency(model: ModAdd) -> int:
    """The key frequency with the least power in W_L."""
    power = spectrum(W_L(model).T)
    return min(key_frequencies(model), key=lambda k: power[k - 1].item())


# Whole models


def untrained(model):
    """Puts every weight back to a random initial value."""
    fresh = ModAdd(model.config, seed=1000)
    fresh.trained_on = model.trained_on
    return fresh


def stop_before_generalising(model):
    """Takes the weights of training step 300: right on every pair trained on, wrong on seven eighths of the others."""
    memorised = load(MEMORISED)
    if memorised.config != model.config:
        raise CannotBeMade("memorised.pt is of another size")
    return memorised


def answer_from_a_table(model):
    """Looks up the answer of every pair in a table: right everywhere, and no weight has a part in it."""

    def look_up(_module, inputs, logits):
        answers = inputs[0].sum(1) % model.config.p
        return 20 * torch.nn.functional.one_hot(answers, model.config.p).to(logits)

    handle = model.register_forward_hook(look_up)
    yield model
    handle.remove()


# The embedding


def shuffle_the_tokens(model):
    """Gives every number the vector of another."""
    return changed(model, numbers=model.W_E[shuffled(model.config.p)])


def draw_orthogonal_embeddings(model):
    """Gives the numbers random orthogonal vectors, as long as the model's on average."""
    W = number_embeddings(model)
    random = torch.randn(W.shape[1], len(W), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return changed(model, numbers=torch.linalg.qr(random).Q.T * W.square().sum(1).mean().sqrt())


def silence_a_frequency(model):
    """Takes the strongest key frequency out of the embedding."""
    part = plane(model.config.p, strongest_frequency(model))
    W = number_embeddings(model)
    return changed(model, numbers=W - part @ (part.T @ W))


def rotate_a_phase(model):
    """Turns the circle of the strongest key frequency by a sixth of a turn: same spectrum, another angle."""
    part = plane(model.config.p, strongest_frequency(model))
    W = number_embeddings(model)
    sixth = torch.tensor([[0.5, 0.75**0.5], [-(0.75**0.5), 0.5]], dtype=torch.float64)
    return changed(model, numbers=W + part @ ((sixth - torch.eye(2)) @ (part.T @ W)))


def flatten_a_circle(model):
    """Halves the sines of the strongest key frequency, which leaves an ellipse."""
    sine = plane(model.config.p, strongest_frequency(model))[:, 1:]
    W = number_embeddings(model)
    return changed(model, numbers=W - sine @ (sine.T @ W) / 2)


# The head


def replaced(module, function):
    """A hook that passes on another activation, for as long as a control is in use."""
    return module.register_forward_hook(lambda _module, _inputs, out: function(out))


def attend_to_a_alone(model):
    """Makes every head attend to a alone."""
    handle = replaced(model.hook_pattern, lambda pattern: torch.tensor([1.0, 0, 0]).expand_as(pattern))
    yield model
    handle.remove()


def attend_equally(model):
    """Makes every head attend to a and b equally, whatever they are."""
    handle = replaced(model.hook_pattern, lambda pattern: torch.tensor([0.5, 0.5, 0]).expand_as(pattern))
    yield model
    handle.remove()


def attend_to_equals_too(model):
    """Moves half of all attention to `=`."""
    handle = replaced(model.hook_pattern, lambda pattern: (pattern + torch.tensor([0, 0, 1.0])) / 2)
    yield model
    handle.remove()


def prefer_a(model):
    """Moves a third of the attention on b to a."""
    move = torch.tensor([[1.0, 0, 0], [1 / 3, 2 / 3, 0], [0, 0, 1]])
    handle = replaced(model.hook_pattern, lambda pattern: pattern @ move)
    yield model
    handle.remove()


def attend_linearly(model):
    """Replaces each head's attention by its best fit that is linear in the cosines and sines of one frequency."""
    on_a, _ = best_linear_pattern(run(model))
    pattern = torch.stack([on_a, 1 - on_a, torch.zeros_like(on_a)], dim=2).float()
    pair = {}
    before = model.register_forward_pre_hook(
        lambda _module, inputs: pair.update(rows=inputs[0][:, 0] * model.config.p + inputs[0][:, 1])
    )
    handle = replaced(model.hook_pattern, lambda _pattern: pattern[pair["rows"]])
    yield model
    handle.remove()
    before.remove()


# The MLP


def silence_the_mlp(model):
    """Sets every neuron to zero, so that only attention reaches the logits."""
    handle = replaced(model.hook_post, torch.zeros_like)
    yield model
    handle.remove()


def shuffle_the_neurons(model):
    """Gives every neuron the output vector of another."""
    return changed(model, W_out=model.W_out[shuffled(model.config.d_mlp)])


def mix_the_neurons(model):
    """Rotates the neurons' outputs at random and W_out back: every logit as before, in another basis."""
    random = torch.randn(model.config.d_mlp, model.config.d_mlp, generator=torch.Generator().manual_seed(0))
    Q = torch.linalg.qr(random.double()).Q
    mixed = changed(model, W_out=Q.T @ model.W_out.double())
    replaced(mixed.hook_post, lambda post: (post.double() @ Q).float())
    return mixed


def thicken_W_L(model):
    """Adds noise of a fifth of their size to W_out and W_U, which changes no answer."""
    generator = torch.Generator().manual_seed(0)
    weights = {"W_out": model.W_out, "W_U": model.W_U}
    noise = {name: torch.randn(W.shape, generator=generator) * W.std() / 5 for name, W in weights.items()}
    return changed(model, **{name: W + noise[name] for name, W in weights.items()})


def quieten_a_frequency(model):
    """Scales the weakest key frequency of W_L to a third: it is used as before, and too weak to count as key."""
    part = plane(model.config.p, weakest_frequency(model))
    W_U = model.W_U.double()
    return changed(model, W_U=W_U - W_U @ part @ part.T * 2 / 3)


def echo_a_frequency(model):
    """Copies the weakest key frequency of W_U, at three fifths of its size, to one that says nothing of the answer."""
    p = model.config.p
    key = key_frequencies(model)
    unused = next(k for k in frequencies(p) if k not in key)
    W_U = model.W_U.double()
    echo = W_U @ plane(p, weakest_frequency(model)) @ plane(p, unused).T
    return changed(model, W_U=W_U + 0.6 * echo)


def purify_W_U(model):
    """Leaves only the key frequencies in the unembedding, which makes the paper's W_L exact."""
    key = torch.cat([plane(model.config.p, k) for k in key_frequencies(model)], dim=1)
    return changed(model, W_U=model.W_U.double() @ key @ key.T)


# Harmless: the same answers from the same mechanism. No claim may notice them, nor `purify_W_U`, an ideal of which all
# that is claimed is true (`--claims-matrix`).


def multiply_the_numbers(model):
    """Renames every number n to 3n, in inputs and answers: frequency k becomes 3k."""
    p = model.config.p
    renamed = 3 * torch.arange(p) % p
    trained_on = model.trained_on.view(p, p)[renamed][:, renamed].flatten()
    return changed(model, numbers=model.W_E[renamed], W_U=model.W_U[:, renamed], trained_on=trained_on)


def renumber_the_neurons(model):
    """Lists the neurons in another order."""
    order = shuffled(model.config.d_mlp)
    return changed(model, W_in=model.W_in[:, order], b_in=model.b_in[order], W_out=model.W_out[order])


def rotate_the_stream(model):
    """Writes the residual stream in another orthogonal basis."""
    random = torch.randn(model.config.d_model, model.config.d_model, generator=torch.Generator().manual_seed(0))
    R = torch.linalg.qr(random.double()).Q
    writers = {name: getattr(model, name).double() @ R for name in ("W_E", "W_pos", "W_O", "W_out", "b_out")}
    readers = {name: R.T @ getattr(model, name).double() for name in ("W_Q", "W_K", "W_V", "W_in", "W_U")}
    return changed(model, **writers, **readers)


BREAKING = [
    untrained,
    stop_before_generalising,
    answer_from_a_table,
    shuffle_the_tokens,
    draw_orthogonal_embeddings,
    silence_a_frequency,
    rotate_a_phase,
    flatten_a_circle,
    attend_to_a_alone,
    attend_equally,
    attend_to_equals_too,
    prefer_a,
    attend_linearly,
    silence_the_mlp,
    shuffle_the_neurons,
    mix_the_neurons,
    thicken_W_L,
    quieten_a_frequency,
    echo_a_frequency,
]
HARMLESS = [multiply_the_numbers, renumber_the_neurons, rotate_the_stream, purify_W_U]
