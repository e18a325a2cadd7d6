"""Many minor agents that are alike, at most one major agent, and a reward that all share."""
