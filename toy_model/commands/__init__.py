"""One file a verb of the command line; each serves any system."""
