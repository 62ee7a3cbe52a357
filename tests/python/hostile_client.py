"""Sends every method of the campaigns role what no sane client would, and holds the answers against what is promised.

    python hostile_client.py --grpc 127.0.0.1:8081 --operator TOKEN --advertiser TOKEN [--verbose]

Each field of each resource gets extreme values, in creation and in update; then come wrong masks, etags, page tokens
and ids. An answer must be a success or a refusal that says whose fault it is: INVALID_ARGUMENT names the field and a
remedy. Exits with 1, and says what was answered, when one is anything else, or when a resource that was sound before is
not readable after. `--verbose` also prints which extreme values were accepted.
"""

import argparse
import sys
import time
import uuid

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.any_pb2 import DESCRIPTOR as ANY
from google.protobuf.field_mask_pb2 import FieldMask

import stubs

stubs.load()

from tagbid.campaigns.v1 import campaigns_pb2 as api  # noqa: E402  (made by stubs.load)
from tagbid.campaigns.v1 import (  # noqa: E402
    campaigns_pb2_grpc,
    creative_pb2,
    entities_pb2,
    funnel_pb2,
    reach_pb2,
    targeting_pb2,
)

LONG = "x" * (1 << 20)
TEXTS = [
    "",
    " ",
    "\0",
    "a\u0007b",
    "\u202egnp.exe",
    "🦊" * 300,
    "x" * 300,
    "-1",
    "null",
    "'; DROP TABLE entities;--",
    LONG,
]
NUMBERS = {
    "int32": [-1, 0, -(1 << 31), (1 << 31) - 1],
    "int64": [-1, 0, -(1 << 63), (1 << 63) - 1],
    "uint32": [0, (1 << 32) - 1],
    "uint64": [0, (1 << 63), (1 << 64) - 1],
    "enum": [0, 99, -1],
    "double": [0.0, -1e308, 1e308, float("nan"), float("inf")],
    "float": [0.0, -1e38, float("nan"), float("inf")],
}
FAULT = {
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
}
INVALID = "INVALID_ARGUMENT"
COMPANY = {"name": "Audit", "domain": "snake-oil.example", "currency": "USD", "time_zone": "Europe/Berlin"}
# Line items last: they need the others.
RESOURCES = ["Campaign", "Creative", "Deal", "List", "Dataset", "TagDefinition", "LineItem"]


def rpc_details():
    """google.rpc.Status and BadRequest (google/rpc/status.proto, error_details.proto): no package of ours has them."""
    file = descriptor_pb2.FileDescriptorProto(
        name="details.proto", package="google.rpc", syntax="proto3", dependency=[ANY.name]
    )
    kinds = descriptor_pb2.FieldDescriptorProto

    def message(parent, name, *fields):
        made = parent.add(name=name)
        for number, (field, kind, of) in enumerate(fields, 1):
            label = kinds.LABEL_REPEATED if of else kinds.LABEL_OPTIONAL
            made.field.add(name=field, number=number, type=kind, label=label, type_name=of or None)
        return made

    any_type = ".google.protobuf.Any"
    status = (
        ("code", kinds.TYPE_INT32, ""),
        ("message", kinds.TYPE_STRING, ""),
        ("details", kinds.TYPE_MESSAGE, any_type),
    )
    message(file.message_type, "Status", *status)
    violations = ("field_violations", kinds.TYPE_MESSAGE, ".google.rpc.BadRequest.FieldViolation")
    bad = message(file.message_type, "BadRequest", violations)
    message(bad.nested_type, "FieldViolation", ("field", kinds.TYPE_STRING, ""), ("description", kinds.TYPE_STRING, ""))
    pool = descriptor_pool.Default()
    pool.Add(file)
    names = ("google.rpc.Status", "google.rpc.BadRequest")
    return [message_factory.GetMessageClass(pool.FindMessageTypeByName(name)) for name in names]


RpcStatus, BadRequest = rpc_details()


class Audit:
    """A client that judges every answer."""

    def __init__(self, address: str, operator: str, advertiser: str, verbose: bool):
        options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
        self.stub = campaigns_pb2_grpc.CampaignsServiceStub(grpc.insecure_channel(address, options))
        self.tokens = {"operator": operator, "advertiser": advertiser}
        self.verbose = verbose
        self.failures: list[str] = []
        self.calls = 0

    def call(self, what: str, method: str, request, want=None, who: str = "advertiser", patient: bool = False):
        """The answer; none when it was refused. `want`: the one status that is right. `patient`: what is new may not have
        reached everybody yet."""
        self.calls += 1
        until = time.monotonic() + 20
        while patient and self.is_unavailable(method, request, who) and time.monotonic() < until:
            time.sleep(0.05)
        metadata = [("authorization", f"Bearer {self.tokens[who]}")]
        try:
            answer = getattr(self.stub, method)(request, metadata=metadata, timeout=20)
        except grpc.RpcError as refusal:
            self.judge(what, refusal, want)
            return None
        if want is not None:
            self.failures.append(f"{what}: was accepted, expected {want}")
        elif self.verbose:
            print(f"accepted: {what}")
        return answer

    def is_unavailable(self, method: str, request, who: str) -> bool:
        metadata = [("authorization", f"Bearer {self.tokens[who]}")]
        try:
            getattr(self.stub, method)(request, metadata=metadata, timeout=20)
        except grpc.RpcError as refusal:
            return refusal.code() == grpc.StatusCode.UNAVAILABLE
        return False

    def judge(self, what: str, refusal: grpc.RpcError, want) -> None:
        code, said = refusal.code(), (refusal.details() or "")[:300]
        if want is not None and code.name != want:
            self.failures.append(f"{what}: {code.name}, expected {want}: {said}")
        elif (want is None and code in FAULT) or not said:
            self.failures.append(f"{what}: {code.name}: {said}")
        elif code == grpc.StatusCode.INVALID_ARGUMENT and not names_a_field(refusal):
            self.failures.append(f"{what}: no field or remedy in {said}")

    def send(
        self, method: str, kind: str, what="", want=None, who="advertiser", sound=False, of=None, mask=None, **fields
    ):
        """Makes the request of a method and a resource, and calls it. `sound`: it must not be refused."""
        if of is not None:
            fields[snake(kind)] = of
        if mask is not None:
            fields["update_mask"] = FieldMask(paths=[mask])
        request = getattr(api, f"{method}{kind}Request")(**fields)
        answer = self.call(f"{method}{kind} {what or 'sound'}", f"{method}{kind}", request, want, who)
        if sound and answer is None:
            raise SystemExit(f"a sound {method}{kind} was refused: {self.failures}")
        return answer

    def make(self, kind: str, template):
        """A new resource like this one."""
        return self.send("Create", kind, sound=True, of=fresh(template, kind))


def names_a_field(refusal: grpc.RpcError) -> bool:
    for key, value in refusal.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            for detail in RpcStatus.FromString(value).details:
                problems = BadRequest()
                if detail.Unpack(problems) and problems.field_violations:
                    return all(p.field and "; " in p.description for p in problems.field_violations)
    return False


def templates(campaign_id: int, creative_id: int) -> dict:
    leaf = lambda **test: targeting_pb2.Expression(leaf=targeting_pb2.Leaf(**test))  # noqa: E731
    country = targeting_pb2.ValueIn(dimension=targeting_pb2.DIMENSION_COUNTRY, values=["deu"])
    circle = targeting_pb2.GeoCircle(latitude=52.5, longitude=13.4, radius_m=1000)
    version = targeting_pb2.OsVersion(os="ios", min_version="14")
    parts = [
        leaf(value_in=country),
        leaf(near=targeting_pb2.Near(circles=[circle])),
        leaf(os_version=version),
        leaf(hour_of_week=targeting_pb2.HoursOfWeek(hours=[9])),
    ]
    item = entities_pb2.LineItem(
        campaign_id=campaign_id,
        targeting=targeting_pb2.Expression(all_of=targeting_pb2.Expressions(parts=parts)),
        bid=entities_pb2.BidRules(base_cpm_micros=1_000_000, currency="USD"),
        creative_ids=[creative_id],
    )
    item.bid.multipliers.add(when=targeting_pb2.Leaf(value_in=country), factor_micros=500_000)
    item.schedule.hours_of_week.append(9)
    item.budget.daily_nanos = 5
    item.frequency_caps.add(scope=1, impressions=3, window=3)
    made = {
        "Campaign": entities_pb2.Campaign(),
        "Creative": creative_pb2.Creative(
            domains=["snake-oil.example"],
            categories=["IAB7"],
            attributes=[1],
            apis=[7],
            click_url="https://snake-oil.example/buy",
            secure=True,
            video=creative_pb2.VideoMarkup(
                media_url="https://snake-oil.example/a.mp4",
                mime="video/mp4",
                duration_ms=15_000,
                width=640,
                height=360,
                bitrate_kbps=800,
                skip_after_s=5,
            ),
        ),
        "Deal": entities_pb2.Deal(exchange="demo", code="d", auction=1, price_cpm_micros=1_000_000, currency="USD"),
        "List": entities_pb2.List(kind=3, values=["news.example"]),
        "Dataset": entities_pb2.Dataset(),
        "TagDefinition": entities_pb2.TagDefinition(half_life_s=60),
        "LineItem": item,
    }
    made["Campaign"].schedule.hours_of_week.append(9)
    made["Campaign"].budget.lifetime_nanos = 5
    return made


def fresh(message, kind: str):
    """A copy with a name of its own, and of what else must be unique."""
    copy = type(message)()
    copy.CopyFrom(message)
    copy.name = f"{kind} {uuid.uuid4().hex[:12]}"
    if kind == "Deal":
        copy.code = uuid.uuid4().hex
    return copy


def variants(message, path=""):
    """Every field that is set or scalar, with each extreme value: (path, a function that sets it)."""
    for field in message.DESCRIPTOR.fields:
        if path == "" and field.name in ("id", "metadata", "advertiser_id"):
            continue
        name = f"{path}{field.name}"
        values = TEXTS if field.type == field.TYPE_STRING else NUMBERS.get(KINDS.get(field.type, ""), [])
        repeated = field.is_repeated if hasattr(field, "is_repeated") else field.label == field.LABEL_REPEATED
        if field.message_type is not None:
            if field.message_type.GetOptions().map_entry:
                continue
            if repeated and len(getattr(message, field.name)):
                yield from variants_of_first(message, field, name)
            elif not repeated and message.HasField(field.name):
                yield name, ("clear", field.name)
                for sub, change in variants(getattr(message, field.name), f"{name}."):
                    yield sub, ("in", field.name, change)
        elif repeated:
            for value in values:
                yield name, ("list", field.name, [value])
            if values:
                yield name, ("list", field.name, [values[-1 if field.type != field.TYPE_STRING else 6]] * 20_000)
        else:
            for value in values:
                yield name, ("set", field.name, value)


def variants_of_first(message, field, name):
    for sub, change in variants(getattr(message, field.name)[0], f"{name}[0]."):
        yield sub, ("first", field.name, change)


def apply(message, change) -> None:
    how, name, *rest = change
    if how == "clear":
        message.ClearField(name)
    elif how == "set":
        setattr(message, name, rest[0])
    elif how == "list":
        del getattr(message, name)[:]
        getattr(message, name).extend(rest[0])
    elif how == "in":
        apply(getattr(message, name), rest[0])
    else:
        apply(getattr(message, name)[0], rest[0])


FIELD = entities_pb2.Campaign.DESCRIPTOR.fields[0]
KINDS = {
    FIELD.TYPE_INT32: "int32",
    FIELD.TYPE_INT64: "int64",
    FIELD.TYPE_UINT32: "uint32",
    FIELD.TYPE_UINT64: "uint64",
    FIELD.TYPE_ENUM: "enum",
    FIELD.TYPE_DOUBLE: "double",
    FIELD.TYPE_FLOAT: "float",
}


def snake(kind: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in kind).lstrip("_")


def shown(change) -> str:
    text = repr(change)
    return text if len(text) < 100 else f"{text[:60]}... ({len(text)} letters)"


def every_field(audit: Audit, kind: str, template) -> None:
    """Creation and update with each extreme value."""
    kept = audit.make(kind, template)
    for path, change in variants(template):
        wrong = fresh(template, kind)
        apply(wrong, change)
        audit.send("Create", kind, f"{path} {shown(change)}", of=wrong)
        wrong.id = kept.id
        audit.send("Update", kind, f"{path} {shown(change)}", of=wrong, mask=path.split(".")[0].split("[")[0])
    audit.send("Get", kind, sound=True, id=kept.id)


def every_method(audit: Audit, kind: str, template) -> None:
    """Wrong ids, masks, etags, pages, request ids; archived things."""
    made = audit.make(kind, template)
    small = kind in ("TagDefinition", "Dataset")
    for nobody in (0, (1 << 32) - 1) if small else (0, 1 << 62, 1 << 63, (1 << 64) - 1):
        audit.send("Get", kind, str(nobody), "NOT_FOUND", id=nobody)
        audit.send("Archive", kind, str(nobody), "NOT_FOUND", id=nobody)
    audit.send("Create", kind, "of nothing", INVALID)
    audit.send("Update", kind, "of nothing", INVALID)
    renamed = type(made)(id=made.id, name=f"Other {uuid.uuid4().hex}")
    for path in ("nonsense", "name.nonsense", "", "id", "metadata.archived", "Name", "name,status", "*.name", LONG):
        audit.send("Update", kind, f"mask {shown(path)}", INVALID, of=renamed, mask=path)
    for etag in ("r1", "nonsense", "r99999999999999999999", LONG):
        want = "ABORTED" if etag == "r1" else INVALID
        audit.send("Update", kind, f"etag {shown(etag)}", want, of=renamed, etag=etag)
        audit.send("Archive", kind, f"etag {shown(etag)}", want, id=made.id, etag=etag)
    for request_id in (LONG, "\0", " "):
        what = f"request_id {shown(request_id)}"
        audit.send("Create", kind, what, INVALID, of=fresh(template, kind), request_id=request_id)
    every_page(audit, f"{kind}s")
    archived = audit.send("Archive", kind, sound=True, id=made.id)
    if audit.send("Archive", kind, sound=True, id=made.id) != archived:
        audit.failures.append(f"Archive{kind}: twice is not once")
    audit.send("Update", kind, "archived", "FAILED_PRECONDITION", of=renamed)


def every_page(audit: Audit, kinds: str) -> None:
    for size in (0, 1, 10**9, (1 << 32) - 1):
        page = audit.send("List", kinds, sound=True, page_size=size)
        listed = page.ListFields()
        if listed and len(listed[0][1]) > 1000:
            audit.failures.append(f"List{kinds} page_size {size}: more than a page")
    for token in ("nonsense", "=", "\0", "bGlzdDotMQ", "Y2FtcGFpZ246OTk5OTk5OTk5OTk5OTk5OTk5OTk5", LONG):
        audit.send("List", kinds, f"token {shown(token)}", INVALID, page_token=token)


def foreign(audit: Audit, stranger: int, mine: dict) -> None:
    """Somebody else's things are answered like what does not exist."""
    for kind in RESOURCES:
        stolen = fresh(mine[kind], kind)
        stolen.advertiser_id = stranger
        audit.send("Create", kind, "for a stranger", INVALID, of=stolen)
    theirs = fresh(mine["Campaign"], "Campaign")
    theirs.advertiser_id = stranger
    theirs = audit.send("Create", "Campaign", sound=True, who="operator", of=theirs)
    audit.send("Get", "Campaign", "of a stranger", "NOT_FOUND", id=theirs.id)
    audit.send("Update", "Campaign", "of a stranger", "NOT_FOUND", of=entities_pb2.Campaign(id=theirs.id, name="Mine"))
    item = fresh(mine["LineItem"], "LineItem")
    item.campaign_id = theirs.id
    audit.send("Create", "LineItem", "under a stranger", INVALID, of=item)
    moved = audit.make("LineItem", mine["LineItem"])
    moved.campaign_id = theirs.id
    audit.send("Update", "LineItem", "to a stranger", INVALID, of=moved, mask="campaign_id")


def family(audit: Audit, mine: dict) -> None:
    """What hangs under something archived; names that must be unique; explanations of nothing."""
    campaign = audit.make("Campaign", mine["Campaign"])
    orphan = fresh(mine["LineItem"], "LineItem")
    orphan.campaign_id = campaign.id
    item = audit.make("LineItem", orphan)
    audit.send("Archive", "Campaign", sound=True, id=campaign.id)
    audit.send("Create", "LineItem", "under an archived campaign", INVALID, of=orphan)
    audit.send("Update", "LineItem", sound=True, of=entities_pb2.LineItem(id=item.id, name="Still mine"))
    tag = fresh(mine["TagDefinition"], "TagDefinition")
    audit.send("Create", "TagDefinition", sound=True, of=tag)
    audit.send("Create", "TagDefinition", "twice", INVALID, of=tag)
    for exchange, body in (("demo", b""), ("demo", b"{"), ("demo", b"\xff"), ("nobody", b"{}"), ("", b""), (LONG, b"")):
        what = f"Explain {shown(exchange)} {body!r}"
        explain = api.ExplainRequest(line_item_id=item.id, exchange=exchange, openrtb_json=body)
        audit.call(what, "Explain", explain, INVALID, patient=True)
    for ids in ([], [0], [item.id] * 101, [0] * 100_000):
        audit.call(f"GetFunnel of {len(ids)}", "GetFunnel", funnel_pb2.GetFunnelRequest(line_item_ids=ids), INVALID)
    for ids in ([(1 << 64) - 1], [item.id, 1 << 63]):
        audit.call(f"GetFunnel of {ids}", "GetFunnel", funnel_pb2.GetFunnelRequest(line_item_ids=ids), "NOT_FOUND")
    audit.call("ValidateLineItem of nothing", "ValidateLineItem", api.ValidateLineItemRequest(), INVALID)
    for change in ({"advertiser_id": 2}, {"advertiser_id": 2**64 - 1}, {"targeting": expression(2**32 - 1)}):
        reach = reach_pb2.EstimateReachRequest(**change)
        audit.call(f"EstimateReach {shown(change)}", "EstimateReach", reach, INVALID)


def expression(tag: int) -> targeting_pb2.Expression:
    """A test of one tag."""
    leaf = targeting_pb2.Leaf(tag=targeting_pb2.TagTest(any_of_tag_ids=[tag]))
    return targeting_pb2.Expression(leaf=leaf)


def advertisers(audit: Audit) -> None:
    """The operator's own methods."""
    sound = entities_pb2.Advertiser(**COMPANY)
    sound.budget.daily_nanos = 5
    sound.frequency_caps.add(scope=3, impressions=3, window=3)
    for path, change in variants(sound):
        wrong = entities_pb2.Advertiser()
        wrong.CopyFrom(sound)
        apply(wrong, change)
        audit.send("Create", "Advertiser", f"{path} {shown(change)}", who="operator", of=wrong)
    audit.send("Create", "Advertiser", "by an advertiser", "PERMISSION_DENIED", of=sound)
    audit.send("Archive", "Advertiser", "by itself", "PERMISSION_DENIED", id=1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--grpc", required=True, help="HOST:PORT of the campaigns role")
    parser.add_argument("--operator", required=True, help="a token of scope operator")
    parser.add_argument(
        "--advertiser", required=True, help="a token of scope advertiser:1; advertisers 1 and 2 are made"
    )
    parser.add_argument("--verbose", action="store_true", help="print what was accepted")
    arguments = parser.parse_args()
    audit = Audit(arguments.grpc, arguments.operator, arguments.advertiser, arguments.verbose)
    owners = []
    for name in ("One", "Two"):
        company = entities_pb2.Advertiser(**{**COMPANY, "name": name})
        owners.append(audit.send("Create", "Advertiser", sound=True, who="operator", of=company).id)
    mine = templates(0, 0)
    mine = templates(audit.make("Campaign", mine["Campaign"]).id, audit.make("Creative", mine["Creative"]).id)
    for kind in RESOURCES:
        every_field(audit, kind, mine[kind])
        every_method(audit, kind, mine[kind])
    foreign(audit, owners[1], mine)
    family(audit, mine)
    advertisers(audit)
    for failure in audit.failures:
        print(failure, file=sys.stderr)
    print(f"{audit.calls} calls, {len(audit.failures)} not as promised")
    return 1 if audit.failures else 0


if __name__ == "__main__":
    sys.exit(main())
