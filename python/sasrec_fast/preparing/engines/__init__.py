"""prepare() by the machines of an engine: the same functions on its partitions."""

from sasrec_fast.preparing.engines.ray import prepare_ray
from sasrec_fast.preparing.engines.spark import prepare_spark

__all__ = ["prepare_ray", "prepare_spark"]
