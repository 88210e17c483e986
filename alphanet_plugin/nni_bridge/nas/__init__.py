"""Model spaces, strategies, evaluators and experiments of NNI's NAS."""
