"""A stand-in for SLURM on this machine: sbatch runs a script's jobs one after the other behind the
back of whoever submits it, srun starts all tasks of a step with the variables that SLURM sets."""

import os
import sys
from pathlib import Path

_SBATCH = """
import os, re, subprocess, sys

script = open(sys.argv[-1]).read()
asked = dict(re.findall(r"^#SBATCH --([a-z-]+)=(\\S+)$", script, re.M))
open(os.environ["FAKE_SLURM_ASKED"], "w").write(script)
first, nodes = os.getpid(), int(asked.get("nodes", 1))
last = int(re.match(r"0-(\\d+)", asked.get("array", "0-0"))[1])
common = {"SLURM_JOB_NUM_NODES": str(nodes), "FAKE_TASKS": asked["ntasks-per-node"]}
common["SLURM_NTASKS"] = str(nodes * int(asked["ntasks-per-node"]))
if os.fork() == 0:
    os.setsid()
    quiet = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(quiet, stream)
    for index in range(last + 1):
        own = {"SLURM_JOB_ID": str(first + index), "SLURM_ARRAY_TASK_ID": str(index)}
        own |= {"SLURM_ARRAY_JOB_ID": str(first)} if "array" in asked else {}
        subprocess.run(["bash", sys.argv[-1]], env=os.environ | common | own)
    os._exit(0)
print(f"Submitted batch job {first}")
"""

_SRUN = """
import os, subprocess, sys

words = sys.argv[1:]
command = words[words.index(next(w for w in words if w.startswith("/") and os.access(w, os.X_OK))):]
world, own = int(os.environ["SLURM_NTASKS"]), int(os.environ["FAKE_TASKS"])
nodes, started = world // own, []
for rank in range(world):
    told = {
        "SLURM_PROCID": rank, "SLURM_LOCALID": rank % own, "SLURM_NODEID": rank // own,
        "SLURM_STEP_NUM_TASKS": world, "SLURM_STEP_TASKS_PER_NODE": f"{own}(x{nodes})",
        "SLURM_STEP_NODELIST": "localhost", "SLURM_CPUS_PER_TASK": 1,
    }
    log = open(os.path.join(os.environ["FAKE_SLURM_LOGS"], f"task{rank}.log"), "w")
    variables = os.environ | {name: str(value) for name, value in told.items()}
    started.append(subprocess.Popen(command, env=variables, stdout=log, stderr=log))
sys.exit(max(process.wait() for process in started))
"""

_SACCT = 'print("JobID|State|NodeList")\n'


def slurm(folder: Path) -> dict[str, str]:
    """Variables with which a command finds these, and where they write: `asked`, the script that
    was submitted last, and `task<rank>.log`."""
    folder.mkdir()
    for name, text in (("sbatch", _SBATCH), ("srun", _SRUN), ("sacct", _SACCT)):
        (folder / name).write_text(f"#!{sys.executable}\n{text}")
        (folder / name).chmod(0o755)
    return {
        "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
        "FAKE_SLURM_ASKED": str(folder / "asked"),
        "FAKE_SLURM_LOGS": str(folder),
    }
