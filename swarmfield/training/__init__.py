"""Training: who plays whom, the compiled loop, evaluation, and the folder a run leaves."""
