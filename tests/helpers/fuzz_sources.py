"""Good files of every kind that is read, for others to be made of."""

import io
import pickle
import struct
from collections import Counter, OrderedDict

import numpy as np
import safetensors.torch
import torch
from transformer_lens.config import TransformerBridgeConfig
from transformer_lens.utilities.tl_checkpoint_conversion import convert_tl_checkpoint

from cumsum_model.config import CumsumConfig
from cumsum_model.task import untrained

CONFIG = CumsumConfig(max_value=2, n_ctx=5, n_heads=2, d_model=6, d_head=3, d_mlp=4)
MASK, IGNORE = "blocks.0.attn.mask", "blocks.0.attn.IGNORE"


def classic_state():
    model = untrained(CONFIG, seed=5)
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def hooked_state(wrapped=False):
    state = classic_state()
    if wrapped:
        state["embed.W_E"] = state["embed.W_E"].roll(-CONFIG.max_value, 0)
    state[MASK] = torch.ones(CONFIG.n_ctx, CONFIG.n_ctx, dtype=torch.bool).tril()
    state[IGNORE] = torch.tensor(-torch.inf)
    return state


def bridge_state(state=None):
    cfg = TransformerBridgeConfig(
        n_layers=1, n_heads=2, d_model=6, d_head=3, n_ctx=5, d_vocab=5, d_mlp=4, act_fn="relu", normalization_type=None
    )
    return convert_tl_checkpoint(state or classic_state(), cfg)


def saved(state):
    file = io.BytesIO()
    torch.save(OrderedDict(state) if isinstance(state, dict) else state, file)
    return file.getvalue()


def before_1_6(state):
    """What torch.save wrote before torch 1.6, with keys that count storages where it has their addresses."""
    keys, storages, file = {}, [], io.BytesIO()

    class Pickler(pickle.Pickler):
        def persistent_id(self, value):
            if not isinstance(value, torch.storage.TypedStorage):
                return None
            address = value._untyped_storage.data_ptr()
            if address not in keys:
                keys[address] = str(len(keys))
                storages.append(value)
            kind = getattr(torch, value._pickle_storage_type())
            return "storage", kind, keys[address], "cpu", value._size(), None

    for part in (torch.serialization.MAGIC_NUMBER, torch.serialization.PROTOCOL_VERSION, {"little_endian": True}):
        pickle.dump(part, file, protocol=2)
    Pickler(file, protocol=2).dump(state)
    pickle.dump([*keys.values()], file, protocol=2)
    for storage in storages:
        file.write(struct.pack("<q", storage._size()) + bytes(storage._untyped_storage))
    return file.getvalue()


def training_checkpoint(state):
    parameters = [torch.nn.Parameter(torch.ones(tensor.dim())) for tensor in state.values()]
    optimizer = torch.optim.Adam(parameters)
    for parameter in parameters:
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    inert = {"steps": Counter([3, 5]), "dtype": torch.float32, "size": torch.Size([3]), "best": np.float64(0.5)}
    return {"epoch": 3, "state_dict": state, "optimizer": optimizer.state_dict(), **inert, "name": "run"}


def plain(state):
    """Tensors that safetensors takes: each contiguous, with bytes of its own."""
    return {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in state.items()}


def to_file(source, state):
    """The bytes of `source` with the tensors `state`, under whatever names they have."""
    if source in ("ours", "hooked safetensors", "bridge safetensors"):
        return safetensors.torch.save(plain(state))
    if source == "before torch 1.6":
        return before_1_6(OrderedDict(state))
    return saved(training_checkpoint(state) if source == "training" else state)


STATES = {
    "ours": classic_state,
    "hooked": hooked_state,
    "wrapped": lambda: hooked_state(wrapped=True),
    "bridge": bridge_state,
    "training": hooked_state,
    "before torch 1.6": hooked_state,
    "hooked safetensors": hooked_state,
    "bridge safetensors": bridge_state,
}
ARCHIVES = ("hooked", "wrapped", "bridge", "training")
