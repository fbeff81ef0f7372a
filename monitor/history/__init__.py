"""The history: what was seen, judged and kept, and the questions that it answers."""
