"""The public part of the history as a static data set: Parquet by month, a log of changes, and what describes them."""
