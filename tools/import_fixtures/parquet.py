# /// script
# requires-python = ">=3.11"
# dependencies = ["pyarrow==26.0.1"]
# ///
"""Writes tests/fixtures/import/parquet-*.parquet with pyarrow: types, nesting, compression, encodings and row groups.

Run from the repository root, with the version pinned above:
    python tools/import_fixtures/parquet.py
"""

import datetime
import decimal
import json
import uuid
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

OUT = Path("tests/fixtures/import")
UTC = datetime.timezone.utc
DAY = datetime.date(2026, 9, 14)
MOMENT = datetime.datetime(2026, 9, 14, 8, 30, 7, 250_001)
ID = uuid.UUID("01234567-89ab-cdef-0123-456789abcdef")


def write(name, table, **options):
    pq.write_table(table, OUT / f"parquet-{name}.parquet", **{"store_schema": False, **options})


def types():
    """One column per type; the second row is null, the third extreme."""
    big = decimal.Decimal("12345678901234567890.123456")
    columns = {
        "flag": (pa.bool_(), [True, False]),
        "int8": (pa.int8(), [-1, -128]),
        "int16": (pa.int16(), [-1, -32768]),
        "int32": (pa.int32(), [-1, -2**31]),
        "int64": (pa.int64(), [-1, -2**63]),
        "uint8": (pa.uint8(), [1, 255]),
        "uint16": (pa.uint16(), [1, 65535]),
        "uint32": (pa.uint32(), [1, 2**32 - 1]),
        "uint64": (pa.uint64(), [1, 2**64 - 1]),
        "half": (pa.float16(), [1.5, float("nan")]),
        "float": (pa.float32(), [0.1, float("inf")]),
        "double": (pa.float64(), [0.1, float("nan")]),
        "decimal9": (pa.decimal128(9, 2), [decimal.Decimal("12.50"), decimal.Decimal("-0.01")]),
        "decimal38": (pa.decimal128(38, 6), [decimal.Decimal("1.000001"), big]),
        "decimal76": (pa.decimal256(76, 6), [decimal.Decimal("-1.5"), big]),
        "text": (pa.string(), ["Where is my parcel?", "ü 漢 🎉"]),
        "large_text": (pa.large_string(), ["a", ""]),
        "binary": (pa.binary(), [b"plain", b"\xff\xfe"]),
        "picture": (pa.binary(), [b"\x89PNG" + bytes(range(128)), b""]),
        "fixed": (pa.binary(4), [b"abcd", b"\xff\x00\xff\x00"]),
        "uuid": (pa.uuid(), [ID.bytes, bytes(16)]),
        "date": (pa.date32(), [DAY, datetime.date(1, 1, 1)]),
        "time_ms": (pa.time32("ms"), [datetime.time(8, 30, 7, 250_000), datetime.time(0)]),
        "time_us": (pa.time64("us"), [MOMENT.time(), datetime.time(23, 59, 59, 999_999)]),
        "time_ns": (pa.time64("ns"), [1, 86_399_999_999_999]),
        "at_ms": (pa.timestamp("ms", "UTC"), [1_789_000_000_250, -1]),
        "at_us": (pa.timestamp("us", "Europe/Berlin"), [1_789_000_000_250_001, -1]),
        "at_ns": (pa.timestamp("ns", "UTC"), [1_789_000_000_250_000_001, -1]),
        "local": (pa.timestamp("us"), [MOMENT, datetime.datetime(1, 1, 1)]),
        "dictionary": (pa.dictionary(pa.int32(), pa.string()), ["red", "green"]),
        "json": (pa.json_(), ['{"a": [1, null]}', "not JSON"]),
    }
    arrays = []
    for kind, (first, last) in columns.values():
        is_extension = isinstance(kind, pa.BaseExtensionType)
        values = pa.array([first, None, last], kind.storage_type if is_extension else kind)
        arrays.append(pa.ExtensionArray.from_storage(kind, values) if is_extension else values)
    write("types", pa.table(arrays, names=list(columns)), compression="none")
    # The old form of timestamps, in 96 bits.
    table = pa.table({"at": pa.array([1_789_000_000_250_000_001, None, -1], pa.timestamp("ns"))})
    write("int96", table, compression="none", use_deprecated_int96_timestamps=True)


def nested():
    message = pa.struct([("role", pa.string()), ("content", pa.string())])
    rows = [
        {"messages": [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": None}],
         "scores": {"exact": 1.0, "rouge": None}, "lists": [[1, 2], [], None, [3]], "deep": {"a": {"b": ["x", None]}},
         "maps": [{"k": [1]}, {}]},
        {"messages": [], "scores": {}, "lists": [], "deep": {"a": None}, "maps": []},
        {"messages": None, "scores": None, "lists": None, "deep": None, "maps": None},
        {"messages": [None, {"role": "user", "content": "Bye"}], "scores": {"exact": 0.0}, "lists": [None, []],
         "deep": {"a": {"b": None}}, "maps": [None, {"k": None, "l": [None, 2]}]},
    ]
    schema = pa.schema([
        ("messages", pa.list_(message)),
        ("scores", pa.map_(pa.string(), pa.float64())),
        ("lists", pa.list_(pa.list_(pa.int32()))),
        ("deep", pa.struct([("a", pa.struct([("b", pa.list_(pa.string()))]))])),
        ("maps", pa.list_(pa.map_(pa.string(), pa.list_(pa.int64())))),
    ])
    pairs = lambda value: None if value is None else list(value.items())
    for row in rows:
        row["scores"] = pairs(row["scores"])
        row["maps"] = None if row["maps"] is None else [pairs(value) for value in row["maps"]]
    table = pa.Table.from_pylist(rows, schema)
    write("nested", table, compression="none")
    write("nested-v2", table, compression="zstd", data_page_version="2.0")


def sized(count):
    """Rows whose values follow from their number."""
    numbers = range(count)
    return pa.table({
        "input": [f"Question {n}: where is parcel {n % 7}?" for n in numbers],
        "label": [["late", "lost", "damaged"][n % 3] for n in numbers],
        "number": pa.array([None if n % 5 == 0 else n for n in numbers], pa.int64()),
        "score": [n / 4 for n in numbers],
        "tags": [[f"t{i}" for i in range(n % 4)] for n in numbers],
    })


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    types()
    nested()
    for codec in ["snappy", "gzip", "zstd", "lz4", "brotli"]:
        write(codec, sized(40), compression=codec)
    write("gzip-v2", sized(40), compression="gzip", data_page_version="2.0")
    write("groups", sized(300), compression="zstd", row_group_size=70, data_page_size=256, write_batch_size=8)
    encodings = {"input": "DELTA_BYTE_ARRAY", "label": "DELTA_LENGTH_BYTE_ARRAY", "number": "DELTA_BINARY_PACKED",
                 "score": "BYTE_STREAM_SPLIT", "tags.list.element": "DELTA_BYTE_ARRAY"}
    for version in ["1.0", "2.0"]:
        write(f"encodings-v{version[0]}", sized(300), compression="none", use_dictionary=False,
              column_encoding=encodings, data_page_version=version)
    write("empty", sized(0), compression="none")
    write("nulls", pa.table({"input": ["a", "b"], "nothing": pa.nulls(2), "text": pa.array([None, None], pa.string())}),
          compression="none")
    features = {"info": {"features": {"label": {"names": ["late", "lost"], "_type": "ClassLabel"}}}}
    labels = pa.table({"text": ["Where is it?", "It is gone."], "label": [0, 1]})
    write("features", labels.replace_schema_metadata({"huggingface": json.dumps(features)}), compression="none",
          store_schema=True)


main()
