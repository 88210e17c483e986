"""Model spaces, strategies, evaluators and experiments of NNI's NAS."""

from .importing import import_nni_nas

import_nni_nas()
