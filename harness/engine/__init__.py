"""DeepSpeed behind a small interface: ranks, the training engine, export, the packing probe.

Everything that depends on DeepSpeed's internals lives in this package.
"""
