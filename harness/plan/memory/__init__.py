"""What a run takes of device memory, host memory and disk, before anything loads; no torch."""
