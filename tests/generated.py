"""How tests run on generated examples: on the same ones each time, and however slow the machine is.

``pytest --hypothesis-profile=explore`` draws others.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# What a machine takes for an example, or to generate it, says nothing of the program.
settings.register_profile("explore", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("tests", settings.get_profile("explore"), derandomize=True)
settings.load_profile("tests")


def on_one_fixture(max_examples: int) -> settings:
    """For a test that takes what a fixture gave from one example to the next, and clears it itself."""
    checks = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
    return settings(max_examples=max_examples, suppress_health_check=checks)
