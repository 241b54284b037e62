"""Kills: at a place where a process waits for it, or at any moment while a stage is trained."""

import signal
import time
from dataclasses import replace

from soaking.blows import Blow, Happened, Kind, Who
from soaking.command import Command
from soaking.control import Stopped
from soaking.places import Place
from soaking.processes import left_behind, send
from soaking.site import Site, happened
from soaking.watching import Training, training, whole

PATIENCE_SECONDS = 300.0
END_SECONDS = 90.0  # that a command has to end in good order; its ranks have 20
_POLL_SECONDS = 0.002
_LOOK_SECONDS = 0.1  # between two looks for all processes of a command, which take longer
_JOB_SECONDS = 5.0  # a job that worked so long has its table written when it ends


def strike(blow: Blow, command: Command, site: Site) -> Happened | None:
    """Kill as it is asked for. None where it never came to it."""
    if blow.place is Place.stage:
        return _inside_a_stage(blow, command, site)
    number = site.control.ask(blow.place, blow.nth)
    try:
        stopped = at_the_place(number, blow, command, site)
        if stopped is None:
            return None
        return _hit(blow, command, site, number, stopped, site.within(stopped.path))
    finally:
        site.control.withdraw(number)


def at_the_place(number: int, blow: Blow, command: Command, site: Site) -> Stopped | None:
    """The process that waits at the place of a question, as soon as there is one."""
    began, helped = time.monotonic(), blow.place is not Place.table
    while command.runs and time.monotonic() < began + PATIENCE_SECONDS:
        if stopped := site.control.stopped(number):
            return stopped
        if not helped and time.monotonic() > began + _JOB_SECONDS * (1 + blow.share):
            helped = _have_the_table_written(blow, command, site)
            time.sleep(_LOOK_SECONDS)
        time.sleep(_POLL_SECONDS)
    return None


def _have_the_table_written(blow: Blow, command: Command, site: Site) -> bool:
    """End a job, by the death of a rank, or the command, by SIGTERM; was there a rank?"""
    ranks = command.ranks()
    if not ranks:
        return False
    who, number = (Who.rank, signal.SIGKILL) if blow.other else (Who.parent, signal.SIGTERM)
    send([ranks[-1] if blow.other else command.pid], number)
    first = replace(blow, kind=Kind.kill, place=Place.elsewhere)
    site.note(happened(first, who, "so that the table is written", number))
    return True


def _inside_a_stage(blow: Blow, command: Command, site: Site) -> Happened | None:
    """At a moment that nobody chose while steps are done."""
    while found := next_stage(command, site):
        now = _at_the_share(found, blow.share, command, site)
        if now is None:
            continue
        site.struck = found.launch
        done = _hit(blow, command, site, 0, None, f"train/{now.key} at {now.share:.0%}")
        if not whole(site.store, "train", now.key):
            return done
        site.note(replace(done, place=Place.elsewhere))  # it was over a moment before
    return None


def _at_the_share(begun: Training, share: float, command: Command, site: Site) -> Training | None:
    """The stage once so much of it is done; None where it was over before."""
    while command.runs and (now := training(site.store)):
        if (now.launch, now.key) != (begun.launch, begun.key):
            break
        if now.share >= share:
            return now
        time.sleep(_POLL_SECONDS)
    return None


def next_stage(command: Command, site: Site) -> Training | None:
    """The stage that is trained in another launch than the one that was struck last; waits for
    one."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while command.runs and time.monotonic() < deadline:
        found = training(site.store)
        if found and found.launch != site.struck and len(command.ranks()) == site.ranks:
            return found
        time.sleep(_LOOK_SECONDS if found else 5 * _POLL_SECONDS)
    return None


def _hit(
    blow: Blow, command: Command, site: Site, number: int, stopped: Stopped | None, detail: str
) -> Happened:
    """Send the signal, and see that nobody lives on who should not."""
    every, who = command.processes(), blow.who
    ranks = command.ranks()
    if who is Who.rank and (not ranks or (stopped and stopped.pid not in ranks)):
        who = Who.parent  # whose place it is
    victims = {Who.every: every, Who.parent: [command.pid]}.get(who) or [
        _rank(ranks, stopped, blow.other)
    ]
    send(victims, blow.signal)
    if blow.signal != signal.SIGKILL and stopped:
        site.control.withdraw(number)  # it is to hear of it
    if who is Who.rank:
        left_behind(victims)
    else:
        see_to_the_end(command, every, site)
    return happened(blow, who, detail, blow.signal)


def _rank(ranks: list[int], stopped: Stopped | None, other: bool) -> int:
    here = stopped.pid if stopped else ranks[0]
    others = [rank for rank in ranks if rank != here]
    return others[0] if other and others else here


def see_to_the_end(command: Command, every: list[int], site: Site) -> None:
    """The command has been told to end, or has been ended: none of its processes may be left."""
    if not command.ends_within(END_SECONDS):
        site.complaints.append(f"a command lived for {END_SECONDS:.0f} seconds behind its end")
        command.kill()
    if left := left_behind(every):
        site.complaints.append(f"{len(left)} processes lived on behind their command")
