"""Look up the pinned versions among known vulnerabilities, with pip-audit in an environment of its
own: its packages are none that ours run with.

Exit code 0: all were looked up, and none is known to be vulnerable; 1: some are; 2: they could not
all be looked up, which one line says. pip-audit itself calls a run without faults in which it was
told nothing of any package.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

PINS = Path(__file__).resolve().parent.parent / "constraints.txt"
WANTED = "pip-audit>=2.10,<3"
SECONDS = 900  # for all of it


class NotAudited(Exception):
    """Why the pins were not looked up."""


def main(argv: list[str]) -> int:
    """Audit, print what was found, return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pins", type=Path, default=PINS, help="file of name==version")
    parser.add_argument("--venv", type=Path, default=Path(".venv-audit"), help="of pip-audit")
    parser.add_argument("--service", choices=("pypi", "osv"), default="pypi", help="who is asked")
    asked = parser.parse_args(argv)
    try:
        listed = audited(program(asked.venv), pins(asked.pins), asked.service)
    except NotAudited as error:
        print(f"audit: nothing was audited: {error}", file=sys.stderr)
        return 2
    faults = [(item, fault) for item in listed for fault in item.get("vulns", [])]
    for item, fault in faults:
        fixed = ", ".join(fault.get("fix_versions", [])) or "no version yet"
        print(f"{item['name']} {item['version']}: {fault['id']}, mended in {fixed}")
    skipped = [item["name"] for item in listed if "skip_reason" in item]
    print(f"audit: {len(listed) - len(skipped)} of {len(listed)} pins, {len(faults)} known faults")
    if skipped:
        print(f"audit: not looked up: {', '.join(skipped)}", file=sys.stderr)
    return 1 if faults else 2 if skipped else 0


def pins(path: Path) -> list[str]:
    """The lines name==version of a file, without the local part of a version (2.13.0+cpu), of which
    no service knows."""
    lines = (line.split("#")[0].split(";")[0].strip() for line in path.read_text().splitlines())
    return [line.partition("+")[0] for line in lines if "==" in line]


def program(place: Path) -> Path:
    """pip-audit in its environment, which is made where it is not there. Raises NotAudited."""
    found = place / "bin" / "pip-audit"
    if not found.exists():
        python = str(place / "bin" / "python")
        made = run([sys.executable, "-m", "venv", str(place)])
        if made.returncode != 0:
            told = last_line(made.stdout + made.stderr)
            raise NotAudited(f"{place} cannot be made an environment ({told})")
        done = run([python, "-m", "pip", "install", "--quiet", "--no-input", WANTED])
        if done.returncode != 0 or not found.exists():
            raise NotAudited(f"{WANTED} cannot be installed ({last_line(done.stderr)})")
    return found


def audited(found: Path, lines: list[str], service: str) -> list[dict[str, Any]]:
    """What is known of every pin. Raises NotAudited where that is nothing."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pins.txt"
        file.write_text("\n".join(lines) + "\n")
        asked = ["-r", str(file), "--no-deps", "--disable-pip", "-f", "json", "-s", service]
        done = run([str(found), *asked, "--progress-spinner", "off"])
    try:
        listed = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        told = last_line(done.stderr)
        raise NotAudited(f"the service {service} gave no answer ({told})") from None
    if all("skip_reason" in item for item in listed):
        raise NotAudited(f"the service {service} knows none of the {len(lines)} pins from here")
    return listed


def run(command: list[str]) -> "subprocess.CompletedProcess[str]":
    """Run to the end. Raises NotAudited where that takes too long."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotAudited(f"{Path(command[0]).name}: {type(error).__name__}") from None


def last_line(text: str) -> str:
    """What an output ends with, shortened."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:160] if lines else "it said nothing"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
