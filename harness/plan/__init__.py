"""From a configuration to the nodes that produce it and the cells that it reports; no torch."""
