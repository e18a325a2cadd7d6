"""A search for good options of training, by Optuna."""
