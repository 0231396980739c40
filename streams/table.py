"""Who decides what, and who reacts to what: the whole write side on one page."""

from __future__ import annotations

from schemas.analysis.messages import AnalysisFailed, AnalysisFinished
from schemas.base import Event
from schemas.datasets.messages import (
    BatchChanged,
    BatchRemoved,
    ImageDropped,
    ImageKept,
    ImageRemoved,
    IntakeClosed,
    VersionFrozen,
    VersionRemoved,
)
from schemas.fleet.messages import DeviceChanged, DeviceRegistered, DeviceRetired
from schemas.media.messages import ImageStored
from schemas.models.messages import ModelRemoved
from schemas.provisioning.messages import CertificateIssued, DeviceEnrolled
from schemas.records.messages import RecordPut, RecordRetired
from schemas.webhooks.messages import EventAnnounced, MessageExhausted
from streams.analysis import decider as analysis
from streams.datasets import decider as datasets
from streams.datasets import reactions as datasets_reactions
from streams.decision import Decider, Reaction
from streams.exports import decider as exports
from streams.fleet import decider as fleet
from streams.fleet import reactions as fleet_reactions
from streams.media import decider as media
from streams.media import reactions as media_reactions
from streams.models import decider as models
from streams.models import reactions as models_reactions
from streams.provisioning import decider as provisioning
from streams.provisioning import reactions as provisioning_reactions
from streams.records import decider as records
from streams.records import reactions as records_reactions
from streams.telemetry import decider as telemetry
from streams.tenancy import decider as tenancy
from streams.webhooks import decider as webhooks
from streams.webhooks import reactions as webhooks_reactions

DECIDERS: dict[str, Decider] = {
    "tenancy": tenancy.DECIDER,
    "records": records.DECIDER,
    "telemetry": telemetry.DECIDER,
    "datasets": datasets.DECIDER,
    "media": media.DECIDER,
    "provisioning": provisioning.DECIDER,
    "fleet": fleet.DECIDER,
    "analysis": analysis.DECIDER,
    "models": models.DECIDER,
    "webhooks": webhooks.DECIDER,
    "exports": exports.DECIDER,
}

REACTIONS: dict[type[Event], tuple[Reaction, ...]] = {
    DeviceEnrolled: (fleet_reactions.register, provisioning_reactions.use),
    CertificateIssued: (provisioning_reactions.use,),
    RecordPut: (records_reactions.put,),
    RecordRetired: (records_reactions.release,),
    DeviceRegistered: (records_reactions.registered,),
    DeviceRetired: (provisioning_reactions.close, models_reactions.clear, records_reactions.release),
    ModelRemoved: (models_reactions.take_off,),
    DeviceChanged: (datasets_reactions.configure, fleet_reactions.configure, records_reactions.changed),
    ImageStored: (datasets_reactions.take,),
    ImageKept: (datasets_reactions.add,),
    ImageDropped: (media_reactions.discard,),
    IntakeClosed: (datasets_reactions.complete,),
    BatchChanged: (datasets_reactions.close,),
    BatchRemoved: (datasets_reactions.clear,),
    ImageRemoved: (media_reactions.forget,),
    VersionFrozen: (datasets_reactions.freeze,),
    VersionRemoved: (datasets_reactions.thaw,),
    AnalysisFinished: (webhooks_reactions.ended,),
    AnalysisFailed: (webhooks_reactions.ended,),
    EventAnnounced: (webhooks_reactions.announced,),
    MessageExhausted: (webhooks_reactions.exhausted,),
}
