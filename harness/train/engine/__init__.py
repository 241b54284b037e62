"""DeepSpeed behind a small interface: ranks, the training engine, the view of
weights and gradients that strategies work on, export, the packing probe.

Everything that depends on DeepSpeed's internals lives in this package.
"""
