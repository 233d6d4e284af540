"""Observe a network: an event for every layer that runs, and observers that print, record, send or summarise them."""

from .activity import ActivityObserver
from .events import LayerEvent, LayerStats, Place
from .http import HTTPObserver
from .observers import (
    CallbackObserver,
    ChannelObserver,
    ConsoleObserver,
    Observer,
    QueueObserver,
    RecordedActivity,
    RecordingObserver,
)
from .statistics import LayerStatistics, RunningMoments, StatisticsObserver

__all__ = [
    "ActivityObserver",
    "CallbackObserver",
    "ChannelObserver",
    "ConsoleObserver",
    "HTTPObserver",
    "LayerEvent",
    "LayerStatistics",
    "LayerStats",
    "Observer",
    "Place",
    "QueueObserver",
    "RecordedActivity",
    "RecordingObserver",
    "RunningMoments",
    "StatisticsObserver",
]
