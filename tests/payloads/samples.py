"""One small payload of our own writing for every format and its variants, as senders would write it."""

from __future__ import annotations

import json

from tools.payloads import contexts

HEADERS = {
    contexts.SOURCE: "sample",
    contexts.HOST: "gpu-7",
    contexts.CLUSTER: "eu-1",
    contexts.AT: "2026-11-26T12:00:00Z",
    "placet-device": "mlx5_0",
    "placet-region": "eu-central-1",
}
_GPU = 'gpu="0",UUID="GPU-5c1b7a52-0000-4000-8000-000000000001",Hostname="gpu-7"'
_SERVER = 'model_name="mistral",namespace="chat",pod="serve-0"'


def _node(labels: dict[str, str], **status: object) -> dict[str, object]:
    about = {"name": "gpu-7", "uid": "u-1", "labels": labels}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": about,
        "spec": {"providerID": "aws:///eu-central-1a/i-0abc"},
        "status": status,
    }


EXPOSITION = f"""# HELP DCGM_FI_DEV_GPU_TEMP GPU temperature (in C).
# TYPE DCGM_FI_DEV_GPU_TEMP gauge
DCGM_FI_DEV_GPU_TEMP{{{_GPU}}} 61
DCGM_FI_DEV_MEMORY_TEMP{{{_GPU}}} 9223372036854775794
DCGM_FI_DEV_POWER_USAGE{{{_GPU}}} 140737488355328.000000
DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{{{_GPU}}} 2147483632
DCGM_FI_PROF_SM_ACTIVE{{{_GPU},GPU_I_ID="3",GPU_I_PROFILE="1g.10gb"}} NaN
gpu_junction_temperature{{gpu_id="1",serial_number="692",hostname="amd-1"}} 70.5
habanalabs_power_mW{{device="2",Hostname="gaudi-1"}} 350000
vllm:time_to_first_token_seconds_sum{{{_SERVER}}} 12.5
vllm:time_to_first_token_seconds_count{{{_SERVER}}} 50
vllm:time_to_first_token_seconds_bucket{{{_SERVER},le="0.1"}} 3
vllm:kv_cache_usage_perc{{{_SERVER}}} 0.25
tgi_queue_size 4
nv_inference_queue_duration_us{{model="resnet",version="1"}} 1500000
nv_trt_llm_kv_cache_block_metrics{{kv_cache_block_type="fraction",model="llama",version="1"}} 0.5
nv_trt_llm_kv_cache_block_metrics{{kv_cache_block_type="used",model="llama",version="1"}} 40
node_infiniband_port_data_received_bytes_total{{device="mlx5_0",port="1"}} 1e12
node_ethtool_received_prio3_pause{{device="eth2"}} 9
ifHCInOctets{{ifName="Ethernet1/1",instance="leaf-3"}} 77 1764158400000
node_disk_read_bytes_total{{device="nvme0n1"}} 4096
problem_gauge{{type="KernelDeadlock",reason="DockerHung"}} 1
some_other_series 5
"""

SAMPLES: dict[tuple[str, str], str] = {
    ("exposition", "all exporters"): EXPOSITION,
    ("prometheus", "a vector"): json.dumps(
        {
            "status": "success",
            "data": {
                "resultType": "vector",
                "result": [
                    {
                        "metric": {"__name__": "DCGM_FI_DEV_GPU_TEMP", "UUID": "GPU-1", "gpu": "0"},
                        "value": [1764158400.5, "61"],
                    },
                    {"metric": {"__name__": "go_goroutines"}, "value": [1764158400.5, "9"]},
                ],
            },
        }
    ),
    ("prometheus", "a matrix"): json.dumps(
        {
            "status": "success",
            "data": {
                "resultType": "matrix",
                "result": [
                    {
                        "metric": {"__name__": "vllm:num_requests_waiting", "pod": "p", "namespace": "n"},
                        "values": [[1764158385, "3"], [1764158400, "7"]],
                    }
                ],
            },
        }
    ),
    ("redfish", "a power resource"): json.dumps(
        {
            "@odata.id": "/redfish/v1/Chassis/1U/Power",
            "@odata.type": "#Power.v1_7_1.Power",
            "PowerControl": [
                {"MemberId": "0", "PowerConsumedWatts": 344.5, "PowerLimit": {"LimitInWatts": 800}},
                {"MemberId": "1", "PowerConsumedWatts": None},
            ],
            "PowerSupplies": [
                {
                    "@odata.id": "/redfish/v1/Chassis/1U/Power#/PowerSupplies/0",
                    "Status": {"State": "Enabled", "Health": "Warning"},
                    "PowerInputWatts": 380,
                },
                {"MemberId": "1", "Status": {"State": "Absent"}, "PowerInputWatts": 0},
            ],
        }
    ),
    ("redfish", "a sensor"): json.dumps(
        {
            "@odata.id": "/redfish/v1/Chassis/CDU1/Sensors/Flow",
            "@odata.type": "#Sensor.v1_9_0.Sensor",
            "Name": "Secondary flow",
            "ReadingType": "LiquidFlowLPM",
            "ReadingUnits": "L/min",
            "Reading": 42.5,
            "Status": {"State": "Enabled", "Health": "OK"},
        }
    ),
    ("redfish", "a thermal resource"): json.dumps(
        {
            "@odata.id": "/redfish/v1/Chassis/1U/Thermal",
            "@odata.type": "#Thermal.v1_7_0.Thermal",
            "Temperatures": [{"MemberId": "7", "Name": "Inlet", "ReadingCelsius": 24, "UpperThresholdCritical": 45}],
            "Fans": [{"MemberId": "2", "FanName": "Rear", "Reading": 40, "ReadingUnits": "Percent"}],
        }
    ),
    ("redfish", "environment metrics"): json.dumps(
        {
            "@odata.id": "/redfish/v1/Systems/HGX/Processors/GPU_0/EnvironmentMetrics",
            "@odata.type": "#EnvironmentMetrics.v1_3_0.EnvironmentMetrics",
            "PowerWatts": {"Reading": 512.25},
            "PowerLimitWatts": {"SetPoint": 700},
            "EnergykWh": {"Reading": 2},
            "TemperatureCelsius": {"Reading": None},
        }
    ),
    ("infiniband", "files"): json.dumps(
        {
            "ports/1/counters/port_xmit_data": "25",
            "ports/1/counters/symbol_error": "N/A (no PMA)",
            "ports/1/state": "1: DOWN",
            "ports/1/rate": "200 Gb/sec (4X HDR)",
            "ports/1/hw_counters/np_cnp_sent": "8",
            "fw_ver": "28.41",
        }
    ),
    ("infiniband", "lines"): "/sys/class/infiniband/mlx5_1/ports/1/counters/link_downed:3\nmlx5_2/hca_type:MT4129\n",
    ("nvlink", "links"): (
        "GPU 0: NVIDIA H100 (UUID: GPU-5c1b7a52-0000-4000-8000-000000000001)\n"
        "\t Link 0: 26.562 GB/s\n\t Link 1: <inactive>\n"
    ),
    ("board", "a machine"): (
        "# dmidecode 3.3\n\nHandle 0x1\nSystem Information\n\tManufacturer: Acme\n\tProduct Name: X1\n"
        "\tSerial Number: S-9\n\tUUID: 4C4C4544-0053-5210-8038-C8C04F583034\n\nHandle 0x2\n"
    ),
    ("pci", "devices"): "17:00.0 3D controller [0302]: NVIDIA Corporation GH100 [H100] [10de:2330] (rev a1)\n",
    ("fabric-manager", "errors"): (
        "[Nov 26 2026 12:00:00] [INFO] [tid 1] multicast group 0 is freed.\n"
        "[Nov 26 2026 12:00:01] [ERROR] [tid 2] detected NVSwitch fatal error 20034 on fid 0 on "
        "NVSwitch pci bus id 00000000:86:00.0 physical id 3 port 61\n"
        "[Nov 26 2026 12:00:02] [ERROR] [tid 2] failed to train a link\n"
    ),
    ("kubernetes", "a node"): json.dumps(
        _node(
            {
                "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3",
                "nvidia.com/gpu.memory": "81559",
                "nvidia.com/gpu.count": "8",
                "nvidia.com/gpu.clique": "dom.1",
                "fabric.topograph.run/tier-0": "leaf-3",
                "network.topology.nvidia.com/spine": "spine-1",
            },
            nodeInfo={"systemUUID": "4C4C4544-0053-5210-8038-C8C04F583034", "kubeletVersion": "v1.36.3"},
            conditions=[
                {"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-26T10:00:00Z"},
                {"type": "KernelDeadlock", "status": "True", "reason": "DockerHung", "message": "task blocked"},
            ],
        )
    ),
    ("kubernetes", "nodes of other vendors"): json.dumps(
        {
            "apiVersion": "v1",
            "kind": "NodeList",
            "items": [
                {"metadata": {"name": "amd", "labels": {"amd.com/gpu.vram": "192G", "amd.com/gpu.family": "AI"}}},
                {"metadata": {"name": "tpu", "labels": {"cloud.google.com/gke-tpu-topology": "2x2x1"}}},
            ],
        }
    ),
    ("kubernetes", "slices"): json.dumps(
        {
            "apiVersion": "resource.k8s.io/v1",
            "kind": "ResourceSliceList",
            "items": [
                {
                    "metadata": {"name": "s"},
                    "spec": {
                        "driver": "gpu.nvidia.com",
                        "nodeName": "gpu-7",
                        "pool": {"name": "gpu-7", "generation": 1, "resourceSliceCount": 1},
                        "devices": [
                            {
                                "name": "gpu-0",
                                "attributes": {
                                    "uuid": {"string": "GPU-1"},
                                    "gpu.nvidia.com/productName": {"string": "NVIDIA H100"},
                                    "resource.kubernetes.io/pciBusID": {"string": "0000:17:00.0"},
                                    "index": {"int": 0},
                                },
                                "capacity": {"memory": {"value": "80Gi"}},
                                "taints": [{"key": "gpu.nvidia.com/xid", "value": "79", "effect": "NoExecute"}],
                            },
                            {"name": "mig-0", "basic": {"attributes": {"parentUUID": {"string": "GPU-1"}}}},
                        ],
                    },
                }
            ],
        }
    ),
    ("kubernetes", "a claim"): json.dumps(
        {
            "apiVersion": "resource.k8s.io/v1",
            "kind": "ResourceClaim",
            "metadata": {"name": "c", "namespace": "train"},
            "status": {
                "allocation": {
                    "devices": {"results": [{"driver": "gpu.nvidia.com", "pool": "gpu-7", "device": "gpu-0"}]}
                },
                "reservedFor": [{"resource": "pods", "name": "trainer-0", "uid": "u"}],
            },
        }
    ),
    ("kubernetes", "a virtual machine"): json.dumps(
        {
            "apiVersion": "kubevirt.io/v1",
            "kind": "VirtualMachineInstance",
            "metadata": {"name": "vm", "namespace": "edge"},
            "spec": {
                "domain": {
                    "cpu": {"sockets": 2, "cores": 4},
                    "memory": {"guest": "8Gi"},
                    "devices": {"gpus": [{"name": "gpu1", "deviceName": "nvidia.com/A16"}]},
                }
            },
            "status": {"phase": "Running", "nodeName": "gpu-7"},
        }
    ),
    ("kubernetes", "an event of the node problem detector"): json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": "gpu-7.17a", "namespace": "default"},
            "involvedObject": {"kind": "Node", "name": "gpu-7"},
            "source": {"component": "kernel-monitor", "host": "gpu-7"},
            "type": "Warning",
            "reason": "TaskHung",
            "message": "task python blocked for more than 120 seconds",
            "lastTimestamp": "2026-11-26T12:00:00Z",
        }
    ),
    ("kubernetes", "a machine"): json.dumps(
        {
            "apiVersion": "cluster.x-k8s.io/v1beta1",
            "kind": "Machine",
            "metadata": {"name": "m-1", "namespace": "fleet"},
            "spec": {"clusterName": "eu-1", "providerID": "gce://p/z/m-1", "version": "v1.36.3"},
            "status": {
                "phase": "Running",
                "nodeRef": {"name": "gpu-7"},
                "conditions": [{"type": "Ready", "status": "False"}],
                "v1beta2": {"conditions": [{"type": "Available", "status": "True", "reason": "Available"}]},
            },
        }
    ),
    ("kubernetes", "a deployment of k0rdent"): (
        "apiVersion: k0rdent.mirantis.com/v1beta1\nkind: ClusterDeployment\n"
        "metadata:\n  name: edge-1\n  namespace: kcm-system\n"
        "spec:\n  template: aws-standalone-cp-1-0-43\n  credential: aws\n"
        "  config:\n    region: eu-central-1\n    workersNumber: 3\n    ratio: 0.5\n"
        "  serviceSpec:\n    services:\n    - {name: ingress, namespace: ingress, template: ingress-4-0-0}\n"
        "status:\n  conditions:\n  - {type: Ready, status: 'False', reason: Progressing, "
        "lastTransitionTime: 2026-11-26T10:00:00Z}\n"
    ),
    ("cloud", "spot prices"): json.dumps(
        {
            "SpotPriceHistory": [
                {
                    "AvailabilityZone": "eu-central-1a",
                    "InstanceType": "p5.48xlarge",
                    "ProductDescription": "Linux/UNIX",
                    "SpotPrice": "31.234500",
                    "Timestamp": "2026-11-26T11:00:00+00:00",
                },
                {"InstanceType": "p5.48xlarge", "ProductDescription": "Windows", "SpotPrice": "40"},
            ]
        }
    ),
    ("cloud", "quotas of a region"): json.dumps(
        {"name": "europe-west4", "quotas": [{"metric": "NVIDIA_H100_GPUS", "limit": 16.0, "usage": 4.0}]}
    ),
    ("cloud", "quotas of a service"): json.dumps(
        {
            "Quotas": [
                {
                    "QuotaArn": "arn:aws:servicequotas:eu-central-1:1:ec2/L-1",
                    "QuotaName": "Running On-Demand P instances",
                    "QuotaCode": "L-417A185B",
                    "Value": 192.0,
                }
            ]
        }
    ),
    ("cloud", "usage"): json.dumps(
        [{"name": {"value": "standardNCADSH100v5Family"}, "currentValue": "40", "limit": "80"}]
    ),
    ("cloud", "retail prices"): json.dumps(
        {
            "BillingCurrency": "EUR",
            "Items": [
                {
                    "type": "Consumption",
                    "unitOfMeasure": "1 Hour",
                    "skuName": "NC40ads H100 v5 Spot",
                    "armRegionName": "germanywestcentral",
                    "armSkuName": "Standard_NC40ads_H100_v5",
                    "retailPrice": 2.4,
                    "currencyCode": "EUR",
                    "effectiveStartDate": "2026-11-01T00:00:00Z",
                }
            ],
        }
    ),
    ("cloud", "day-ahead power"): json.dumps(
        {
            "object": "list",
            "data": [
                {
                    "start_timestamp": 1764158400000,
                    "end_timestamp": 1764162000000,
                    "marketprice": -12.5,
                    "unit": "Eur/MWh",
                }
            ],
        }
    ),
    ("cloud", "an interruption"): json.dumps(
        {
            "detail-type": "EC2 Spot Instance Interruption Warning",
            "source": "aws.ec2",
            "time": "2026-11-26T12:00:00Z",
            "region": "eu-central-1",
            "detail": {"instance-id": "i-0abc", "instance-action": "terminate"},
        }
    ),
    ("cloud", "scheduled events"): json.dumps(
        {
            "DocumentIncarnation": 2,
            "Events": [
                {
                    "EventType": "Preempt",
                    "Resources": ["gpu-7"],
                    "NotBefore": "Thu, 26 Nov 2026 12:05:00 GMT",
                },
                {"EventType": "Reboot", "Resources": ["gpu-8"], "NotBefore": ""},
            ],
        }
    ),
}
