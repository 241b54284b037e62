"""On the path of the commands that are soaked, so that every process of theirs can be met where it
is to be killed. Python imports a module of this name when it starts."""

import os
import sys
from pathlib import Path

from soaking.trap import CONTROL, Trap

if CONTROL in os.environ:
    sys.addaudithook(Trap(Path(os.environ[CONTROL])))
