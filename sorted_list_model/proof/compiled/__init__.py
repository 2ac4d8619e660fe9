"""The bound and the search, compiled by numba: some 40 times faster than `bound`, which is their test.

Compiling takes ten to thirty seconds, once: what is compiled is saved beside these modules, in __pycache__ (`caching`).
numba is imported here and nowhere else, which takes a fifth of a second.
"""
