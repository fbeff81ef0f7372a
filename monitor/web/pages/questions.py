"""The questions that the page of trends answers, each with a chart."""

from __future__ import annotations

from dataclasses import dataclass

from monitor.web.render import address


@dataclass(frozen=True, slots=True)
class Question:
    """What a chart answers."""

    title: str
    description: str
    by: str
    q: str = ""
    value: str = "count"
    share: bool = False
    last: int = 24
    known: bool = False

    def where(self, base: str, narrowed: str = "", as_of: str | None = None, *, narrow: bool = False) -> str:
        """The address of it below ``base``, narrowed by one more query, as of a time; ``narrow``: for a phone."""
        q = " ".join(part for part in (self.q, f"({narrowed})" if " OR " in narrowed else narrowed) if part)
        value = None if self.value == "count" else self.value
        chosen = {"q": q, "by": self.by, "value": value, "share": self.share, "last": self.last, "known": self.known}
        return address(base, **chosen, narrow=narrow, as_of=as_of)


@dataclass(frozen=True, slots=True)
class ShareQuestion:
    """What a share under all lenses answers."""

    title: str
    description: str
    of: str
    q: str

    def where(self, base: str, narrowed: str = "", as_of: str | None = None, *, narrow: bool = False) -> str:
        """The address of it below ``base``, narrowed by one more query, as of a time; ``narrow``: for a phone."""
        q = " ".join(part for part in (self.q, f"({narrowed})" if " OR " in narrowed else narrowed) if part)
        return address(base, of=self.of, q=q, narrow=narrow, as_of=as_of)


ACCESS = "month,access"
"""Open against closed: of launches and announcements, which no dimension of releases tells apart."""
PACKED = "quantized,conversion"
"""Kinds that are copies of a model in another format."""
DERIVED = f"kind:finetune,adapter,merge,{PACKED}"
US_ON_CHINESE = f"origin:US foundation:CN -kind:{PACKED}"
SHARES = ShareQuestion(
    "What share of new open weights is Chinese or American?",
    "The share of both countries together, of what came out this year, under each lens: what is counted, how it is "
    "weighed and whose country it is decide as much as the models do.",
    "CN,US",
    "released:this-year",
)
"""The question that statistics with one definition cannot answer."""
QUESTIONS = (
    Question(
        "Who releases open weights?",
        "Original models, pretrained or post-trained, per month, by the publisher's country.",
        "month,origin",
        "kind:base",
    ),
    Question(
        "Who launches models?",
        "Launches per month by the publisher's country. All sizes and formats released together count as one.",
        "month,origin",
        "launch:any",
        "launches",
    ),
    Question(
        "Who releases the largest models?",
        "Total parameters of original models released per month, where the count is known.",
        "month,origin",
        "kind:base",
        "params_total",
    ),
    Question(
        "Whose models does the world build on?",
        "Fine-tunes, adapters, merges and quantisations per month: the share by the country of the model at the root.",
        "month,foundation",
        DERIVED,
        share=True,
    ),
    Question(
        "US models on Chinese bases",
        "Fine-tunes, adapters and merges by US publishers of models whose root is Chinese, per month. Copies in "
        "another format (quantisations, conversions) are left out.",
        "month,kind",
        US_ON_CHINESE,
    ),
    Question(
        "US models that may stand on Chinese bases",
        "Releases by US publishers that state no base, but whose configuration, architecture or exact size is that of "
        "a Chinese model, per month. They are suspected, and counted nowhere else.",
        "month,kind",
        f"origin:US suspected:CN -kind:{PACKED}",
    ),
    Question(
        "What do US publishers build on?",
        "Fine-tunes, adapters and merges by US publishers per month: the share by the country of the model at the "
        "root, without copies in another format.",
        "month,foundation",
        "origin:US kind:finetune,adapter,merge",
        share=True,
    ),
    Question(
        "How open are the releases?",
        "Original models per month by openness. Open science requires data or training code and a paper, not only "
        "weights; a licence alone never makes it more than open weights.",
        "month,openness",
        "kind:base",
        share=True,
    ),
    Question(
        "Who opens data and code, too?",
        "Releases per month, by the publisher's country, under open terms that came with a paper and with their "
        "training data or training code.",
        "month,origin",
        "openness:open-science",
    ),
    Question(
        "Which sizes are released?",
        "Original models per month by size, where known.",
        "month,size",
        "kind:base",
        share=True,
    ),
    Question(
        "Open or closed?",
        "Launches per month of known labs with public weights, and the models that their feeds announced and whose "
        "weights are not public. Labs without a monitored feed have no announcements here.",
        ACCESS,
    ),
    Question("Which labs release the most?", "Originals by lab, all time.", "lab", "kind:base", last=0, known=True),
)  # fmt: skip
