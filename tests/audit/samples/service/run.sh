#!/bin/sh
# python -m vllm.entrypoints.openai.api_server --model not/run
export EMBEDDING_MODEL=BAAI/bge-m3
python -m sglang.launch_server --model-path deepseek-ai/DeepSeek-V3 \
  --tp 8
vllm serve Qwen/Qwen3-8B --speculative-config '{"model": "Qwen/Qwen3-0.6B", "num_speculative_tokens": 4}'
