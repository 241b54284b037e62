"""Running programs that a model wrote: in a process that may do little."""
