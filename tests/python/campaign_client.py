"""Creates a campaign over gRPC and waits for its first bid: what an advertiser's own tool would do.

    python campaign_client.py --grpc 127.0.0.1:8081 --bid-url http://127.0.0.1:8080/openrtb2/demo --token OPERATOR

Prints one JSON object a step and exits with 0. Exits with 1, and says why, when the campaign does not bid in time,
when a repeated request creates something twice, or when a bad one is not refused by its field.
"""

import argparse
import json
import sys
import time
import urllib.error
import urllib.request
import uuid

import grpc

import stubs

stubs.load()

from tagbid.campaigns.v1 import campaigns_pb2 as api  # noqa: E402  (made by stubs.load)
from tagbid.campaigns.v1 import campaigns_pb2_grpc, common_pb2, creative_pb2, entities_pb2, targeting_pb2  # noqa: E402

# A CPM of 95.00: above whatever else may want the same request.
PRICE_MICROS = 95_000_000


class Failed(Exception):
    """The service did not do what it promises."""


def main() -> int:
    arguments = parse_arguments()
    site = f"python-{uuid.uuid4().hex[:12]}.example"
    channel = grpc.insecure_channel(arguments.grpc)
    client = Client(campaigns_pb2_grpc.CampaignsServiceStub(channel), arguments.token)
    try:
        run(client, arguments, site)
    except (Failed, grpc.RpcError) as problem:
        print(f"failed: {describe(problem)}", file=sys.stderr)
        return 1
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--grpc", required=True, help="HOST:PORT of the campaigns role")
    parser.add_argument("--bid-url", required=True, help="where an exchange would send bid requests")
    parser.add_argument("--token", required=True, help="a token whose scope is operator")
    parser.add_argument("--within", type=float, default=1.0, help="seconds that the first bid may take")
    return parser.parse_args()


class Client:
    """The service with the caller's credential."""

    def __init__(self, stub: campaigns_pb2_grpc.CampaignsServiceStub, token: str):
        self.stub = stub
        self.metadata = [("authorization", f"Bearer {token}")]

    def call(self, method: str, request):
        return getattr(self.stub, method)(request, metadata=self.metadata, timeout=10)


def run(client: Client, arguments: argparse.Namespace, site: str) -> None:
    advertiser = create_advertiser(client)
    creative = create_creative(client, advertiser)
    campaign = create_campaign(client, advertiser)
    refuse_bad_line_item(client, campaign, creative, site)
    if bids_of(arguments.bid_url, site, creative):
        raise Failed("there is a bid before there is a line item")

    line_item = client.call("CreateLineItem", line_item_request(campaign, creative, site, PRICE_MICROS))
    created = time.monotonic()
    price = wait_for_bid(arguments.bid_url, site, creative, created + max(arguments.within, 0) + 30)
    seconds = time.monotonic() - created
    tell("first_bid", line_item=line_item.id, seconds=round(seconds, 3), price=price)
    if seconds > arguments.within:
        raise Failed(f"the first bid took {seconds:.3f} s, longer than {arguments.within} s")
    pause(client, arguments, line_item, site, creative)


def create_advertiser(client: Client) -> entities_pb2.Advertiser:
    request = api.CreateAdvertiserRequest(
        advertiser=entities_pb2.Advertiser(
            name="Snake Oil Ltd", domain="snake-oil.example", currency="USD", time_zone="Europe/Berlin"
        ),
        request_id=uuid.uuid4().hex,
    )
    advertiser = client.call("CreateAdvertiser", request)
    again = client.call("CreateAdvertiser", request)
    if again.id != advertiser.id:
        raise Failed(f"one request_id created advertisers {advertiser.id} and {again.id}")
    tell("advertiser", id=advertiser.id)
    return advertiser


def create_creative(client: Client, advertiser: entities_pb2.Advertiser) -> creative_pb2.Creative:
    creative = creative_pb2.Creative(
        advertiser_id=advertiser.id,
        name="Half page",
        domains=["snake-oil.example"],
        categories=["IAB7"],
        click_url="https://snake-oil.example/buy",
        secure=True,
        banner=creative_pb2.BannerMarkup(
            width=300,
            height=250,
            html='<a href="{CLICK_URL}"><img src="https://snake-oil.example/300x250.png"></a>{IMPRESSION_PIXEL}',
        ),
    )
    made = client.call("CreateCreative", api.CreateCreativeRequest(creative=creative, request_id=uuid.uuid4().hex))
    tell("creative", id=made.id)
    return made


def create_campaign(client: Client, advertiser: entities_pb2.Advertiser) -> entities_pb2.Campaign:
    campaign = entities_pb2.Campaign(
        advertiser_id=advertiser.id,
        name="Spring",
        status=common_pb2.STATUS_ACTIVE,
        budget=common_pb2.Budget(daily_nanos=50_000_000_000),
    )
    made = client.call("CreateCampaign", api.CreateCampaignRequest(campaign=campaign, request_id=uuid.uuid4().hex))
    tell("campaign", id=made.id)
    return made


def line_item_request(campaign, creative, site: str, price: int) -> api.CreateLineItemRequest:
    """A line item for phones in the USA on one site."""

    def value_in(dimension, *values):
        test = targeting_pb2.ValueIn(dimension=dimension, values=values)
        return targeting_pb2.Expression(leaf=targeting_pb2.Leaf(value_in=test))

    parts = [
        value_in(targeting_pb2.DIMENSION_COUNTRY, "usa"),
        value_in(targeting_pb2.DIMENSION_DEVICE_TYPE, "phone"),
        value_in(targeting_pb2.DIMENSION_DOMAIN, site),
    ]
    line_item = entities_pb2.LineItem(
        campaign_id=campaign.id,
        name="Phones on one site",
        status=common_pb2.STATUS_ACTIVE,
        targeting=targeting_pb2.Expression(all_of=targeting_pb2.Expressions(parts=parts)),
        bid=entities_pb2.BidRules(base_cpm_micros=price, currency="USD"),
        creative_ids=[creative.id],
        # At this price the campaign's day would be one bid in two minutes.
        pacing=common_pb2.PACING_ASAP,
    )
    return api.CreateLineItemRequest(line_item=line_item, request_id=uuid.uuid4().hex)


def refuse_bad_line_item(client: Client, campaign, creative, site: str) -> None:
    """A negative price is refused by the name of its field."""
    try:
        client.call("CreateLineItem", line_item_request(campaign, creative, site, -1))
    except grpc.RpcError as refusal:
        told = b"".join(
            value.encode() if isinstance(value, str) else value
            for key, value in refusal.trailing_metadata() or ()
            if key == "grpc-status-details-bin"
        )
        if refusal.code() != grpc.StatusCode.INVALID_ARGUMENT or b"base_cpm_micros" not in told:
            raise Failed(f"a negative price is refused without naming its field: {describe(refusal)}") from refusal
        tell("refused", reason=refusal.details())
        return
    raise Failed("a negative price was accepted")


def pause(client: Client, arguments: argparse.Namespace, line_item, site: str, creative) -> None:
    """A paused line item stops bidding as fast as it began."""
    request = api.UpdateLineItemRequest(
        line_item=entities_pb2.LineItem(id=line_item.id, status=common_pb2.STATUS_PAUSED),
        etag=line_item.metadata.etag,
        request_id=uuid.uuid4().hex,
    )
    request.update_mask.paths.append("status")
    client.call("UpdateLineItem", request)
    paused = time.monotonic()
    while bids_of(arguments.bid_url, site, creative):
        if time.monotonic() > paused + max(arguments.within, 0) + 30:
            raise Failed("a paused line item goes on bidding")
        time.sleep(0.01)
    tell("paused", seconds=round(time.monotonic() - paused, 3))


def wait_for_bid(url: str, site: str, creative, until: float) -> float:
    while time.monotonic() < until:
        prices = bids_of(url, site, creative)
        if prices:
            return prices[0]
        time.sleep(0.01)
    raise Failed("the line item never bid")


def bids_of(url: str, site: str, creative) -> list[float]:
    """Prices of the bids with this creative on a request from the site."""
    answer = post(url, bid_request(site))
    bids = (bid for seat in answer.get("seatbid", []) for bid in seat["bid"])
    return [bid["price"] for bid in bids if bid["crid"] == str(creative.id)]


def bid_request(site: str) -> dict:
    return {
        "id": uuid.uuid4().hex,
        "at": 1,
        "tmax": 500,
        "cur": ["USD"],
        "imp": [{"id": "1", "secure": 1, "bidfloor": 0.5, "banner": {"format": [{"w": 300, "h": 250}]}}],
        "site": {"id": "1", "domain": site, "page": f"https://{site}/", "publisher": {"id": "pub-1"}},
        "device": {
            "devicetype": 4,
            "ua": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Safari/604.1",
            "ip": "198.51.100.7",
            "geo": {"country": "USA"},
        },
        "regs": {"gdpr": 0},
    }


def post(url: str, body: dict) -> dict:
    headers = {"content-type": "application/json", "x-openrtb-version": "2.6"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            text = answer.read()
    except urllib.error.URLError as problem:
        raise Failed(f"{url}: {problem}") from problem
    return json.loads(text) if text else {}


def tell(step: str, **facts) -> None:
    print(json.dumps({"step": step, **facts}), flush=True)


def describe(problem: Exception) -> str:
    if isinstance(problem, grpc.RpcError):
        return f"{problem.code().name}: {problem.details()}"
    return str(problem)


if __name__ == "__main__":
    sys.exit(main())
