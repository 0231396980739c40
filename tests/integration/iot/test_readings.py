"""Readings in and out: counts at the door, columns, aggregates as a plain recomputation gives them (contract, 6.10)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import fmean, stdev
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import numpy as np
import pytest

from schemas.ids import new_id
from tests.integration.iot.conftest import MS, Produce, good, iso, problem, sensor_of, until, virtual

pytestmark = pytest.mark.stack
HOUR = 3_600_000


def reading(key: str, ms: int, value: Any, **more: Any) -> dict[str, Any]:
    return {"sensorId": key, "timestamp": iso(ms), "value": value, **more}


async def send(of: httpx.AsyncClient, device: str, *readings: dict[str, Any]) -> dict[str, Any]:
    answer = await of.post("/readings", json={"deviceId": device, "readings": list(readings)})
    said: dict[str, Any] = good(answer, 202)
    return said


async def test_each_type_lands_in_its_column(acme: httpx.AsyncClient) -> None:
    device = await virtual(acme)
    sent = {"whole": 23, "fraction": 23.5, "flag": True, "word": "on"}
    said = await send(acme, device, *(reading(k, MS, v, metadata={"n": 1}) for k, v in sent.items()))
    assert said == {"accepted": 4, "duplicates": 0, "quarantined": 0}
    types = {"whole": "BIGINT", "fraction": "DOUBLE", "flag": "BOOLEAN", "word": "TEXT"}
    for key, value in sent.items():
        id = await sensor_of(acme, device, key)
        sensor = good(await acme.get(f"/sensors/{id}"))
        assert sensor["valueType"] == types[key]
        assert sensor["autoCreated"]
        assert sensor["lastValue"] == value
        params: dict[str, Any] = {"from": iso(MS - 1), "includeMetadata": True}
        raw = good(await acme.get(f"/readings/sensor/{id}", params=params))
        assert raw["points"] == [{"timestamp": iso(MS), "value": value, "metadata": {"n": 1}}]
        assert type(raw["points"][0]["value"]) is type(value)
        assert good(await acme.get(f"/readings/sensor/{id}/latest"))["value"] == value
    latest = good(await acme.get(f"/readings/device/{device}/latest"))
    assert {r["value"] for r in latest["readings"]} == set(sent.values())


async def test_a_repeat_is_stored_once_and_counted(acme: httpx.AsyncClient, produce: Produce) -> None:
    device = await virtual(acme)
    first = await send(acme, device, reading("k", MS, 1.5), reading("k", MS, 2.5), reading("k", MS + 1, 3.5))
    assert first == {"accepted": 2, "duplicates": 1, "quarantined": 0}
    id = await sensor_of(acme, device, "k")
    assert (await send(acme, device, reading(id, MS, 9.0)))["duplicates"] == 1
    await produce(device, [{"sensor": "k", "ts": MS, "d": 7.0}, {"sensor": "k", "ts": MS + 2, "d": 4.5}])
    points = await polled(acme, id, 3)
    assert [p["value"] for p in points] == [1.5, 3.5, 4.5]


async def polled(of: httpx.AsyncClient, id: str, count: int) -> Any:
    async def look() -> Any:
        found = good(await of.get(f"/readings/sensor/{id}", params={"from": iso(MS - 86_400_000)}))["points"]
        return found if len(found) >= count else None

    return await until(look)


async def test_a_key_is_good_for_one_answer(acme: httpx.AsyncClient) -> None:
    device, key = await virtual(acme), {"Idempotency-Key": new_id()}
    late = {"sensorId": "t", "timestamp": iso(MS - 40 * 86_400_000), "value": 1}
    body = {"deviceId": device, "readings": [{"sensorId": "t", "timestamp": iso(MS), "value": 1}, late]}
    first = good(await acme.post("/readings", json=body, headers=key), 202)
    assert (first["accepted"], first["duplicates"], first["quarantined"]) == (1, 0, 1)
    await sensor_of(acme, device, "t")
    assert good(await acme.post("/readings", json=body, headers=key), 202) == first
    other = {**body, "readings": body["readings"][:1]}
    problem(await acme.post("/readings", json=other, headers=key), 409, "IDEMPOTENCY_KEY_REUSED")
    again = good(await acme.post("/readings", json=body), 202)
    assert (again["accepted"], again["duplicates"]) == (0, 1)


async def test_a_component_moves_on_to_another_major(acme: httpx.AsyncClient) -> None:
    mark, plain = new_id(), {"required": False, "writable": False}
    old = [{"name": "temp", "type": "BIGINT", **plain}, {"name": "a", "type": "ARRAY", "itemType": "DOUBLE", **plain}]
    new = [{"name": "temp", "type": "TEXT", "unit": "Cel", **plain}]
    versions = [{"name": mark, "version": v, "fields": fields} for v, fields in (("1.0", old), ("2.0", new))]
    manifest = {"key": f"p-{mark}", "name": "P", "version": "1.0.0", "sensorProfiles": versions}
    good(await acme.post("/packs", json=manifest), 201)
    items = good(await acme.post(f"/packs/{manifest['key']}/install"))["items"]
    profiles = {item["version"]: item["resourceId"] for item in items}
    device = await virtual(acme)
    body = {"deviceId": device, "key": "n1", "sensorProfileId": profiles["1.0"]}
    component = good(await acme.post("/components", json=body), 201)["id"]

    async def measure(ms: int, **values: Any) -> dict[str, Any]:
        return await send(acme, device, {"componentKey": "n1", "timestamp": iso(ms), "values": values})

    assert (await measure(MS, temp=1, a=[1.5, 2.5]))["quarantined"] == 0
    assert (await measure(MS, temp="warm"))["quarantined"] == 1
    first = [await sensor_of(acme, device, key) for key in ("temp", "a[0]", "a[1]")]
    good(await acme.put(f"/components/{component}", json={"name": "n", "sensorProfileId": profiles["2.0"]}))
    assert (await measure(MS, temp="warm"))["quarantined"] == 0
    beside = good(await acme.get(f"/sensors/{await sensor_of(acme, device, 'temp_v2')}"))
    assert (beside["valueType"], beside["unit"], beside["lastValue"]) == ("TEXT", "Cel", "warm")
    kept = good(await acme.get(f"/readings/sensor/{first[0]}", params={"from": iso(MS)}))
    assert [point["value"] for point in kept["points"]] == [1]


async def test_what_does_not_fit_is_counted(acme: httpx.AsyncClient) -> None:
    device = await virtual(acme)
    await send(acme, device, reading("flag", MS, True))
    await sensor_of(acme, device, "flag")
    said = await send(
        acme,
        device,
        reading("flag", MS + 1, "on"),
        reading("flag", MS + 1, None),
        reading("x" * 37, MS, 1),
        reading("old", MS - 31 * 24 * HOUR, 1),
        reading(new_id(), MS, 1),
        {"componentKey": "node", "timestamp": iso(MS), "values": {"a": 1, "b": [1, 2]}},
        reading("flag", MS + 2, False),
    )
    assert said["accepted"] == 1
    assert said["quarantined"] == 6 == len(said["quarantineIds"])


async def test_the_door_names_what_is_wrong(acme: httpx.AsyncClient) -> None:
    device = await virtual(acme)
    bad = [{"sensorId": "k", "value": 1}, {"timestamp": iso(MS), "value": 1}, "text", reading("k", MS, 2**70)]
    said = problem(await acme.post("/readings", json={"deviceId": device, "readings": bad}), 400, "VALIDATION_FAILED")
    assert [(e["field"], e["code"]) for e in said["errors"]] == [
        ("readings[0].timestamp", "REQUIRED"),
        ("readings[1].sensorId", "REQUIRED"),
        ("readings[2]", "INVALID_FORMAT"),
        ("readings[3].value", "OUT_OF_RANGE"),
    ]
    for count in (0, 1001):
        body = {"deviceId": device, "readings": [reading("k", MS, 1)] * count}
        problem(await acme.post("/readings", json=body), 400, "VALIDATION_FAILED")
    minted = good(await acme.post("/devices/registration/tokens", json={"deviceName": new_id()}), 201)
    body = {"deviceId": minted["deviceId"], "readings": [reading("k", MS, 1)]}
    problem(await acme.post("/readings", json=body), 409, "INVALID_STATE")


async def test_others_see_nothing(acme: httpx.AsyncClient, globex: httpx.AsyncClient) -> None:
    device = await virtual(acme)
    await send(acme, device, reading("k", MS, 1.5))
    id = await sensor_of(acme, device, "k")
    for path in ("", "/stats", "/aggregated", "/latest", "/window?window=P1D"):
        problem(await globex.get(f"/readings/sensor/{id}{path}"), 404, "NOT_FOUND")
    problem(await globex.get(f"/readings/device/{device}/latest"), 404, "NOT_FOUND")
    body = {"deviceId": device, "readings": [reading("k", MS, 1)]}
    problem(await globex.post("/readings", json=body), 404, "NOT_FOUND")
    (item,) = good(await globex.post("/readings/batch", json={"sensorIds": [id], "mode": "STATS"}))["items"]
    assert item["error"]["code"] == "NOT_FOUND"
    assert "stats" not in item


async def test_pages_of_raw_readings(acme: httpx.AsyncClient, produce: Produce) -> None:
    device = await virtual(acme)
    await produce(device, [{"sensor": "k", "ts": MS - n * 1000, "i": n} for n in range(25)])
    id = await sensor_of(acme, device, "k")
    for order, expected in (("ASC", list(range(24, -1, -1))), ("DESC", list(range(25)))):
        params: dict[str, Any] = {"from": iso(MS - HOUR), "limit": 10, "order": order}
        seen: list[int] = []
        while params:
            page = good(await acme.get(f"/readings/sensor/{id}", params=params))
            seen += [p["value"] for p in page["points"]]
            params = {"cursor": page["nextCursor"], "limit": 10} if "nextCursor" in page else {}
        assert seen == expected
    problem(await acme.get(f"/readings/sensor/{id}"), 400, "VALIDATION_FAILED")
    problem(await acme.get(f"/readings/sensor/{id}", params={"cursor": "x"}), 400, "VALIDATION_FAILED")
    window = good(await acme.get(f"/readings/sensor/{id}/window", params={"window": "PT12H", "limit": 3}))
    assert [p["value"] for p in window["points"]] == [24, 23, 22]


async def test_aggregates_are_the_plain_sums(acme: httpx.AsyncClient, produce: Produce) -> None:
    device = await virtual(acme)
    rng = np.random.default_rng(7)
    values = {MS - 20 * 24 * HOUR + n * 7 * 60_000: float(rng.normal(20, 5)) for n in range(4000)}
    for part in np.array_split(np.array(list(values)), 8):
        await produce(device, [{"sensor": "k", "ts": int(ms), "d": values[int(ms)]} for ms in part])
    id = await sensor_of(acme, device, "k")
    await polled(acme, id, 1)
    start, end = min(values), max(values) + 1
    span = {"from": iso(start), "to": iso(end)}

    async def whole() -> Any:
        found = good(await acme.get(f"/readings/sensor/{id}/stats", params=span))
        return found if found["count"] == len(values) else None

    stats = await until(whole)
    every = list(values.values())
    assert stats["avg"] == pytest.approx(fmean(every))
    assert stats["stddev"] == pytest.approx(stdev(every))
    assert stats["p50"] == pytest.approx(np.quantile(every, 0.5))
    assert stats["p95"] == pytest.approx(np.quantile(every, 0.95))
    assert stats["min"] == min(every)
    assert stats["first"] == {"timestamp": iso(start), "value": values[start]}
    for bucket, zone, start_of in (
        ("PT6H", "UTC", lambda ms: ms // (6 * HOUR) * 6 * HOUR),
        ("P1D", "America/New_York", lambda ms: midnight(ms, "America/New_York")),
        ("P1W", "Europe/Berlin", lambda ms: monday(ms, "Europe/Berlin")),
    ):
        grouped: dict[int, list[float]] = {}
        for ms, value in values.items():
            grouped.setdefault(start_of(ms), []).append(value)
        params = {**span, "bucket": bucket, "timezone": zone, "functions": "AVG,MIN,MAX,SUM,COUNT"}
        found = good(await acme.get(f"/readings/sensor/{id}/aggregated", params=params))
        assert [b["bucketStart"] for b in found["buckets"]] == [iso(s).replace(".000", "") for s in sorted(grouped)]
        for b, (_, group) in zip(found["buckets"], sorted(grouped.items()), strict=True):
            assert b["count"] == len(group)
            assert b["max"] == max(group)
            assert (b["avg"], b["sum"]) == (pytest.approx(fmean(group)), pytest.approx(sum(group)))


@pytest.mark.parametrize(
    ("zone", "first", "hours"),
    [
        ("Europe/Berlin", datetime(2026, 10, 24), (24, 25, 24)),
        ("America/New_York", datetime(2026, 10, 31), (24, 25, 24)),
        ("Europe/Berlin", datetime(2026, 3, 28), (24, 23, 24)),
        ("Pacific/Apia", datetime(2026, 10, 24), (24, 24, 24)),
    ],
)
async def test_days_are_as_long_as_they_are(
    acme: httpx.AsyncClient, produce: Produce, zone: str, first: datetime, hours: tuple[int, ...]
) -> None:
    days = [(first + timedelta(days=n)).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC) for n in range(len(hours) + 1)]
    assert [(end - start) / timedelta(hours=1) for start, end in pairwise(days)] == list(hours)
    low, high = int(days[0].timestamp()) * 1000, int(days[-1].timestamp()) * 1000
    device = await virtual(acme)
    moments = range(low, high, HOUR // 4)
    await produce(device, [{"sensor": "k", "ts": ms, "i": n} for n, ms in enumerate(moments)], at=days[-1])
    id = await sensor_of(acme, device, "k")
    place, span = f"/readings/sensor/{id}/aggregated", {"from": iso(low), "to": iso(high)}

    async def whole() -> Any:
        return good(await acme.get(f"/readings/sensor/{id}/stats", params=span))["count"] == len(moments)

    await until(whole)
    found = good(await acme.get(place, params={**span, "bucket": "P1D", "timezone": zone, "functions": "MIN,MAX"}))
    starts = [iso(int(day.timestamp()) * 1000).replace(".000", "") for day in days[:-1]]
    ends = [4 * sum(hours[: n + 1]) for n in range(len(hours))]
    assert [(b["bucketStart"], b["count"], b["min"], b["max"]) for b in found["buckets"]] == [
        (start, 4 * h, end - 4 * h, end - 1) for start, h, end in zip(starts, hours, ends, strict=True)
    ]
    by_hour = good(await acme.get(place, params={**span, "bucket": "PT1H", "timezone": zone, "functions": "COUNT"}))
    assert [b["count"] for b in by_hour["buckets"]] == [4] * sum(hours)
    beside = {"from": iso(low - HOUR), "to": iso(high + HOUR), "bucket": "P1D", "timezone": zone, "fill": "NULL"}
    around = good(await acme.get(place, params=beside))["buckets"]
    assert [b["count"] for b in around] == [0, *(4 * h for h in hours), 0]
    assert around[0].keys() == {"bucketStart", "count"}


def midnight(ms: int, zone: str) -> int:
    local = datetime.fromtimestamp(ms / 1000, UTC).astimezone(ZoneInfo(zone))
    return int(local.replace(hour=0, minute=0, second=0, microsecond=0).timestamp() * 1000)


def monday(ms: int, zone: str) -> int:
    local = datetime.fromtimestamp(ms / 1000, UTC).astimezone(ZoneInfo(zone))
    day = local.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None) - timedelta(days=local.weekday())
    return int(day.replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


async def test_asking_for_what_cannot_be(acme: httpx.AsyncClient) -> None:
    device = await virtual(acme)
    await send(acme, device, reading("flag", MS, True))
    id = await sensor_of(acme, device, "flag")
    path = f"/readings/sensor/{id}/aggregated"
    problem(await acme.get(path, params={"functions": "AVG"}), 422, "FUNCTION_TYPE_MISMATCH")
    problem(await acme.get(path, params={"functions": "MEAN"}), 400, "VALIDATION_FAILED")
    problem(await acme.get(path, params={"bucket": "PT1S"}), 422, "TOO_MANY_BUCKETS")
    problem(await acme.get(path, params={"bucket": "P32D"}), 400, "VALIDATION_FAILED")
    problem(await acme.get(path, params={"bucket": "soon"}), 400, "VALIDATION_FAILED")
    problem(await acme.get(path, params={"timezone": "Mars/Base"}), 400, "VALIDATION_FAILED")
    backwards = {"from": iso(MS), "to": iso(MS - 1)}
    problem(await acme.get(path, params=backwards), 400, "VALIDATION_FAILED")
    found = good(await acme.get(path, params={"bucket": "PT1H"}))
    assert found["buckets"][0] | {"bucketStart": ""} == {
        "bucketStart": "", "count": 1, "first": True, "last": True, "trueRatio": 1.0,
    }  # fmt: skip
