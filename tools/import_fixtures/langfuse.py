# /// script
# requires-python = ">=3.11"
# dependencies = ["langfuse==5.0.4"]
# ///
"""Writes items of Langfuse datasets: pages of its API by the models of its SDK, and the table as its pages export it.

Run from the repository root:
    uv run tools/import_fixtures/langfuse.py

It writes tests/fixtures/import/langfuse-*. Nothing leaves the machine, and running it again gives the same files. The
exports follow worker/src/features/database-read-stream and packages/shared/src/server/utils/transforms of
langfuse/langfuse: every column of an item, cells of CSV quoted, and in older versions all of them written as JSON.
"""

import datetime
import json
import sys
from pathlib import Path

# The folder of this script would hide the package of the same name.
sys.path.pop(0)

from langfuse.api.commons.types.dataset_item import DatasetItem  # noqa: E402
from langfuse.api.commons.types.dataset_status import DatasetStatus  # noqa: E402
from langfuse.api.dataset_items.types.paginated_dataset_items import PaginatedDatasetItems  # noqa: E402
from langfuse.api.utils.pagination.types.meta_response import MetaResponse  # noqa: E402

OUT = Path("tests/fixtures/import")
TIME = datetime.datetime(2026, 3, 1, 9, 30, tzinfo=datetime.timezone.utc)


def item(number: int, **fields) -> DatasetItem:
    values = {
        "id": f"item-{number}",
        "status": DatasetStatus.ACTIVE,
        "input": None,
        "expected_output": None,
        "metadata": None,
        "source_trace_id": None,
        "source_observation_id": None,
        "dataset_id": "dataset-1",
        "dataset_name": "support/questions",
        "created_at": TIME + datetime.timedelta(minutes=number),
        "updated_at": TIME + datetime.timedelta(hours=1),
        "media_references": [],
    }
    return DatasetItem(**(values | fields))


QUESTIONS = [
    item(
        1,
        input={"question": "Where is my order?"},
        expected_output="delivery",
        metadata={"language": "en"},
        source_trace_id="trace-1",
        source_observation_id="observation-1",
    ),
    item(
        2,
        input={"question": "I want my money back, \"now\"."},
        expected_output="refund",
        metadata="from a phone call",
    ),
    item(
        3,
        input={"question": "Wo ist mein Paket?"},
        expected_output="delivery",
        metadata={"language": "de", "tags": ["new"]},
    ),
    item(4, input={"question": "Do you sell shoes?"}, expected_output="refund", status=DatasetStatus.ARCHIVED),
    item(5, input={"question": "Give me a refund."}, expected_output="refund"),
]

CHATS = [
    item(
        6,
        dataset_id="dataset-2",
        dataset_name="chats",
        input=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Is it open today?"}],
        expected_output={"role": "assistant", "content": "Yes, until six o'clock in the evening."},
    ),
    item(
        7,
        dataset_id="dataset-2",
        dataset_name="chats",
        input="What is in the picture? @@@langfuseMedia:type=image/png|id=abc|source=bytes@@@",
        expected_output=["a cat", "a kitten"],
    ),
]


def page(items: list[DatasetItem], number: int, pages: int) -> str:
    meta = MetaResponse(page=number, limit=len(items), total_items=7, total_pages=pages)
    data = PaginatedDatasetItems(data=items, meta=meta)
    return json.dumps(json.loads(data.json(by_alias=True)), indent=2, ensure_ascii=False) + "\n"


COLUMNS = [
    "id", "projectId", "datasetId", "input", "expectedOutput", "metadata", "sourceTraceId", "sourceObservationId",
    "status", "createdAt", "updatedAt", "datasetName", "htmlSourcePath",
]  # fmt: skip


def exported(item: DatasetItem) -> dict:
    """A row of the table of items."""
    row = json.loads(item.json(by_alias=True))
    trace = row.get("sourceTraceId")
    row["projectId"] = "project-1"
    row["htmlSourcePath"] = f"/project/project-1/traces/{trace}?observation=observation-1" if trace else ""
    return {name: row.get(name) for name in COLUMNS}


def csv(rows: list[dict], all_json: bool) -> str:
    def cell(value: object) -> str:
        value = "" if value is None else value
        is_text = isinstance(value, str) and not all_json
        text = value if is_text else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        return '"' + text.replace('"', '""') + '"'

    lines = [",".join(f'"{name}"' for name in rows[0])]
    lines += [",".join(cell(value) for value in row.values()) for row in rows]
    return "".join(line + "\n" for line in lines)


def main() -> None:
    folder = OUT / "langfuse-pages"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "page-1.json").write_text(page(QUESTIONS[:3] + CHATS[:1], 1, 2))
    (folder / "page-2.json").write_text(page(QUESTIONS[3:] + CHATS[1:], 2, 2))
    rows = [exported(item) for item in QUESTIONS]
    (OUT / "langfuse-export.csv").write_text(csv(rows, all_json=False))
    (OUT / "langfuse-export-old.csv").write_text(csv(rows, all_json=True))
    (OUT / "langfuse-export.json").write_text(json.dumps(rows, ensure_ascii=False))
    lines = [json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows]
    (OUT / "langfuse-export.jsonl").write_text("".join(line + "\n" for line in lines))


if __name__ == "__main__":
    main()
