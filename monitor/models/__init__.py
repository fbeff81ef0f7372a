"""The tables, by subject. Whoever changes a release through these keeps its revisions and search text."""

from monitor.dates import iso
from monitor.models import listeners
from monitor.models.brief import PublishedBrief
from monitor.models.columns import Id, Json, Timestamp
from monitor.models.comparison import Comparison, ComparisonFinding
from monitor.models.delivery import Delivery, DeliveryState, Notice, OutageAlert
from monitor.models.email import EmailBounce, EmailConfirmation, Suppression
from monitor.models.installation import Installation
from monitor.models.launch import Announcement, Launch
from monitor.models.notable import NotableFill, NotableRecord, NotableWork
from monitor.models.release import (
    COUNTED,
    MEASURED,
    NAME_WORDS,
    ORIGINAL,
    Adoption,
    AdoptionTotal,
    Change,
    Correction,
    FormatQueue,
    Release,
    ReleaseFormat,
    ReleaseObservation,
    ReleaseRevision,
    Tally,
)
from monitor.models.repository_file import RepositoryFile
from monitor.models.saved_list import SavedList
from monitor.models.slack import SlackInstallation
from monitor.models.source import Counter, FailedLookup, Feed, FeedEntry, Namespace, Outage, Poll, WebhookEvent
from monitor.models.stack import Stack, StackMember
from monitor.models.subscription import Subscription, Target
from monitor.models.trigger import AggregateTrigger
from monitor.models.used_request import UsedRequest

__all__ = [
    "COUNTED",
    "MEASURED",
    "NAME_WORDS",
    "ORIGINAL",
    "Adoption",
    "AdoptionTotal",
    "AggregateTrigger",
    "Announcement",
    "Change",
    "Comparison",
    "ComparisonFinding",
    "Correction",
    "Counter",
    "Delivery",
    "DeliveryState",
    "EmailBounce",
    "EmailConfirmation",
    "FailedLookup",
    "Feed",
    "FeedEntry",
    "FormatQueue",
    "Id",
    "Installation",
    "Json",
    "Launch",
    "Namespace",
    "NotableFill",
    "NotableRecord",
    "NotableWork",
    "Notice",
    "Outage",
    "OutageAlert",
    "Poll",
    "PublishedBrief",
    "Release",
    "ReleaseFormat",
    "ReleaseObservation",
    "ReleaseRevision",
    "RepositoryFile",
    "SavedList",
    "SlackInstallation",
    "Stack",
    "StackMember",
    "Subscription",
    "Suppression",
    "Tally",
    "Target",
    "Timestamp",
    "UsedRequest",
    "WebhookEvent",
    "iso",
    "listeners",
]
