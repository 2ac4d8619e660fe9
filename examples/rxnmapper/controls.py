"""Broken models: each takes away one thing that the claims say the network has.

Those that yield change the model, or attach a hook to it, and put it back.
"""

from contextlib import contextmanager

import torch

from model import HEAD, LAYER, attention_module, rows_of, vocabulary
from model import untrained as draw


def untrained(model):
    """The same architecture with the weights that training begins with."""
    return draw(seed=0).to(model.device)


def shuffle_tokens(model):
    """Gives every token the embedding of another, drawn once."""
    W_E = model.albert.embeddings.word_embeddings.weight
    yield from _with(model, [W_E], lambda: W_E.copy_(W_E[torch.randperm(len(W_E), generator=_seeded())]))


def forget_positions(model):
    """Zeroes the position embeddings: attention no longer knows the order of the tokens."""
    W_pos = model.albert.embeddings.position_embeddings.weight
    yield from _with(model, [W_pos], W_pos.zero_)


def see_positions_alone(model):
    """Gives every token one and the same embedding: attention is left with positions."""
    W_E = model.albert.embeddings.word_embeddings.weight
    yield from _with(model, [W_E], lambda: W_E.copy_(W_E.mean(0, keepdim=True).expand_as(W_E)))


def scramble_reactants(model):
    """Shuffles the tokens of the reactants, so that the product is paired with strings that are no molecules."""

    def scramble(_module, inputs, embedded):
        arrow = inputs[0][0].tolist().index(vocabulary()[">>"])
        order = torch.arange(embedded.shape[1])
        order[1:arrow] = 1 + torch.randperm(arrow - 1, generator=_seeded())
        return embedded[:, order]

    yield from _hooked(model.albert.embeddings.word_embeddings, scramble, model)


def renumber_heads(model):
    """Moves each head on by one: the network computes the same, but its mapping head is head 6."""
    module = attention_module(model)
    rows = [p for layer in (module.query, module.key, module.value) for p in (layer.weight, layer.bias)]
    W_O = module.dense.weight

    def move():
        for parameter in rows:
            parameter.copy_(parameter.roll(32, 0))
        W_O.copy_(W_O.roll(32, 1))

    yield from _with(model, [*rows, W_O], move)


def shuffle_queries_of_the_head(model):
    """Shuffles the rows of W_Q within head 5, so that its queries no longer meet the keys they were trained for."""
    query = attention_module(model).query
    order = 32 * HEAD + torch.randperm(32, generator=_seeded())

    def shuffle():
        for parameter in (query.weight, query.bias):
            parameter[rows_of(HEAD)] = parameter[order]

    yield from _with(model, [query.weight, query.bias], shuffle)


def attend_alike_in_all_heads(model):
    """Gives every head the queries and keys of head 5."""
    module = attention_module(model)
    parameters = [p for layer in (module.query, module.key) for p in (layer.weight, layer.bias)]

    def copy():
        for parameter in parameters:
            for head in range(model.config.num_attention_heads):
                parameter[rows_of(head)] = parameter[rows_of(HEAD)].clone()

    yield from _with(model, parameters, copy)


def blur_the_head(model):
    """Divides the attention scores of head 5 by four: the same order of keys at first, on less attention weight."""
    query = attention_module(model).query

    def blur():
        for parameter in (query.weight, query.bias):
            parameter[rows_of(HEAD)] /= 4

    yield from _with(model, [query.weight, query.bias], blur)


def without_feed_forward(model):
    """Removes the feed-forward network from every layer: later layers only repeat attention."""
    ffn = model.albert.encoder.albert_layer_groups[0].albert_layers[0].ffn_output
    parameters = [ffn.weight, ffn.bias]
    yield from _with(model, parameters, lambda: [parameter.zero_() for parameter in parameters])


def attend_in_all_layers_as_in_10(model):
    """Reports the attention of layer 10 for every layer, as if the first did what only the later ones can."""
    yield from _reporting(model, lambda patterns: (patterns[LAYER],) * len(patterns))


def count_layers_from_the_middle(model):
    """Reports the attention of layer 6 for layer 0 and so on, around to that of layer 5 for layer 11."""
    yield from _reporting(model, lambda patterns: patterns[6:] + patterns[:6])


def map_in_layer_10_alone(model):
    """Reports uniform attention for every other layer, as if layers did not share their weights."""

    def alone(patterns):
        uniform = torch.full_like(patterns[LAYER], 1 / patterns[LAYER].shape[-1])
        return tuple(weights if layer == LAYER else uniform for layer, weights in enumerate(patterns))

    yield from _reporting(model, alone)


def permute_within_heads(model):
    """Reorders the dimensions within each head, alike for queries and keys and for values and W_O: harmless."""
    module = attention_module(model)
    order = torch.cat([32 * head + torch.randperm(32, generator=_seeded()) for head in range(8)])
    rows = [p for layer in (module.query, module.key, module.value) for p in (layer.weight, layer.bias)]
    W_O = module.dense.weight

    def permute():
        for parameter in rows:
            parameter.copy_(parameter[order])
        W_O.copy_(W_O[:, order])

    yield from _with(model, [*rows, W_O], permute)


def _seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def _with(model, parameters, edit):
    """Yield the model with an edit of some parameters, and restore them to the last bit."""
    with _restored(parameters):
        with torch.no_grad():
            edit()
        yield model


@contextmanager
def _restored(parameters):
    before = [parameter.detach().clone() for parameter in parameters]
    try:
        yield
    finally:
        with torch.no_grad():
            for parameter, values in zip(parameters, before, strict=True):
                parameter.copy_(values)


def _hooked(module, hook, model):
    handle = module.register_forward_hook(hook)
    try:
        yield model
    finally:
        handle.remove()


def _reporting(model, change):
    """Yield the model with its attention weights changed on the way out, and its predictions as they are."""

    def report(_module, _inputs, output):
        if output.attentions is not None:
            output.attentions = change(output.attentions)
        return output

    yield from _hooked(model, report, model)
