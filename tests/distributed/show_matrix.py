"""Print equivalence.csv as a matrix: a line a method and adapter, a column a ZeRO stage and number
of ranks. `python show_matrix.py <file>`."""

import csv
import sys
from pathlib import Path


def matrix(rows: list[dict[str, str]]) -> str:
    """Each cell is the largest weight difference to plain PyTorch, or why there is none."""
    columns = sorted({(int(row["ranks"]), int(row["zero_stage"])) for row in rows})
    cells = {
        (row["method"], row["adapter"], int(row["ranks"]), int(row["zero_stage"])): row["max_diff"]
        if row["status"] == "equal"
        else f"{row['status']} {row['max_diff']}".strip()
        for row in rows
    }
    lines = [["method", "adapter", *(f"zero{zero} x{ranks}" for ranks, zero in columns)]]
    for method, adapter in dict.fromkeys(key[:2] for key in cells):
        found = [cells.get((method, adapter, *column), "-") for column in columns]
        lines.append([method, adapter, *found])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = [[cell.ljust(width) for cell, width in zip(x, widths, strict=True)] for x in lines]
    return "\n".join("  ".join(line).rstrip() for line in padded)


if __name__ == "__main__":
    with Path(sys.argv[1]).open() as stream:
        print(matrix(list(csv.DictReader(stream))))
