"""Mean-field Q-learning as one would write it today with MAgent2 and PyTorch."""
