"""How long one layer can go, how long two, and what more heads do: what is measured of every model of the study.

`cells` says which models are trained, `proved` and `sampled` what is measured of each, `study` holds what came of it:
docs/lengths.json, which `claims/lengths` judges and docs/lengths.md tells. `python -m benchmarks.lengths` runs it.
"""
