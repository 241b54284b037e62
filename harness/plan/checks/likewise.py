"""One line for what is wrong in the same way with several tasks or benchmarks."""

import re


def once(told: list[tuple[str, list[str]]], root: str | None = None) -> list[str]:
    """One line for what is said of several tasks or benchmarks in the same words, with their names
    behind it.

    told: (the words that one has for itself, its name first, parted by |; its lines). root: the
    folder that they share, whose path may hold such words too.
    """
    alike: dict[str, tuple[str, list[str]]] = {}
    for own, lines in told:
        for line in lines:
            said = line.replace(root, "") if root else line
            for word in sorted(own.split("|"), key=len, reverse=True):
                said = said.replace(word, "")
            _, others = alike.setdefault(re.sub(r"\d+", "", said), (line, []))
            others.append(own.partition("|")[0])
    return [
        f"{line} (likewise: {', '.join(names[1:])})" if len(names) > 1 else line
        for line, names in alike.values()
    ]
