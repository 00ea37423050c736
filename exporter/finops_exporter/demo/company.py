"""The invented company behind the demo: three clouds, five accounts, 25 services, and their bills.

All of it is data. Ids have the shapes of real ones and are made up. What the `monthly` amounts,
fees and credits add up to is about $15,000.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from finops_exporter.demo.catalogue import (
    Account,
    Catalogue,
    Commitment,
    Fee,
    Provider,
    Region,
    Service,
    Spike,
    Workload,
)

COMPANY = "Northshore Bikes"

AWS = Provider(
    key="aws",
    name="AWS",
    issuer="Amazon Web Services, Inc.",
    billing_account_id="400010002000",
    billing_account_name=COMPANY,
    resource="arn:aws:demo:{region}:{account}:{sku}/{workload}",
    timestamp="TIMESTAMP",
    tags="JSON::MAP(VARCHAR, VARCHAR)",
)
GCP = Provider(
    key="gcp",
    name="Google Cloud",
    issuer="Google Cloud",
    billing_account_id="0DE300-B1CE00-5A0001",
    billing_account_name=COMPANY,
    resource="//demo.googleapis.com/projects/{account}/locations/{region}/{sku}/{workload}",
    timestamp="TIMESTAMP WITH TIME ZONE",
    tags="VARCHAR",
)
AZURE = Provider(
    key="azure",
    name="Microsoft",
    issuer="Microsoft",
    billing_account_id="/providers/Microsoft.Billing/billingAccounts/40001000",
    billing_account_name=COMPANY,
    resource="{account}/resourcegroups/{workload}/providers/microsoft.demo/{region}/{sku}",
    timestamp="TIMESTAMP WITH TIME ZONE",
    tags="VARCHAR",
)


def _workload(share: float, **tags: str) -> Workload:
    """A workload named after its tags; no tags at all is how much of real spend looks."""
    return Workload(name="-".join(tags.values()) or "untagged", share=share, tags=tags)


ACCOUNTS = (
    Account(
        provider=AWS,
        id="400010002001",
        name="shop-production",
        owner="platform",
        regions=(
            Region("us-east-1", "US East (N. Virginia)", 0.55),
            Region("us-west-2", "US West (Oregon)", 0.15),
            Region("eu-west-1", "Europe (Ireland)", 0.30),
        ),
        workloads=(
            _workload(0.34, team="storefront", project="webshop", environment="production"),
            _workload(0.22, team="storefront", project="search", environment="production"),
            _workload(0.20, team="payments", project="checkout", environment="production"),
            _workload(0.12, team="platform", project="delivery", environment="production"),
            _workload(0.05, team="platform"),
            _workload(0.07),
        ),
    ),
    Account(
        provider=AWS,
        id="400010002002",
        name="shop-development",
        owner="platform",
        regions=(
            Region("us-east-1", "US East (N. Virginia)", 0.60),
            Region("eu-west-1", "Europe (Ireland)", 0.40),
        ),
        workloads=(
            _workload(0.30, team="storefront", project="webshop", environment="staging"),
            _workload(0.25, team="payments", project="checkout", environment="staging"),
            _workload(0.20, team="storefront", project="search", environment="development"),
            _workload(0.13, team="platform", project="delivery", environment="development"),
            _workload(0.12),
        ),
    ),
    Account(
        provider=GCP,
        id="northshore-analytics-3de30",
        name="analytics",
        owner="data",
        regions=(
            Region("us-central1", "Iowa", 0.50),
            Region("europe-west1", "Belgium", 0.35),
            Region("asia-northeast1", "Tokyo", 0.15),
        ),
        workloads=(
            _workload(0.40, team="data", project="warehouse", environment="production"),
            _workload(0.25, team="data", project="reports", environment="production"),
            _workload(0.20, team="payments", project="fraud", environment="production"),
            _workload(0.15),
        ),
    ),
    Account(
        provider=GCP,
        id="northshore-learning-3de31",
        name="learning",
        owner="data",
        regions=(
            Region("us-central1", "Iowa", 0.70),
            Region("europe-west1", "Belgium", 0.30),
        ),
        workloads=(
            _workload(0.45, team="data", project="ranking", environment="production"),
            _workload(0.30, team="data", project="ranking", environment="development"),
            _workload(0.17, team="payments", project="fraud", environment="staging"),
            _workload(0.08),
        ),
    ),
    Account(
        provider=AZURE,
        id="/subscriptions/4de30000-0000-4000-8000-000000400010",
        name="back-office",
        owner="payments",
        regions=(
            Region("eastus", "East US", 0.45),
            Region("westeurope", "West Europe", 0.55),
        ),
        workloads=(
            # `env` where others say `environment`: one tag, two spellings, as in most companies.
            _workload(0.38, team="payments", project="ledger", env="production"),
            _workload(0.16, team="payments", project="ledger", env="staging"),
            _workload(0.24, team="platform", project="intranet", environment="production"),
            _workload(0.12, team="data", project="reports", env="production"),
            _workload(0.10),
        ),
    ),
)


def _service(
    name: str,
    category: str,
    sku: str,
    unit: str,
    price: str,
    *,
    weekend: float,
    noise: float,
    credit: str = "0",
    **monthly: int,
) -> Service:
    """One line of the table below; account names come with `_` for `-`."""
    return Service(
        name=name,
        category=category,
        sku=sku,
        unit=unit,
        price=Decimal(price),
        weekend=weekend,
        noise=noise,
        monthly={account.replace("_", "-"): usd for account, usd in monthly.items()},
        credit=Decimal(credit),
    )


# fmt: off
SERVICES = (
    _service("Amazon Elastic Compute Cloud", "Compute", "vm-m7g", "vCPU-Hours", "0.0408",
             weekend=0.84, noise=0.03, shop_production=2400, shop_development=620),
    _service("Amazon Relational Database Service", "Databases", "db-r6g", "Instance-Hours", "0.215",
             weekend=0.97, noise=0.015, shop_production=1480, shop_development=290),
    _service("Amazon Simple Storage Service", "Storage", "standard", "GB-Months", "0.0230",
             weekend=1.0, noise=0.008, shop_production=540, shop_development=90),
    _service("AWS Lambda", "Compute", "duration-arm", "GB-Seconds", "0.0000133334",
             weekend=0.62, noise=0.06, shop_production=310, shop_development=60),
    _service("Amazon CloudFront", "Networking", "egress", "GB", "0.085",
             weekend=1.18, noise=0.05, shop_production=620),
    _service("Amazon Elastic Kubernetes Service", "Compute", "pod-hours", "Hours", "0.10",
             weekend=0.92, noise=0.02, shop_production=560, shop_development=150),
    _service("Amazon DynamoDB", "Databases", "requests", "Read-Request-Units", "0.000000125",
             weekend=0.78, noise=0.05, shop_production=330),
    _service("AmazonCloudWatch", "Management and Governance", "metrics", "Metrics", "0.30",
             weekend=0.95, noise=0.03, shop_production=240, shop_development=70),
    _service("Amazon Bedrock", "AI and Machine Learning", "tokens", "1K-Tokens", "0.0031",
             weekend=0.50, noise=0.07, shop_production=380, shop_development=110),
    _service("Compute Engine", "Compute", "n4-core", "Core-Hours", "0.031611",
             weekend=0.86, noise=0.03, credit="0.08", analytics=620, learning=690),
    _service("Kubernetes Engine", "Compute", "autopilot", "vCPU-Hours", "0.0445",
             weekend=0.90, noise=0.02, analytics=260, learning=180),
    _service("BigQuery", "Analytics", "analysis", "TB", "6.25",
             weekend=0.55, noise=0.06, analytics=690),
    _service("Cloud Storage", "Storage", "standard", "GB-Months", "0.020",
             weekend=1.0, noise=0.008, analytics=330, learning=160),
    _service("Cloud SQL", "Databases", "pg-vcpu", "vCPU-Hours", "0.0413",
             weekend=0.98, noise=0.015, analytics=290),
    _service("Cloud Run", "Compute", "requests", "vCPU-Seconds", "0.000024",
             weekend=0.66, noise=0.05, analytics=120, learning=70),
    _service("Vertex AI", "AI and Machine Learning", "training", "Node-Hours", "3.4652",
             weekend=0.70, noise=0.06, learning=640),
    _service("Virtual Machines", "Compute", "d4s-v5", "Hours", "0.192",
             weekend=0.88, noise=0.03, back_office=890),
    _service("Storage Accounts", "Storage", "hot-lrs", "GB-Months", "0.0184",
             weekend=1.0, noise=0.008, back_office=240),
    _service("Azure SQL Database", "Databases", "gp-vcore", "vCore-Hours", "0.505202",
             weekend=0.95, noise=0.02, back_office=560),
    _service("Azure App Service", "Web", "p1v3", "Hours", "0.169",
             weekend=0.93, noise=0.02, back_office=310),
    _service("Azure Kubernetes Service", "Compute", "standard", "Hours", "0.10",
             weekend=0.92, noise=0.02, back_office=290),
    _service("Azure Monitor", "Management and Governance", "ingestion", "GB", "2.76",
             weekend=0.72, noise=0.05, back_office=180),
    _service("Azure OpenAI Service", "AI and Machine Learning", "tokens", "1K-Tokens", "0.0025",
             weekend=0.45, noise=0.07, back_office=350),
)


def _fee(account: str, service: str, group: str, text: str, *,
         category: Literal["Purchase", "Tax", "Credit", "Adjustment"],
         frequency: Literal["One-Time", "Recurring"] = "Recurring",
         day: int = 1, usd: str) -> Fee:
    return Fee(account, service, group, text, category, frequency, day, Decimal(usd))


FEES = (
    _fee("shop-production", "AWS Support (Business)", "Other", "Business support plan, monthly fee",
         category="Purchase", usd="310"),
    _fee("back-office", "Virtual Machines", "Compute", "Standard support plan, monthly fee",
         category="Purchase", usd="100"),
    _fee("shop-production", "Amazon Elastic Compute Cloud", "Compute", "Sales tax for the month",
         category="Tax", usd="412.37"),
    _fee("shop-development", "Amazon Elastic Compute Cloud", "Compute", "Sales tax for the month",
         category="Tax", usd="81.64"),
    _fee("analytics", "Invoice", "Other", "Sales tax for the month", category="Tax", usd="156.08"),
    _fee("shop-production", "Amazon Simple Storage Service", "Storage", "Promotional credit",
         category="Credit", frequency="One-Time", day=5, usd="-250"),
    _fee("back-office", "Azure SQL Database", "Databases", "Correction of the month before",
         category="Adjustment", frequency="One-Time", day=3, usd="-18.4213"),
)
# fmt: on

DEMO = Catalogue(
    accounts=ACCOUNTS,
    services=SERVICES,
    fees=FEES,
    commitments=(
        Commitment(
            id="arn:aws:savingsplans::400010002001:savingsplan/4de30000-0001",
            name="Compute Savings Plan, 1 year, all upfront",
            account="shop-production",
            service="Amazon Elastic Compute Cloud",
            months_ago=7,
            day=12,
            coverage=0.40,
            price=Decimal("0.0296"),
        ),
    ),
    spike=Spike(account="analytics", service="BigQuery", factor=7.0),
)
"""The company of `finops-exporter demo`."""
