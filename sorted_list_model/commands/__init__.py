"""The commands that this system has beside those of every system."""
