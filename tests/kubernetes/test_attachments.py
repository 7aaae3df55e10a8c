"""What storage and networks a template names, as the law reads them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from estate.attachments import Attachment
from tests.kubernetes import raws
from tests.kubernetes.raws import Raw
from tests.kubernetes.test_reading import mapped, running
from tools.kubernetes import attaching
from tools.kubernetes.attaching import NETWORKS, UNREADABLE


def named(about: Raw, spec: Raw) -> list[str]:
    """As facts would write them, for a pod in `tenant-a`."""
    return [a.called("tenant-a") for a in attaching.attachments(about, spec)]


def test_each_volume_is_called_by_what_holds_its_bytes() -> None:
    volumes = [
        {"name": "a", "persistentVolumeClaim": {"claimName": "data"}},
        {"name": "b", "nfs": {"server": "10.0.0.7", "path": "/lake"}},
        {"name": "c", "hostPath": {"path": "/mnt/scratch"}},
        {"name": "d", "ephemeral": {"volumeClaimTemplate": {"spec": {"storageClassName": "fast"}}}},
        {"name": "e", "csi": {"driver": "csi.example.com"}},
        {"name": "f", "iscsi": {"targetPortal": "10.0.0.8:3260", "iqn": "iqn.2001-04.com.example:b", "lun": 0}},
        {"name": "g", "flexVolume": {"driver": "example/b"}},
        *({"name": k, k: {}} for k in ("emptyDir", "configMap", "secret", "projected", "downwardAPI", "image")),
        {"name": "h"},
    ]
    assert named({}, {"volumes": volumes}) == [
        "claim/tenant-a/data",
        "csi/csi.example.com",
        "flex-volume",
        "host-path/mnt/scratch",
        "iscsi/10.0.0.8:3260/iqn.2001-04.com.example:b",
        "nfs/10.0.0.7/lake",
        "storage-class/fast",
    ]


def test_networks_are_named_in_both_forms_that_multus_reads() -> None:
    short = {"annotations": {NETWORKS: "rails@net1, tenant-b/storage"}}
    listed = {"annotations": {NETWORKS: '[{"name": "rails"}, {"name": "storage", "namespace": "tenant-b"}]'}}
    wanted = ["host-network", "network-attachment/tenant-a/rails", "network-attachment/tenant-b/storage"]
    assert named(short, {"hostNetwork": True}) == named(listed, {"hostNetwork": True}) == wanted


def test_a_set_that_makes_its_own_claims_is_attached_to_their_class() -> None:
    claim = {"metadata": {"name": "data"}, "spec": {"storageClassName": "b-only"}}
    owner = raws.owner("StatefulSet", "train", spec={"volumeClaimTemplates": [claim]})
    found = mapped(owner, *running(owner, "eu-a1"))
    assert [a.called("tenant-a") for a in found.attachments] == ["storage-class/b-only"]


@given(st.text(max_size=600), st.sampled_from(["claim", "networks", "nfs"]))
def test_what_cannot_be_read_hides_no_pod_and_is_nobodys(said: str, where: str) -> None:
    about = {"annotations": {NETWORKS: said}} if where == "networks" else {}
    volume = {"claim": {"persistentVolumeClaim": {"claimName": said}}, "nfs": {"nfs": {"server": said, "path": "/"}}}
    found = attaching.attachments(about, {"volumes": [volume[where]] if where in volume else []})
    assert all(isinstance(a, Attachment) for a in found)
    if len(said) > 512 and where != "networks":
        assert [a.kind for a in found] == [UNREADABLE]
