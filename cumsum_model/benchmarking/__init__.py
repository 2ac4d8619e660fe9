"""Speed, measured as ratios: two ways side by side in one run, and what the machine itself could do."""
