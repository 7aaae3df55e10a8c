"""Kueue as Placet reads it: Jobs in a queue, their Workloads, and the admission check that is Placet's. Pure."""

from __future__ import annotations

from typing import Final

from policies.admission.annotations import GATE
from tools.kubernetes import fields
from tools.kubernetes.fields import Raw
from tools.kubernetes.resources import Resource

CONTROLLER: Final = GATE
"""Whom an AdmissionCheck must name as its controller for it to be ours."""
QUEUE: Final = "kueue.x-k8s.io/queue-name"
DECLINED: Final = "placet.dev/declined"
"""The annotation of a Job that will not be placed: the step that declined it. Whoever takes it away asks again."""
WORKLOADS: Final = Resource("kueue.x-k8s.io", "v1beta2", "workloads", "Workload", older=("v1beta1",))
CHECKS: Final = Resource(
    "kueue.x-k8s.io", "v1beta2", "admissionchecks", "AdmissionCheck", namespaced=False, older=("v1beta1",)
)


def in_queue(raw: Raw) -> bool:
    """Whether Kueue says when this controller's pods begin. Raises BadInput."""
    about = fields.mapping(raw.get("metadata"), "metadata")
    return bool(fields.words(about.get("labels"), "metadata.labels").get(QUEUE))


def declined(raw: Raw) -> bool:
    """Whether it was declined for good."""
    about = fields.mapping(raw.get("metadata"), "metadata")
    return DECLINED in fields.mapping(about.get("annotations"), "metadata.annotations")
