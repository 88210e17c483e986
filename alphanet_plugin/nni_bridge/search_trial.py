"""``python -m alphanet_plugin.nni_bridge.search_trial``: `hpo.search_trial` under the name that older files have."""

from .hpo.search_trial import evaluate_arch, main

__all__ = ["evaluate_arch", "main"]

if __name__ == "__main__":
    main()
