"""The embedded default: eight synthetic tasks, probes of general skills, and a micro Llama.

Everything here is written by `build`, from fixed seeds, and is small enough to ship and to train
on a laptop: it exists so that a fresh install can run the whole pipeline with no download.
"""

from pathlib import Path

ROOT = Path(__file__).parent
DATA = ROOT / "data"
MODEL = ROOT / "model"
