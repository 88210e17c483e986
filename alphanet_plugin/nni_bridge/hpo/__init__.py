"""Hyper-parameters and subnets as NNI's trials: tuners, trials, and the manager that runs them."""
