"""Compares the test server with Qdrant's own client in its ":memory:" mode.

compare.py RECORD ADDRESS does every call in RECORD (one JSON object a line: call, request, response, error) in memory, and compares the
answers with the recorded ones; then it makes calls of its own to the server at ADDRESS and in memory, for what a record may not have.
"""

import base64
import collections
import json
import math
import sys

from qdrant_client import QdrantClient, grpc, models
from qdrant_client.conversions.conversion import GrpcToRest, grpc_to_payload

TOLERANCE = 1e-4  # of scores: sums of products in another order


class Different(Exception):
    pass


def same(what, want, got):
    if want != got:
        raise Different(f"{what}: in memory {str(want)[:400]}, the server {str(got)[:400]}")


def close(what, want, got):
    same(f"number of {what}", len(want), len(got))
    for w, g in zip(want, got):
        if not math.isclose(w, g, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
            raise Different(f"{what}: in memory {want[:10]}, the server {got[:10]}")


def same_points(want, got):
    """Compares records as sets: the order of retrieved points is not promised."""
    same("points", sorted(p.id for p in want), sorted(p.id for p in got))
    others = {p.id: p for p in got}
    for point in want:
        other = others[point.id]
        same(f"payload of {point.id}", point.payload or {}, other.payload or {})
        mine, theirs = point.vector or {}, other.vector or {}
        same(f"vectors of {point.id}", sorted(mine), sorted(theirs))
        for name in mine:
            close(f"vector {name} of {point.id}", list(mine[name]), list(theirs[name]))


def same_scores(want, got, limited):
    """Compares scored points: the scores in their order, and which points have them, but for ties at the end of a limited answer."""
    close("scores", [p.score for p in want], [p.score for p in got])
    if not want:
        return
    last = want[-1].score + TOLERANCE if limited else -math.inf

    def placed(points):
        return {p.id: round(p.score, 3) for p in points if p.score > last}

    mine, theirs = placed(want), placed(got)
    for point in set(mine) ^ set(theirs):
        raise Different(f"point {point}: in memory {mine.get(point)}, the server {theirs.get(point)}")


class Memory:
    """Does recorded calls in memory."""

    def __init__(self):
        self.client = QdrantClient(":memory:")

    def selector(self, selector):
        if selector.HasField("filter"):
            return models.FilterSelector(filter=self.filter(selector))
        return GrpcToRest.convert_points_selector(selector)

    def filter(self, request, field="filter"):
        if not request.HasField(field):
            return None
        converted = GrpcToRest.convert_filter(getattr(request, field))
        # A message cannot tell an empty list from none; in memory an empty "should" would let nothing pass.
        return models.Filter(must=converted.must or None, must_not=converted.must_not or None, should=converted.should or None)

    def collections_collectionexists(self, r):
        got = grpc.CollectionExistsRequest.FromString(r.request)
        response = grpc.CollectionExistsResponse.FromString(r.response)
        same("exists", self.client.collection_exists(got.collection_name), response.result.exists)

    def collections_create(self, r):
        got = grpc.CreateCollection.FromString(r.request)
        self.client.create_collection(got.collection_name, vectors_config=GrpcToRest.convert_vectors_config(got.vectors_config))

    def collections_delete(self, r):
        self.client.delete_collection(grpc.DeleteCollection.FromString(r.request).collection_name)

    def collections_get(self, r):
        got = grpc.GetCollectionInfoRequest.FromString(r.request)
        response = grpc.GetCollectionInfoResponse.FromString(r.response)
        want = self.client.get_collection(got.collection_name).config.params.vectors
        params = GrpcToRest.convert_vectors_config(response.result.config.params.vectors_config)
        same("vectors", {k: (v.size, v.distance) for k, v in want.items()}, {k: (v.size, v.distance) for k, v in params.items()})

    def points_createfieldindex(self, r):
        got = grpc.CreateFieldIndexCollection.FromString(r.request)
        self.client.get_collection(got.collection_name)

    def points_upsert(self, r):
        got = grpc.UpsertPoints.FromString(r.request)
        self.client.upsert(
            got.collection_name,
            [GrpcToRest.convert_point_struct(p) for p in got.points],
            update_filter=self.filter(got, "update_filter"),
        )

    def points_delete(self, r):
        got = grpc.DeletePoints.FromString(r.request)
        self.client.delete(got.collection_name, self.selector(got.points))

    def points_setpayload(self, r):
        got = grpc.SetPayloadPoints.FromString(r.request)
        self.client.set_payload(got.collection_name, grpc_to_payload(got.payload), self.selector(got.points_selector))

    def points_get(self, r):
        got = grpc.GetPoints.FromString(r.request)
        want = self.client.retrieve(
            got.collection_name, [p.num for p in got.ids], with_payload=got.with_payload.enable, with_vectors=got.with_vectors.enable
        )
        response = grpc.GetResponse.FromString(r.response)
        same_points(want, [GrpcToRest.convert_retrieved_point(p) for p in response.result])

    def points_scroll(self, r):
        got = grpc.ScrollPoints.FromString(r.request)
        want, following = self.client.scroll(
            got.collection_name,
            self.filter(got),
            limit=got.limit,
            offset=got.offset.num if got.HasField("offset") else None,
            with_payload=got.with_payload.enable,
            with_vectors=got.with_vectors.enable,
        )
        response = grpc.ScrollResponse.FromString(r.response)
        same("order", [p.id for p in want], [p.id.num for p in response.result])
        same("next page", following, response.next_page_offset.num if response.HasField("next_page_offset") else None)
        same_points(want, [GrpcToRest.convert_retrieved_point(p) for p in response.result])

    def points_query(self, r):
        got = grpc.QueryPoints.FromString(r.request)
        want = self.client.query_points(
            got.collection_name,
            list(got.query.nearest.dense.data),
            using=got.using,
            query_filter=self.filter(got),
            limit=got.limit,
            with_payload=got.with_payload.enable,
        ).points
        response = grpc.QueryResponse.FromString(r.response)
        same_scores(want, scored(response), len(want) == got.limit)

    def points_count(self, r):
        got = grpc.CountPoints.FromString(r.request)
        want = self.client.count(got.collection_name, count_filter=self.filter(got), exact=got.exact)
        same("count", want.count, grpc.CountResponse.FromString(r.response).result.count)

    def do(self, record):
        return getattr(self, record.call.lower().replace("/", "_"))(record)


Scored = collections.namedtuple("Scored", "id score")
Record = collections.namedtuple("Record", "call request response error")


def scored(response):
    return [Scored(p.id.num, p.score) for p in response.result]


def replay(path):
    memory, done = Memory(), collections.Counter()
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            raw = json.loads(line)
            if raw["call"] == "Qdrant/HealthCheck":
                continue
            record = Record(
                raw["call"], base64.b64decode(raw["request"]), base64.b64decode(raw.get("response") or ""), raw.get("error") or ""
            )
            try:
                memory.do(record)
            except Different as difference:
                sys.exit(f"{path}:{number}: {record.call}: {difference}")
            except Exception as error:
                if not record.error:
                    sys.exit(f"{path}:{number}: {record.call} fails in memory, not at the server: {error!r}")
                done["errors"] += 1
            else:
                if record.error:
                    sys.exit(f"{path}:{number}: {record.call} fails at the server, not in memory: {record.error}")
            done[record.call] += 1
    return done


def field(name, **match):
    return models.FieldCondition(key=name, match=models.MatchValue(**match))


def between(name, **limits):
    return models.FieldCondition(key=name, range=models.Range(**limits))


def filters():
    has = models.HasIdCondition(has_id=[2, 3, 5, 99])
    yield None
    yield models.Filter()
    yield models.Filter(must=[has])
    yield models.Filter(must_not=[has])
    for value in ("a", "b", "", "not there", 1, 7, 0):
        yield models.Filter(must=[field("word", value=value)])
        yield models.Filter(must=[field("session", value=value)])
        yield models.Filter(must_not=[field("word", value=value)])
    for limits in ({"lte": 7}, {"lt": 7}, {"gte": 7}, {"gt": 7}, {"gt": 1, "lte": 8}, {"lte": -1}, {"gte": 7.5}):
        yield models.Filter(must=[between("session", **limits)])
        yield models.Filter(must=[between("word", **limits)])
        yield models.Filter(must=[between("session", **limits), has], must_not=[field("word", value="a")])


def probe(client):
    """Yields what a client answers to calls that a record may not have."""

    def attempt(call):
        try:
            return call()
        except (AttributeError, TypeError):
            raise  # of this file
        except Exception:
            return "fails"  # each in words of its own

    def points(found):
        return sorted((p.id, json.dumps(p.payload or {}, sort_keys=True), sorted((p.vector or {}).items())) for p in found)

    def put(*structs, into="c", **more):
        return attempt(lambda: client.upsert(into, list(structs), **more) and None)

    def point(number, payload=None, vector=None):
        return models.PointStruct(id=number, payload=payload, vector={"code": vector} if vector else {})

    everything = lambda: points(client.scroll("c", limit=100, with_payload=True, with_vectors=True)[0])  # noqa: E731
    yield "no collection", client.collection_exists("c")
    yield "retrieve without a collection", attempt(lambda: client.retrieve("c", [1]))
    yield "create", client.create_collection("c", vectors_config={"code": models.VectorParams(size=2, distance=models.Distance.DOT)})
    yield "create again", attempt(lambda: client.create_collection("c", vectors_config={}))
    yield "a collection", client.collection_exists("c")
    yield "nothing", (everything(), client.count("c").count)
    yield "put", put(
        point(1),
        point(2, {"session": 7, "word": "a"}, [1.0, 0.0]),
        point(3, {"session": 8, "word": "b"}, [0.0, 1.0]),
        point(4, {"session": 7.5}, [0.5, 0.5]),
        point(5, {"session": "7", "word": ""}, [-1.0, 0.25]),
        point(6, {"other": "x", "word": 1}, [0.0, 0.0]),
        point(2**40 + 3, {"session": 1, "word": "ü"}, [3.0, 4.0]),
    )
    yield "all", everything()
    # What is refused spoils a collection in memory.
    for name, bad in (("wrong dimension", {"code": [1.0, 2.0, 3.0]}), ("unknown vector", {"other": [1.0, 2.0]})):
        client.create_collection("d", vectors_config={"code": models.VectorParams(size=2, distance=models.Distance.DOT)})
        yield name, put(models.PointStruct(id=50, vector=bad), into="d")
        client.delete_collection("d")
    yield "retrieve some, one twice", points(client.retrieve("c", [3, 99, 1], with_payload=True, with_vectors=True))
    for number, condition in enumerate(filters()):
        yield f"count {number}", client.count("c", count_filter=condition).count
        yield f"scroll {number}", [p.id for p in client.scroll("c", condition, limit=100)[0]]
        for question in ([1.0, 0.5], [-2.0, 0.1], [0.0, 0.0]):
            found = client.query_points("c", question, using="code", query_filter=condition, limit=20).points
            yield f"query {number} {question}", sorted((round(p.score, 4), p.id) for p in found)
            scores = [p.score for p in found]
            yield f"order {number} {question}", scores == sorted(scores, reverse=True)
    yield "limited", [p.id for p in client.query_points("c", [1.0, 0.9], using="code", limit=2).points]
    yield "query of the wrong dimension", attempt(lambda: client.query_points("c", [1.0], using="code"))
    yield "query of an unknown vector", attempt(lambda: client.query_points("c", [1.0, 2.0], using="other"))
    page, following = client.scroll("c", limit=3)
    yield "page", ([p.id for p in page], following)
    page, following = client.scroll("c", limit=3, offset=following)
    yield "next page", ([p.id for p in page], following)
    page, following = client.scroll("c", limit=3, offset=6)
    yield "last page", ([p.id for p in page], following)
    never = models.Filter(must=[field("word", value="never")])
    yield "insert only", (put(point(2, {"word": "changed"}), point(7, {"word": "new"}), update_filter=never), everything())
    yield "replace if", (put(point(2, {"word": "changed"}, [5.0, 5.0]), update_filter=models.Filter(must=[field("word", value="a")])), everything())
    yield "replace drops what is not given", (put(point(3, {"only": 1})), everything())
    changed = models.Filter(must=[models.HasIdCondition(has_id=[2]), field("word", value="changed")])
    for _ in range(2):  # the second time nothing matches
        client.set_payload("c", {"word": "swapped", "more": "x"}, points=changed)
        yield "compare and swap", everything()
    client.set_payload("c", {"more": 5}, points=[4, 5])
    yield "set payload", everything()
    yield "set payload of nothing", attempt(lambda: client.set_payload("c", {"more": 5}, points=[99]) and None)
    client.delete("c", models.PointIdsList(points=[5, 99]))
    yield "delete", everything()
    client.delete("c", models.FilterSelector(filter=models.Filter(must=[between("session", lte=7)])))
    yield "delete by filter", everything()
    yield "delete collection", client.delete_collection("c")
    yield "gone", client.collection_exists("c")
    yield "without vectors", client.create_collection("c", vectors_config={})
    yield "put without vectors", (put(point(1, {"a": "b"})), everything(), put(point(2, {}, [1.0, 2.0])))
    client.delete_collection("c")


def compare(address):
    host, _, port = address.rpartition(":")
    server = QdrantClient(host=host, grpc_port=int(port), prefer_grpc=True, check_compatibility=False, timeout=30)
    # Some calls of the client go over REST, unless it is told otherwise; those that are made here do not.
    done = 0
    answers = probe(QdrantClient(":memory:"))
    for name, got in probe(server):
        want_name, want = next(answers)
        same("probe", want_name, name)
        try:
            same(name, want, got)
        except Different as difference:
            sys.exit(f"probe {difference}")
        done += 1
    return done


if __name__ == "__main__":
    import warnings

    warnings.simplefilter("ignore")
    calls = replay(sys.argv[1])
    probes = compare(sys.argv[2])
    print(f"{sum(calls.values()) - calls['errors']} recorded calls and {probes} probes are answered alike:")
    print(", ".join(f"{call} {n}" for call, n in sorted(calls.items())))
