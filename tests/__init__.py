"""The tests and benchmarks, and the servers that they start."""

import os
import sys

# Hundreds of processes are started: where bytecode may not be kept, each would compile all modules anew, for seconds.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
