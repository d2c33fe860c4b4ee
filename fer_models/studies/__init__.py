"""Studies and tables of the papers, each run again by one command, `fer reproduce NAME`."""

from fer_models.studies.catalogue import STUDIES, study
from fer_models.studies.outcome import Outcome

__all__ = ["STUDIES", "Outcome", "study"]
