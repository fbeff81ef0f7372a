"""A service that loads models."""

from sentence_transformers import SentenceTransformer
from transformers import AutoModelForCausalLM, pipeline
from vllm import LLM

CHAT = "Qwen/Qwen3-8B"

model = AutoModelForCausalLM.from_pretrained(CHAT, revision="main")
embedder = SentenceTransformer("BAAI/bge-m3")
classifier = pipeline("text-classification", model="distilbert-base-uncased")
engine = LLM(model="meta-llama/Llama-3.1-8B-Instruct")
other = AutoModelForCausalLM.from_pretrained(settings.model)  # noqa: F821
