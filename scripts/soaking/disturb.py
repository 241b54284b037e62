"""What happens to a sweep besides kills."""

import signal
import time
from collections import Counter
from collections.abc import Callable

from soaking.blows import Blow, Happened, Kind, Who
from soaking.command import Command
from soaking.disk import full
from soaking.processes import alive, send
from soaking.site import Site, happened
from soaking.strikes import at_the_place, next_stage, see_to_the_end, strike

FULL_SECONDS = 20.0  # that a disk stays full, unless the command ends before
STOPPED_SECONDS = 3.0
TOGETHER_SECONDS = 60.0  # that two commands work side by side, unless they have made three nodes


def stopped_process(blow: Blow, command: Command, site: Site) -> Happened | None:
    """A rank or the parent is stopped inside a stage; then it goes on, or is killed."""
    if next_stage(command, site) is None:
        return None
    every, ranks = command.processes(), command.ranks()
    who = Who.parent if blow.who is Who.parent or not ranks else Who.rank
    victim = command.pid if who is Who.parent else ranks[-1 if blow.other else 0]
    send([victim], signal.SIGSTOP)
    time.sleep(STOPPED_SECONDS)
    number = signal.SIGCONT if blow.kind is Kind.goes_on else signal.SIGKILL
    send([victim], number)
    if number == signal.SIGKILL and who is Who.parent:
        see_to_the_end(command, every, site)
    return happened(blow, who, f"for {STOPPED_SECONDS:g} seconds", number)


def hung_rank(blow: Blow, command: Command, site: Site) -> Happened | None:
    """A rank is stopped inside a stage and stays so: others find out, and the parent ends it."""
    if next_stage(command, site) is None:
        return None
    ranks = command.ranks()
    if not ranks:
        return None
    victim = ranks[-1 if blow.other else 0]
    began = time.monotonic()
    send([victim], signal.SIGSTOP)
    while alive([victim]) and time.monotonic() < began + 2 * site.timeout:
        time.sleep(0.1)
    told = f"ended after {time.monotonic() - began:.0f} seconds"
    if alive([victim]):
        site.complaints.append("a rank hung and nobody ended it")
        send([victim], signal.SIGKILL)
        told = "nobody ended it"
    return happened(blow, Who.rank, told, signal.SIGSTOP)


def full_disk(blow: Blow, command: Command, site: Site) -> Happened | None:
    """The disk takes no more from a place on, until the command ends or some seconds are over."""
    assert site.disk is not None
    number = site.control.ask(blow.place, blow.nth)
    try:
        found = at_the_place(number, blow, command, site)
        if found is None:
            return None
        with full(site.disk):
            site.control.withdraw(number)
            ended = command.ends_within(FULL_SECONDS)
        told = "the command ended" if ended else f"for {FULL_SECONDS:.0f} seconds"
        return happened(blow, "the disk", f"at {site.within(found.path)}; {told}")
    finally:
        site.control.withdraw(number)


def second_command(blow: Blow, command: Command, site: Site) -> tuple[Happened | None, Command]:
    """The same command a second time: no node is made twice. Then one of them is killed; returns
    the other one."""
    if next_stage(command, site) is None:
        return None, command
    before = _made(site)
    second = site.start()
    deadline = time.monotonic() + TOGETHER_SECONDS
    while command.runs and second.runs and time.monotonic() < deadline:
        if (_made(site) - before).total() >= 3:
            break
        time.sleep(0.05)
    made = _made(site) - before
    twice = [node for node, times in made.items() if times > 1]
    site.complaints += [f"{one} was made twice by two commands" for one in twice]
    one, other = (second, command) if blow.other else (command, second)
    number = signal.SIGKILL if one.runs else 0
    if number:
        every = one.processes()
        send([one.pid], number)
        see_to_the_end(one, every, site)
    told = f"together they made {len(made)} nodes, {len(twice)} of them twice"
    return happened(blow, Who.parent, told, number), other


def _made(site: Site) -> Counter[str]:
    """Node -> how often it became whole."""
    lines = (line.partition(" ") for line in site.control.notes())
    return Counter(name for what, _, name in lines if what == "node")


Disturbance = Callable[[Blow, Command, Site], tuple[Happened | None, Command]]


def _alone(do: Callable[[Blow, Command, Site], Happened | None]) -> Disturbance:
    return lambda blow, command, site: (do(blow, command, site), command)


# What is done to a command that runs; with the command that runs on.
DISTURBANCES: dict[Kind, Disturbance] = {
    Kind.kill: _alone(strike),
    Kind.full: _alone(full_disk),
    Kind.goes_on: _alone(stopped_process),
    Kind.stopped: _alone(stopped_process),
    Kind.hung: _alone(hung_rank),
    Kind.beside: second_command,
}
