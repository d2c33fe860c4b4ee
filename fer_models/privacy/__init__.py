"""Membership inference, what a model reveals of its training pictures: signals, attacks, report."""

from fer_models.privacy.attack_result import AttackResult
from fer_models.privacy.lira import lira_offline, lira_online
from fer_models.privacy.members import (
    MemberDivision,
    different_pictures,
    divide_members,
    draw_pool,
    half_of_pool,
)
from fer_models.privacy.membership_audit import ATTACKS, audit_membership, run_attacks
from fer_models.privacy.membership_report import (
    AttackReport,
    ClassRisk,
    Decision,
    MembershipReport,
    membership_report,
    score_attack,
)
from fer_models.privacy.metrics import (
    Interval,
    RateAt,
    auc,
    auc_interval,
    binomial_interval,
    rate_at,
    roc,
)
from fer_models.privacy.one_run_audit import EpsilonBound, epsilon_lower_bound
from fer_models.privacy.overlap import OverlapError, overlaps, refuse_overlap
from fer_models.privacy.population import loss_quantile, population
from fer_models.privacy.queries import augmentation_queries
from fer_models.privacy.references import References, train_references
from fer_models.privacy.rmia import rmia_offline, rmia_online
from fer_models.privacy.roc_picture import plot_roc
from fer_models.privacy.signals import Signals, content_hashes, signals
from fer_models.privacy.threshold import entropy_threshold, loss_threshold, modified_entropy

__all__ = [
    "ATTACKS",
    "AttackReport",
    "AttackResult",
    "ClassRisk",
    "Decision",
    "EpsilonBound",
    "Interval",
    "MemberDivision",
    "MembershipReport",
    "OverlapError",
    "RateAt",
    "References",
    "Signals",
    "auc",
    "auc_interval",
    "audit_membership",
    "augmentation_queries",
    "binomial_interval",
    "content_hashes",
    "different_pictures",
    "divide_members",
    "draw_pool",
    "entropy_threshold",
    "epsilon_lower_bound",
    "half_of_pool",
    "lira_offline",
    "lira_online",
    "loss_quantile",
    "loss_threshold",
    "membership_report",
    "modified_entropy",
    "overlaps",
    "plot_roc",
    "population",
    "rate_at",
    "refuse_overlap",
    "rmia_offline",
    "rmia_online",
    "roc",
    "run_attacks",
    "score_attack",
    "signals",
    "train_references",
]
