"""Names and YAML become built objects, here and nowhere else."""

from .building import (
    build_accelerator,
    build_data,
    build_kd_loss,
    build_model,
    build_sampler,
    build_space,
    build_trainer,
    complete_identity,
    forget_accelerator,
    run_identity,
)
from .finetune import FinetuneFolder, ImageForm, check_same_transfer, image_form, network_run_of, write_finetune_config
from .network_run import (
    build_network_accelerator,
    build_network_data,
    build_network_trainer,
    finish_network,
    network_identity,
    run_network,
)
from .networks import create_network, create_teacher
from .publishing import check_replaceable, check_tag, publish_run, run_record, suggest_tag, to_publish
from .run_folder import RunFolder
from .search_choice import keep_choice, last_choice, search_front
from .search_cost import SearchCost, build_cost, check_latency_table
from .search_plan import SearchPlan, read_search_plan, search_options
from .trained_run import (
    Deployment,
    TrainedRun,
    build_evaluator,
    build_search,
    cost_of_run,
    open_run,
    search_batches,
    search_fingerprint,
    search_results,
    write_run_config,
)

__all__ = [
    "Deployment", "FinetuneFolder", "ImageForm", "RunFolder", "SearchCost", "SearchPlan", "TrainedRun",
    "build_accelerator", "build_cost", "build_data", "build_evaluator", "build_kd_loss", "build_model",
    "build_network_accelerator", "build_network_data", "build_network_trainer", "build_sampler", "build_search",
    "build_space", "build_trainer", "check_latency_table", "check_replaceable", "check_same_transfer", "check_tag",
    "complete_identity", "cost_of_run", "create_network", "create_teacher", "finish_network", "forget_accelerator",
    "image_form", "keep_choice", "last_choice", "network_identity", "network_run_of", "open_run", "publish_run",
    "read_search_plan", "run_identity", "run_network", "run_record", "search_batches", "search_fingerprint",
    "search_front", "search_options", "search_results", "suggest_tag", "to_publish", "write_finetune_config",
    "write_run_config",
]  # fmt: skip
