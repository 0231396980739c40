"""Who decides what, and who reacts to what: the whole write side on one page."""

from __future__ import annotations

from schemas.base import Event
from streams.analysis import decider as analysis
from streams.fleet import decider as fleet
from streams.fleet import reactions as fleet_reactions
from streams.provisioning import decider as provisioning
from streams.provisioning import reactions as provisioning_reactions
from streams.media import decider as media
from streams.media import reactions as media_reactions
from streams.datasets import decider as datasets
from streams.datasets import reactions as datasets_reactions
from streams.decision import Decider, Reaction
from streams.records import decider as records
from streams.tenancy import decider as tenancy

DECIDERS: dict[str, Decider] = {
    "tenancy": tenancy.DECIDER,
    "records": records.DECIDER,
    "datasets": datasets.DECIDER,
    "media": media.DECIDER,
    "provisioning": provisioning.DECIDER,
    "fleet": fleet.DECIDER,
    "analysis": analysis.DECIDER,
}

REACTIONS: dict[type[Event], tuple[Reaction, ...]] = {}
