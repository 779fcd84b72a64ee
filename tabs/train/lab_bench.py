"""The lanes of one visitor, alive: they learn, are turned back, and follow a plan by doing it again.

A lane is a `Session` and what it began with; its plan can be read off it at any time. So nothing is lost when a bench
is cleared away for somebody else's: the page sends the plan, and the lanes learn the same bits once more.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from playground.api import PlaygroundError
from playground.training.lab import Diverged, Moment, Session, Target, sprayed, target
from tabs.train import lab_spray
from tabs.train.lab_plan import LONGEST, Alone, Edit, LanePlan, Plan, texts_of

PIECE = 25  # updates done at a stretch while a run is repeated
MARKS = 24  # moments recorded on the way
STUCK = (
    "Here the numbers blew up and this lane stopped. Turn a knob (a smaller learning rate, say) and go on, or rewind."
)
END = f"The clock of the laboratory ends at {LONGEST:,} updates. Rewind, or start again."

T = TypeVar("T")
Turn = Callable[[Callable[[], T]], T]  # runs a task in the engine's turn


class Lane:
    """One learner at work.

    Attributes:
        session: the learner, its target and its clock. between: what slow motion showed last, while the update it
            belongs to is not whole. told: the newest moment the page knows.
    """

    def __init__(self, plan: LanePlan, goal: Target, seed: int) -> None:
        self.learner, self._start = plan.learner, dict(plan.settings)
        self.session = Session(plan.learner, goal, self._start, seed)
        self.between: Moment | None = None
        self.told = -1

    @property
    def moment(self) -> Moment:
        """What there is to see of it now."""
        return self.between if self.session.stage and self.between else self.session.moments[-1]

    def plan(self) -> LanePlan:
        """What this lane has done so far, as a value."""
        session, learner = self.session, self.session.learner
        turned = [Edit(c.update, c.name, c.value) for c in session.history.changes]
        return LanePlan(self.learner, tuple(self._start.items()), tuple(_merged(turned, learner.rebuilds)),
                        tuple(_runs(session)), session.clock, bool(session.trouble))  # fmt: skip

    def leads_to(self, plan: LanePlan) -> bool:
        """Whether the plan is what this lane has done, or goes on from there, or was passed on the way."""
        mine, clock = self.plan(), self.session.clock
        if mine == plan:
            return True
        if (mine.learner, mine.settings) != (plan.learner, plan.settings) or mine.stuck:
            return False
        at = min(clock, plan.updates)
        alone, asked = ({u: p for u, p in each.only().items() if u < at} for each in (mine, plan))
        if plan.updates < clock:
            return alone == asked and [e for e in mine.edits if e.update <= at] == list(plan.edits)
        done, later = plan.edits[: len(mine.edits)], plan.edits[len(mine.edits) :]
        return alone == asked and mine.edits == done and all(e.update >= clock for e in later)

    def pieces(self, plan: LanePlan) -> Iterator[Callable[[], Any]]:
        """Tasks that bring this lane, which leads there, to where the plan ends; each takes a moment's time."""
        session, only = self.session, plan.only()
        while session.stage and self.plan() != plan:
            yield session.substep
        if session.clock > plan.updates:
            yield lambda: session.rewind(plan.updates)
        waiting = list(plan.edits[len(self.plan().edits) :])
        every = max(10, -(-plan.updates // MARKS))
        while True:
            while waiting and waiting[0].update <= session.clock:
                edit = waiting.pop(0)
                yield lambda edit=edit: session.set(edit.name, edit.value)
            if session.clock >= plan.updates:
                break
            stops = [plan.updates, *(e.update for e in waiting[:1]), every * (session.clock // every + 1)]
            stop, part = min(stops), only.get(session.clock)
            change = next((u for u in range(session.clock, stop) if only.get(u) != part), stop)
            count = min(change - session.clock, PIECE)
            learn = session.advance if session.clock + count == stop else session.train
            yield lambda learn=learn, count=count, part=part: learn(count, part)
        if plan.stuck and not session.trouble:
            session.trouble = STUCK


class Bench:
    """One visitor's lanes, on the same points and clock.

    Attributes:
        lock: held while anything is done with the lanes. goal: what all of them learn.
    """

    def __init__(self, plan: Plan, turn: Turn) -> None:
        self.lock = threading.Lock()
        self._same: tuple[str, str, int] | None = None
        self.lanes: list[Lane] = []
        self.fit(plan, turn)

    def fit(self, plan: Plan, turn: Turn) -> None:
        """Takes up a plan: lanes that lead there stay, others begin anew.

        Raises:
            PlaygroundError: there are no points to learn from.
        """
        same = (plan.target, plan.points, plan.seed)
        free = self.lanes if same == self._same else []
        if same != self._same:
            self.goal = sprayed(lab_spray.points(plan.points)) if plan.target == "sprayed" else target(plan.target)
        lanes = []
        for wanted in plan.lanes:
            lane = next((lane for lane in free if lane.leads_to(wanted)), None)
            free = [other for other in free if other is not lane]
            lanes.append(lane or turn(lambda wanted=wanted: Lane(wanted, self.goal, plan.seed)))
        self.lanes, self._same = lanes, same

    def plan(self) -> Plan:
        """What has been done here."""
        return Plan(*self._same, tuple(lane.plan() for lane in self.lanes))

    def texts(self) -> dict[str, str]:
        """The same as values of the tab's state."""
        return texts_of(self.plan().lanes)

    def reach(self, plan: Plan, turn: Turn, seconds: float) -> bool:
        """Works towards the plan for about so long; True once it is reached, as far as the numbers let it."""
        self.fit(plan, turn)
        until = time.monotonic() + seconds
        for lane, wanted in sorted(zip(self.lanes, plan.lanes), key=lambda pair: pair[0].session.clock):
            try:
                for piece in lane.pieces(wanted):
                    turn(piece)
                    if time.monotonic() > until and lane.session.clock < wanted.updates:
                        return False
            except Diverged:
                continue  # the lane says so itself
        return True

    def play(self, updates: int, only: str | None, turn: Turn) -> list[int]:
        """Every lane learns for some updates, or catches up; returns the lanes that have moved or come to grief."""
        self.whole(turn)
        ready = [lane for lane in self.lanes if not lane.session.trouble]
        if not ready:
            return []
        goal = min(lane.session.clock for lane in ready) + updates
        if goal > LONGEST:
            raise PlaygroundError(END)
        moved = [lane for lane in ready if lane.session.clock < goal]
        for lane in moved:
            session = lane.session
            part = only if only in session.learner.parts else None
            _forgiving(turn, lambda s=session, p=part: s.advance(min(updates, goal - s.clock), p))
        return [i for i, lane in enumerate(self.lanes) if lane in moved]

    def part(self, turn: Turn) -> list[int]:
        """Slow motion: the next part of everybody's update."""
        ready = [lane for lane in self.lanes if not lane.session.trouble]
        if any(lane.session.clock >= LONGEST for lane in ready):
            raise PlaygroundError(END)
        for lane in ready:
            lane.between = _forgiving(turn, lane.session.substep)
        return [i for i, lane in enumerate(self.lanes) if lane in ready]

    def change(self, number: int, settings: Mapping[str, Any], turn: Turn) -> None:
        """Turns knobs of one lane, live; an update begun in slow motion is finished first."""
        self.whole(turn)
        _forgiving(turn, lambda: self.lanes[number].session.change(settings))

    def whole(self, turn: Turn) -> None:
        """Finishes what slow motion left between two parts."""
        for lane in self.lanes:
            while lane.session.stage and not lane.session.trouble:
                _forgiving(turn, lane.session.substep)

    def rewind(self, update: int, turn: Turn) -> None:
        """Everybody goes back to an update; who has not been that far stays."""
        for lane in self.lanes:
            if lane.session.clock > update or lane.session.trouble or lane.session.stage:
                turn(lambda s=lane.session: s.rewind(min(update, s.clock)))


def _forgiving(turn: Turn, task: Callable[[], T]) -> T | None:
    """A session that diverges has gone back by itself and says why; the other lanes go on."""
    try:
        return turn(task)
    except Diverged:
        return None


def _merged(edits: Sequence[Edit], rebuilds: frozenset[str]) -> list[Edit]:
    """Without those that were turned again before anything was learned (a rebuild counts each time)."""
    last = {(e.update, e.name): i for i, e in enumerate(edits)}
    return [e for i, e in enumerate(edits) if e.name in rebuilds or last[e.update, e.name] == i]


def _runs(session: Session) -> Iterator[Alone]:
    """Updates in which one part learned alone, neighbours together."""
    only: Mapping[int, str] = session.history.only
    pairs = sorted((u, part) for u, part in only.items() if u < session.clock)
    for _, run in itertools.groupby(enumerate(pairs), key=lambda item: (item[1][0] - item[0], item[1][1])):
        first, *rest = (pair for _, pair in run)
        yield Alone(first[0], first[1], 1 + len(rest))
