"""Measures of speed, delay and memory on this machine: `python -m benchmarks [--quick] [NAME…]`.

Every figure of a run is put against a ceiling that was measured in the same run, for machines differ and are noisy;
and every run counts what was taken in and what was found, for speed without that is nothing.
"""
