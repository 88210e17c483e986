"""Names and YAML become built objects, here and nowhere else."""

from .building import (
    build_accelerator,
    build_data,
    build_kd_loss,
    build_model,
    build_sampler,
    build_space,
    build_trainer,
)
from .run_folder import RunFolder
from .search_plan import SearchPlan, read_search_plan
from .trained_run import (
    Deployment,
    TrainedRun,
    build_evaluator,
    build_search,
    open_run,
    publish_run,
    search_batches,
    search_fingerprint,
    search_results,
    to_publish,
    write_run_config,
)

__all__ = [
    "Deployment", "RunFolder", "SearchPlan", "TrainedRun", "build_accelerator", "build_data", "build_evaluator",
    "build_kd_loss", "build_model", "build_sampler", "build_search", "build_space", "build_trainer", "open_run",
    "publish_run", "read_search_plan", "search_batches", "search_fingerprint", "search_results", "to_publish",
    "write_run_config",
]  # fmt: skip
