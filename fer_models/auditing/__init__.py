"""Everything that one should know about a model, measured and put on one page."""

from fer_models.auditing.audit import audit
from fer_models.auditing.from_splits import audit_sets
from fer_models.auditing.result import Audit

__all__ = ["Audit", "audit", "audit_sets"]
