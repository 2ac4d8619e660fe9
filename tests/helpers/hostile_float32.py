"""October's forward pass in float32, with every sum in the order that loses most: positive terms first.

A sum rises as high as its terms can take it before it comes down. Means, products and softmax are computed one rounded
operation at a time.
"""

import numpy as np

from toy_model.transformer import EPSILON

SINGLE = np.float32


def added(terms, axis):
    """The sum of float32 numbers, the largest first, one after another."""
    assert terms.dtype == SINGLE
    in_order = -np.sort(-terms, axis)
    return np.take(np.add.accumulate(in_order, axis, dtype=SINGLE), -1, axis)


def product(a, W, *addends):
    """`a @ W` and what is added to it, all in one sum."""
    terms = a[..., :, None] * W
    others = [np.broadcast_to(other, terms.shape[:-2] + terms.shape[-1:])[..., None, :] for other in addends]
    return added(np.concatenate([terms, *others], -2), -2)


def normalised(x, w, b):
    width = SINGLE(x.shape[-1])
    centred = x - (added(x, -1) / width)[..., None]
    variance = added(centred * centred, -1) / width
    return centred / np.sqrt(variance + SINGLE(EPSILON))[..., None] * w + b


def hostile_logits(model, toks):
    """Logits of each list at every position: [list, position, answer]."""
    W = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    assert all(of_name.dtype == SINGLE for of_name in W.values())
    attn = {name.rpartition(".")[2]: W[name] for name in W if ".attn." in name}
    stream = W["embed.W_E"][toks] + W["pos_embed.W_pos"]
    read = normalised(stream, W["blocks.0.ln1.w"], W["blocks.0.ln1.b"])
    future = np.triu(np.ones((toks.shape[-1],) * 2, dtype=bool), 1)
    means = []
    for h in range(model.cfg.n_heads):
        q, k, v = (product(read, attn[f"W_{kind}"][h], attn[f"b_{kind}"][h]) for kind in "QKV")
        scores = product(q, k.swapaxes(-1, -2)[:, None]) / SINGLE(np.sqrt(SINGLE(model.cfg.d_head)))
        scores = np.where(future, SINGLE(-np.inf), scores)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        means.append(product(weights / added(weights, -1)[..., None], v[:, None]))
    z = np.concatenate(means, -1)
    stream = product(z, attn["W_O"].reshape(-1, model.cfg.d_model), attn["b_O"], stream)
    return product(normalised(stream, W["ln_final.w"], W["ln_final.b"]), W["unembed.W_U"], W["unembed.b_U"])
