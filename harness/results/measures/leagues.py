"""Published protocols whose BWT is another one: results under them are comparable with each other
and, by the usual BWT, with nobody else's."""

from harness.results.measures.continual import MEASURES, Estimate
from harness.results.measures.matrix import ScoreMatrix

# protocol -> its measure. SEEKR's code averages over all T tasks, TreeLoRA's drops gains as well.
LEAGUE_BWT = {"seekr": "bwt_over_T", "treelora": "bwt_clipped"}
LEAGUE_TITLES = {"bwt_over_T": "BWT / T", "bwt_clipped": "BWT clipped / T"}


def league_bwt(name: str, protocol: str | None, scores: ScoreMatrix) -> Estimate:
    """A measure of one run where the run's protocol has it for its BWT; null elsewhere."""
    return MEASURES[name].of(scores) if LEAGUE_BWT.get(protocol or "") == name else Estimate()
