"""Files that people keep checkpoints in, read as data: containers, names of parameters, order of rows.

`source` tells containers apart, `pickled` and `torch_archive` read what `torch.save` wrote, `naming` translates
names and rows into ours, `diagnosis` notices a model that was read in the wrong order. `commands` has `convert`
and `inspect`.
"""
