"""Model names with a provider before them, as LiteLLM and routers write them: ``huggingface/together/org/model``.

Source: LiteLLM's list of providers. A provider that serves open weights by their Hub id leaves the id readable; an API
of closed models names no repository.
"""

from __future__ import annotations

from dataclasses import replace

from monitor.audit.mentions import Mention, Place, hub_mention, registry_mention

_BY_HUB_ID = frozenset(
    {
        "huggingface", "hosted_vllm", "vllm", "together_ai", "deepinfra", "nebius", "novita", "hyperbolic",
        "featherless_ai", "baseten", "predibase", "anyscale", "friendliai", "infinity", "text-completion-inference",
    }
)  # fmt: skip
"""Providers whose model names are ids of the Hub."""
_REGISTRIES = {"ollama": "ollama", "ollama_chat": "ollama", "lm_studio": "lmstudio", "docker_model_runner": "docker"}
_APIS = frozenset(
    {
        "openai", "azure", "azure_ai", "anthropic", "bedrock", "vertex_ai", "gemini", "cohere", "mistral", "groq",
        "xai", "perplexity", "deepseek", "fireworks_ai", "replicate", "openrouter", "nvidia_nim", "cerebras",
        "sambanova",
        "databricks", "watsonx", "sagemaker", "cloudflare", "github", "ai21", "voyage", "jina_ai", "moonshot",
        "dashscope", "text-completion-openai", "azure_text", "codestral", "palm", "aleph_alpha",
        "cohere_chat", "bedrock_converse",
    }
)  # fmt: skip
_HF_PROVIDERS = frozenset(
    {
        "together", "sambanova", "fireworks-ai", "novita", "nebius", "hyperbolic", "cerebras", "groq", "hf-inference",
        "featherless-ai", "nscale", "cohere", "fal-ai", "replicate", "black-forest-labs", "auto", "publicai", "zai-org",
    }
)  # fmt: skip


def provider_mention(text: str, place: Place, *, own_host: bool = False) -> Mention | None:
    """The mention of a name with a provider before it; None where it begins with none.

    ``own_host``: the configuration names the host, so that ``openai/`` is any server with OpenAI's protocol.
    """
    provider, slash, rest = text.partition("/")
    provider = provider.lower()
    if not slash or not rest:
        return None
    if provider in _REGISTRIES:
        return replace(registry_mention(rest, place, _REGISTRIES[provider]), text=text)
    if provider in _BY_HUB_ID and (rest.count("/") >= 1 or provider == "huggingface"):
        first, _, after = rest.partition("/")
        if provider == "huggingface" and first in _HF_PROVIDERS and after.count("/") == 1:
            rest = after
        return replace(hub_mention(rest, place), text=text)
    if provider not in _APIS:
        return None
    if own_host and provider in {"openai", "text-completion-openai"} and rest.count("/") == 1:
        evidence = "the name that a server of your own is asked for, which has the form of an id of the Hub"
        return replace(hub_mention(rest, place), text=text, confidence=0.8, evidence=evidence)
    # Two parts may look like an id (mistral/mistral-large, openai/gpt-4o), but are the provider's own names.
    return Mention(text, place, problem=f"a model of the API of {provider}, which names no repository")
