"""Readers of benchmarks in their publishers' formats, one file a benchmark."""
