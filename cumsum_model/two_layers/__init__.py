"""Two layers: the same task and recipe, another mechanism. What the second layer's head does is in `second_head`."""
