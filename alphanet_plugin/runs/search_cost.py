"""What a search's Pareto sets are taken by: MFLOPs, parameters, or a latency table beside the run."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np

from ..config import RunConfig
from ..errors import SearchError
from ..evaluation import LatencyTable, TableConditions, TableError
from ..search import Cost, Limit, Proposals, mflops_cost, params_cost, params_limit
from ..spaces import Arch, SearchSpace
from .run_folder import RunFolder

NUM_FITTED = 10  # whole networks that a latency table's scale and offset are learnt from
_SEED = 0  # of the subnets that are fitted on and checked; the search's own randomness is apart

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SearchCost:
    """A cost with its names.

    Attributes:
        of: Subnet -> cost.
        label: For an axis, with the unit.
        table: Where latency is the cost, or is bounded.
        limits: What candidates may cost beside MFLOPs.
    """

    of: Cost
    label: str
    table: LatencyTable | None = None
    limits: tuple[Limit, ...] = ()


def build_cost(
    config: RunConfig, folder: RunFolder, space: SearchSpace, num_classes: int, *, measuring: bool = True
) -> SearchCost:
    """The cost that the configuration's search section names.

    Args:
        config: The run's.
        folder: The run's; a latency table lies there as ``latency_DEVICE_bN.json``.
        space: The run's.
        num_classes: Outputs of the classifier.
        measuring: Whether networks that the table cannot tell yet may come. False: another machine's table will do,
            with a warning.

    Raises:
        SearchError: The table was measured on another machine, for something else, or cannot be read; or there is no
            such device.
    """
    settings = config.search
    table = _open_table(config, folder, space, num_classes, measuring) if settings.needs_latency else None
    limits = []
    if settings.min_params is not None or settings.max_params is not None:
        limits.append(params_limit(space, num_classes, settings.min_params, settings.max_params))
    if table is not None and (settings.min_latency_ms is not None or settings.max_latency_ms is not None):
        least, most = settings.min_latency_ms or -np.inf, settings.max_latency_ms or np.inf
        limits.append(Limit(of=table.latency_ms, unit="ms", least=least, most=most))
    common = {"table": table, "limits": tuple(limits)}
    if settings.cost == "mflops":
        return SearchCost(mflops_cost, "MFLOPs (multiply-adds / 1e6)", **common)
    if settings.cost == "params":
        return SearchCost(params_cost(space, num_classes), "parameters (millions)", **common)
    assert table is not None
    label = f"latency (ms), batch {table.conditions.batch} on {table.conditions.machine}"
    return SearchCost(lambda subnet: table.latency_ms(subnet.arch), label, **common)


def _open_table(
    config: RunConfig, folder: RunFolder, space: SearchSpace, num_classes: int, measuring: bool
) -> LatencyTable:
    settings = config.search
    here = TableConditions.here(settings.latency_device, settings.latency_batch, num_classes)
    table = LatencyTable(folder.latency_table(settings.latency_device, settings.latency_batch), here, space)
    if not table.measured_here:
        difference = f"latency table {table.path} was measured with {table.conditions}; here is {table.here}"
        if measuring:
            raise SearchError(f"{difference}: search there, or delete the file to measure anew here")
        logger.warning(difference)
    return table


def check_latency_table(
    table: LatencyTable, space: SearchSpace, min_mflops: float, max_mflops: float, count: int
) -> TableError:
    """Fit the table on whole networks and compare it with `count` others; what its file tells is not measured again.

    Both kinds are random subnets within the range; the fitted ones are joined by the space's smallest and largest.

    Raises:
        SearchError: The range holds no such subnets.
    """
    ends = [space.smallest(), space.largest()]
    rng, num_classes = np.random.default_rng(_SEED), table.conditions.num_classes
    proposals = Proposals(space, min_mflops, max_mflops, num_classes, rng)
    proposals.exclude(ends)
    fitted: list[Arch] = [*ends, *proposals.random(NUM_FITTED - len(ends))]
    held_out = proposals.random(count)
    if not held_out:
        raise SearchError(
            f"no subnet of {min_mflops:g} to {max_mflops:g} MFLOPs was found to check the table on; widen "
            "search.min_mflops to search.max_mflops"
        )
    if table.num_fitted and table.error and table.error.subnets == len(held_out):
        return table.error
    table.measure([*fitted, *held_out])
    if not table.num_fitted:
        table.fit(fitted)
    return table.check(held_out)
