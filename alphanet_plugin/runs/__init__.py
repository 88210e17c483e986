"""Names and YAML become built objects, and runs are assembled, trained, searched and published."""

from .accelerator import describe_machine, forget_accelerator, is_main_rank, tracked
from .building import build_data, build_kd_loss, build_model, build_sampler, build_space, kd_loss_of, read_config
from .comparison import ComparedRun, compare_run, comparison_csv, comparison_rows, comparison_table
from .curve import Curve, read_curve
from .finetune import FinetuneFolder, check_same_transfer, check_transfer_start, image_form, network_run_of
from .identity import complete_network_identity, complete_supernet_identity, network_identity, supernet_identity
from .network_run import NetworkRun, run_network
from .networks import create_network, open_teacher
from .plan import PhasePlan, Plan, draw_plan, plan_run, plan_table
from .publishing import (
    check_replaceable,
    check_tag,
    help_publish,
    publish_run,
    published_of,
    run_record,
    suggest_tag,
    to_publish,
)
from .ranks import Ranks, joined_ranks, leave_launch, when_told_to_end
from .run_folder import RunFolder
from .run_page import page_run
from .search_cost import SearchCost, build_cost, check_latency_table
from .search_plan import SearchPlan, read_search_plan, search_options
from .searching import keep_choice, last_choice, rank_correlation, search_front, search_run
from .supernet_run import SupernetRun, run_supernet, supernet_of
from .timeline import build_timeline
from .trained_run import (
    Deployment,
    TrainedRun,
    build_evaluator,
    build_search,
    cost_of_run,
    help_search,
    open_history,
    open_run,
    search_batches,
    search_fingerprint,
    search_results,
)
from .training_cost import TrainingCost, training_cost, write_training_cost
from .training_run import OnStep, Watch, write_run_config

__all__ = [
    "ComparedRun", "Curve", "Deployment", "FinetuneFolder", "NetworkRun", "OnStep", "PhasePlan", "Plan", "Ranks",
    "RunFolder", "SearchCost", "SearchPlan", "SupernetRun", "TrainedRun", "TrainingCost", "Watch",
    "build_cost", "build_data", "build_evaluator", "build_kd_loss", "build_model", "build_sampler", "build_search",
    "build_space", "build_timeline", "check_latency_table", "check_replaceable", "check_same_transfer", "check_tag",
    "check_transfer_start", "compare_run", "comparison_csv", "comparison_rows", "comparison_table",
    "complete_network_identity", "complete_supernet_identity", "cost_of_run", "create_network", "describe_machine",
    "draw_plan", "forget_accelerator", "help_publish", "help_search", "image_form", "is_main_rank", "joined_ranks",
    "kd_loss_of", "keep_choice", "last_choice", "leave_launch", "network_identity", "network_run_of",
    "open_history", "open_run", "open_teacher", "page_run", "plan_run", "plan_table", "publish_run", "published_of",
    "rank_correlation", "read_config", "read_curve", "read_search_plan", "run_network", "run_record", "run_supernet",
    "search_batches", "search_fingerprint", "search_front", "search_options", "search_results", "search_run",
    "suggest_tag", "supernet_identity", "supernet_of", "to_publish", "tracked", "training_cost",
    "when_told_to_end", "write_run_config", "write_training_cost",
]  # fmt: skip
