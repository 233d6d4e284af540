"""Tools around a network."""

from .correlation import CorrelationPair, Correlations, average_ranks, pearson, spearman
from .ensemble import EnsembleMatch, complementary_matches, ensemble_report, mask_to_floats
from .kmeans import Clusters, kmeans, silhouette_samples, silhouette_score

__all__ = [
    "Clusters",
    "CorrelationPair",
    "Correlations",
    "EnsembleMatch",
    "average_ranks",
    "complementary_matches",
    "ensemble_report",
    "kmeans",
    "mask_to_floats",
    "pearson",
    "silhouette_samples",
    "silhouette_score",
    "spearman",
]
