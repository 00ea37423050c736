"""Storage and waste, of which other exporters tell."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from doubles.other_exporters import OtherExporters
from e2e.hearing import DIGEST, TEAM
from e2e.stack import Wishes, every_minute_is_monday_morning
from e2e.story import Scene, play
from integration.processes import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from e2e.stack import Stack
    from e2e.story import Story

TIB, GIB, HOUR, DAY = 2.0**40, 2.0**30, 3600, 86400
ARN = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/"
IDLE, BUSY = (f"{ARN}{name}/50dc6c495c0c9188" for name in ("idle", "busy"))
OWN = {"account_id": "123456789012", "region": "eu-west-1"}
POD = {"namespace": "shop", "pod": "web-1"}
CLAIM = {"namespace": "shop", "persistentvolumeclaim": "data-0"}
MOUNT = "kube_pod_spec_volumes_persistentvolumeclaims_info"
MOUNTED = {"pod": "web-1", "volume": "data", **CLAIM}
REQUESTS = "aws_applicationelb_request_count_sum"


@pytest.fixture(scope="module")
def others() -> Iterator[OtherExporters]:
    with OtherExporters() as found:
        tell_of_a_quiet_week(found)
        yield found


def tell_of_a_quiet_week(others: OtherExporters) -> None:
    """All is used, and nothing is full."""
    bucket(others, 0.5)
    others.tell("ClickHouseAsyncMetrics_DiskTotal_default", 1000 * GIB)
    others.tell("ClickHouseAsyncMetrics_DiskAvailable_default", 600 * GIB)
    others.tell("pg_wal_size_bytes", GIB)
    for name in (IDLE, BUSY):
        others.tell("aws_applicationelb_info", 0, name=name, tag_team="web", **OWN)
        others.tell(REQUESTS, 200, name=name, **OWN)
    began = time.time() - 10 * HOUR
    use_cpu(others, 0.8)
    cpu = {"container": "app", "resource": "cpu", "unit": "core"}
    others.tell("kube_pod_container_resource_requests", 2, **cpu, **POD)
    others.tell("kube_pod_start_time", began, **POD)
    others.tell("kube_pod_status_phase", 1, phase="Running", **POD)
    others.tell("kube_pod_owner", 1, owner_kind="ReplicaSet", **POD)
    others.tell("kube_persistentvolumeclaim_status_phase", 1, phase="Bound", **CLAIM)
    others.tell("kube_persistentvolumeclaim_created", time.time() - 20 * DAY, **CLAIM)
    size = "kube_persistentvolumeclaim_resource_requests_storage_bytes"
    others.tell(size, 100 * GIB, **CLAIM)
    others.tell(MOUNT, 1, **MOUNTED)


def bucket(others: OtherExporters, tebibytes: float) -> None:
    """A bucket of two storage classes, a half of a TiB in one of them."""
    name = "aws_s3_bucket_size_bytes_average"
    for kind, size in (("StandardStorage", 0.5), ("GlacierStorage", tebibytes - 0.5)):
        labels = {"dimension_BucketName": "logs", "dimension_StorageType": kind}
        others.tell(name, size * TIB, **labels, **OWN)


def use_cpu(others: OtherExporters, cores: float) -> None:
    others.grow("container_cpu_usage_seconds_total", cores, container="app", **POD)


@pytest.fixture(scope="module")
def wishes(others: OtherExporters) -> Wishes:
    return Wishes(jobs={"others": [others.target]}, change=every_minute_is_monday_morning)


def test_causes_of_one_moment(
    stack: Stack, others: OtherExporters, story: Callable[[str, str], Story]
) -> None:
    until(lambda: len(stack.ask("load_balancer:aws_load_balancer_requests:max1d")) == 2, "known")
    tales = play(
        [
            Scene(
                "S3BucketLarge",
                "a bucket grows to 1.2 TiB in two classes",
                lambda: bucket(others, 1.25),
                "S3 bucket logs holds 1.25TiB",
                DIGEST,
                ("GlacierStorage: 768GiB", "of account 123456789012 in eu-west-1"),
                lambda: bucket(others, 0.75),
            ),
            Scene(
                "ClickHouseDiskHigh",
                "a disk is 85 % full",
                lambda: others.tell("ClickHouseAsyncMetrics_DiskAvailable_default", 150 * GIB),
                f"ClickHouse disk default of {others.target} is 85% full",
                TEAM,
                ("150GiB are left",),
                lambda: others.tell("ClickHouseAsyncMetrics_DiskAvailable_default", 500 * GIB),
            ),
            Scene(
                "PostgresWALGrowth",
                "a log grows by 15 GiB in an hour",
                lambda: others.tell("pg_wal_size_bytes", 16 * GIB),
                f"PostgreSQL {others.target} wrote ",
                TEAM,
                ("The write-ahead log of",),
            ),
            Scene(
                "OverprovisionedPod",
                "a pod is used less",
                lambda: use_cpu(others, 0.3),
                "Pod shop/web-1 uses ",
                DIGEST,
                ("which is 2.00 cores",),
                lambda: use_cpu(others, 1.5),
            ),
            Scene(
                "IdleLoadBalancer",
                "the requests of a load balancer cease",
                lambda: others.tell(REQUESTS, 0, name=IDLE, **OWN),
                "Load balancer app/idle/50dc6c495c0c9188 has had no traffic",
                DIGEST,
                ("of account 123456789012 in eu-west-1", IDLE),
                lambda: others.tell(REQUESTS, 3, name=IDLE, **OWN),
            ),
            Scene(
                "UnusedPVC",
                "the pod that mounted a volume is gone",
                lambda: others.forget(MOUNT, **MOUNTED),
                "Volume claim shop/data-0 was not mounted for a week",
                DIGEST,
                ("It keeps 100GiB, which are paid for",),
                lambda: others.tell(MOUNT, 1, **MOUNTED),
            ),
        ],
        story,
    )
    until(lambda: quiet(stack), "nothing of it fires any more", 60)
    # An hour after the log grew, this ends by itself.
    tales[2].hearing.over(f"PostgreSQL {others.target} wrote ", TEAM)


def quiet(stack: Stack) -> bool:
    categories = {one["labels"].get("category") for one in stack.manager.alerts()}
    return not categories & {"storage", "waste"}
