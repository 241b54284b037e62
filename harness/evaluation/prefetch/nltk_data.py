"""nltk's sentence models, which some benchmarks score with: where they lie, fetching them.

Imports nltk, which takes a second; never torch.
"""

import os
from pathlib import Path

TOKENIZERS = "tokenizers"


def folder_of(resource: str) -> str | None:
    """The nltk data folder (an entry of NLTK_DATA) that holds a tokenizer resource."""
    import nltk

    try:
        found = nltk.data.find(f"{TOKENIZERS}/{resource}")
    except LookupError:
        return None
    return str(Path(str(found)).parent.parent)


def download_folder() -> str:
    """Where a resource is fetched to: the first entry of NLTK_DATA, else the home's nltk_data."""
    first = os.environ.get("NLTK_DATA", "").split(os.pathsep)[0]
    return first or str(Path.home() / "nltk_data")


def fetch(resource: str) -> None:
    """Download a resource; nltk is silent about a failure, so ask `folder_of` afterwards."""
    import nltk

    folder = download_folder()
    if folder not in nltk.data.path:
        nltk.data.path.insert(0, folder)
    nltk.download(resource, download_dir=folder, quiet=True)
