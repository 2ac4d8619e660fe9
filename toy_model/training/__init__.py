"""Training: `training` runs a recipe, `gradient` has a batch's loss and gradient, `state_file` keeps a run on disk."""
