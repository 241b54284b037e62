"""Which task is trained at which stage, and which cells of the score matrix are measured."""

from harness.config import (
    EditStages,
    Experts,
    FutureCells,
    HarnessConfig,
    PastCells,
    Schedule,
    SuiteStages,
)


def merges_experts(config: HarnessConfig) -> bool:
    """Does the method merge models that were trained on one task each?"""
    from harness.methods.edits.loading import load_edit

    edits = config.method.edits
    first = next(iter(edits.items()), None)
    if first is None or config.method.edit.experts is not Experts.single:
        return False
    return load_edit(first[1], f"method.{first[0]}").merges()


def merged_rates(config: HarnessConfig) -> list[float]:
    """The learning rates whose sequences are trained beside the run's own, to be merged with it."""
    edit = config.method.edit
    return edit.rates if edit.experts is Experts.rates else []


def reported_schedule(config: HarnessConfig) -> Schedule:
    """Which cells a run promises: those of its schedule, but of models merged at the end alone the
    last row, as of joint training."""
    if merges_experts(config) and config.method.edit.at is EditStages.final:
        return Schedule.joint
    return config.method.schedule


def target_cells(config: HarnessConfig, total: int) -> list[tuple[int, int]]:
    """(stage, column) pairs to score, columns counted from 0, for `total` tasks."""
    rules, schedule = config.eval, reported_schedule(config)
    if schedule is Schedule.none:
        return [(0, column) for column in range(total)]
    cells = [(0, column) for column in range(total)] if rules.stage0 else []
    if schedule is Schedule.joint:
        return cells + [(total, column) for column in range(total)]
    if schedule is Schedule.single:
        return cells + [(column + 1, column) for column in range(total)]
    for stage in range(1, total + 1):
        for column in range(total):
            past = column < stage and (
                rules.past is PastCells.all or column == stage - 1 or stage == total
            )
            upcoming = column >= stage and (
                rules.future is FutureCells.all
                or (rules.future is FutureCells.next and column == stage)
            )
            if past or upcoming:
                cells.append((stage, column))
    return cells


def suite_stages(config: HarnessConfig, total: int) -> list[int]:
    """Stages at which the suites are scored."""
    schedule = reported_schedule(config)
    if schedule is Schedule.none:
        return [0]
    stages = [0, total] if schedule is Schedule.joint else list(range(total + 1))
    if config.eval.suite_stages is SuiteStages.ends:
        # The last of separate models is no end of a sequence: only stage 0 is left.
        stages = [0] if schedule is Schedule.single else [0, total]
    return [stage for stage in stages if stage > 0 or config.eval.stage0]
