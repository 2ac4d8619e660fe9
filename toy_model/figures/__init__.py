"""What the figures of all systems share beyond what the plugin draws with: how a model may leave nothing to draw."""
