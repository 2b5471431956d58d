"""The benchmark with truth: lesions planted, a network trained to tell their classes apart, and its maps scored."""

from stratacam.study.truth_benchmark.run import run_benchmark
from stratacam.study.truth_benchmark.settings import BenchmarkSettings

__all__ = ["BenchmarkSettings", "run_benchmark"]
