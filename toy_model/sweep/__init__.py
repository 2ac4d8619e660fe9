"""Many checkpoints: train and verify them, here or on a cluster, and say which claims do not depend on the seed.

`outcome` is what is kept of one run; `universality` puts the runs of a folder together.
"""
