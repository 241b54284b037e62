"""Readers of benchmarks in their publishers' formats, one file per benchmark."""
