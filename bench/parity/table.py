"""Print the rows that the parity tests wrote as one table: python bench/parity/table.py ROWS.jsonl

A piece's row holds the worst of its checks. Exits 1 if a bound was broken or nothing was compared.
"""

import json
import sys
from collections import OrderedDict
from importlib.metadata import version


def exponent(value):
    return "0" if value == 0 else f"{value:.1e}"


def bound(row):
    parts = [exponent(row["absolute"])] if row["absolute"] else []
    parts += [f"{exponent(row['relative'])} |b|"] if row["relative"] else []
    return " + ".join(parts) or "0"


def severity(row):
    """The share of its absolute bound that an error is; broken bounds come last."""
    error = float("inf") if row["error"] is None else row["error"]
    return (not row["holds"], error / (row["absolute"] + row["relative"]) if row["absolute"] + row["relative"] else error)


def main():
    pieces = OrderedDict()
    with open(sys.argv[1]) as lines:
        for row in map(json.loads, lines):
            key = (row["family"], row["what"].split(": ")[0])
            pieces.setdefault(key, []).append(row)
    header = ("family", "piece", "numbers", "error", "bound", "verdict")
    table = [header]
    for (family, piece), rows in sorted(pieces.items()):
        worst = max(rows, key=severity)
        error = "NaN" if worst["error"] is None else exponent(worst["error"])
        holds = all(row["holds"] for row in rows)
        table.append((family, piece, str(sum(row["n"] for row in rows)), error, bound(worst), "holds" if holds else "BROKEN"))
    widths = [max(len(row[idx]) for row in table) for idx in range(len(header))]
    print("Reference:", ", ".join(f"{name} {version(name)}" for name in ("torch", "timm", "torchvision", "pytorch-metric-learning")))
    for row in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
    n_broken = sum(row[-1] == "BROKEN" for row in table)
    print(f"{len(pieces) - n_broken} pieces hold, {n_broken} broken")
    sys.exit(1 if n_broken or not pieces else 0)


if __name__ == "__main__":
    main()
