"""What is proved of a model's answers to every list."""
