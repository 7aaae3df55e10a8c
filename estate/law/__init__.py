"""The law base: signed facts about who owns, runs and can compel what. Author, basis and expiry on the whole.

Unknown is written as an absent or empty field, and means deny. These facts come only from a file that a person
signed; nothing observed on a cluster, and no proposer, ever writes one. Fields that came later are left out of the
form while they say nothing, so that facts signed before keep their digest.
"""

from estate.law.belongings import ClusterName, Network, Volume
from estate.law.clusters import Certificate, Cluster, KeyModel
from estate.law.datasets import DataClass, Dataset, DataSort, Declassification, Grant, Instrument, Transfer
from estate.law.entities import Compulsion, Control, Holding, LegalEntity, Reach
from estate.law.facts import Facts
from estate.law.layouts import Cut, Layout, Slices
from estate.law.places import Rack, Site
from estate.law.pools import Pool
from estate.law.registrations import Endpoint, Registration
from estate.law.residencies import Residency
from estate.law.tenants import DisruptionConsent, Isolation, Namespace, Quota, Tenant, TenantLevel

__all__ = [
    "Certificate",
    "Cluster",
    "ClusterName",
    "Compulsion",
    "Control",
    "Cut",
    "DataClass",
    "DataSort",
    "Dataset",
    "Declassification",
    "DisruptionConsent",
    "Endpoint",
    "Facts",
    "Grant",
    "Holding",
    "Instrument",
    "Isolation",
    "KeyModel",
    "Layout",
    "LegalEntity",
    "Namespace",
    "Network",
    "Pool",
    "Quota",
    "Rack",
    "Reach",
    "Registration",
    "Residency",
    "Site",
    "Slices",
    "Tenant",
    "TenantLevel",
    "Transfer",
    "Volume",
]
