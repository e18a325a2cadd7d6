"""Grid worlds: one engine configured by agent types and reward rules."""
