"""What the benchmarks beside other packages have in common: processes in turn, models and data, and
the tables that come of them."""
