"""No outcome hangs on how busy the machine is: generated examples are the same every time and may take their time."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "unhurried", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("unhurried")
