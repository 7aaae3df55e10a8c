"""Telling people on the bus: a notice is durable there before anything begins. Whoever pages people follows it."""

from __future__ import annotations

from estate.notices import Notice
from estate.subjects import Subjects
from tools.bus.port import Bus
from tools.execution.hands import Announce


def announcing(bus: Bus, subjects: Subjects) -> Announce:
    """A way to tell people; the same notice is there once, however often it is told."""

    async def announce(notice: Notice) -> None:
        subject = subjects.notice(notice.site, notice.occasion)
        await bus.publish(subject, notice.canonical(), message_id=f"{notice.occasion.value}:{notice.execution}")

    return announce
