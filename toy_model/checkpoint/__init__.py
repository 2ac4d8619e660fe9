"""Files that people keep checkpoints in, read as data, and the one kind that is written.

From bytes to a model, in this order:
stored      a file, or shards under an index, and the card
container   what a file is by its first bytes; `foreign` names what is no checkpoint
torch_file  what torch.save wrote, behind `archive` and `survey`
state_dict  where in it the weights are
spelling    names without what wrappers put into them
naming      our names, order of rows, float32; `bridge` knows another naming
sizes       the sizes of the model, off the shapes
checkpoint  all of that, and writing; `card` says where a model comes from
misreading  what is said of a file that was read as what it is not
"""
