# /// script
# requires-python = ">=3.11"
# dependencies = ["deepeval==4.3.1"]
# ///
"""Writes goldens as DeepEval's own SDK saves them: single-turn and conversational, as JSON, JSON Lines and CSV.

Run from the repository root:
    uv run tools/import_fixtures/deepeval.py

It writes tests/fixtures/import/deepeval-*. Nothing leaves the machine, and running it again gives the same files.
"""

import os
import sys

# The folder of this script would hide the package of the same name.
sys.path.pop(0)
os.environ.update(DEEPEVAL_TELEMETRY_OPT_OUT="YES", DEEPEVAL_DISABLE_DOTENV="1")

from pathlib import Path  # noqa: E402

from deepeval.dataset import ConversationalGolden, EvaluationDataset, Golden  # noqa: E402
from deepeval.dataset.expectations import Expectations  # noqa: E402
from deepeval.dataset.golden import Persona  # noqa: E402
from deepeval.test_case import RetrievedContextData, ToolCall, Turn  # noqa: E402

OUT = Path("tests/fixtures/import")

GOLDENS = [
    Golden(
        input="How long do I have to return a parcel?",
        expected_output="30 days from the day it arrives.",
        actual_output="You have 30 days.",
        context=["Parcels can be returned within 30 days.", "Returns are free."],
        retrieval_context=[
            RetrievedContextData(source="returns.md", context="Parcels can be returned within 30 days."),
            "Gift cards cannot be returned.",
        ],
        additional_metadata={"topic": "returns", "difficulty": 1},
        comments="Reviewed in May.",
        name="returns-period",
        source_file="returns.md",
    ),
    Golden(
        input="Where is order 1042?",
        expected_output="It is on its way and arrives on Friday.",
        tools_called=[ToolCall(name="get_order", input_parameters={"id": "1042"}, output={"status": "sent"})],
        expected_tools=[
            ToolCall(name="get_order", description="Looks up an order.", input_parameters={"id": "1042"}),
            ToolCall(name="get_delivery"),
        ],
        token_cost=0.0012,
        input_token_count=310,
        output_token_count=18,
        custom_column_key_values={"channel": "chat"},
    ),
    Golden(
        input="Do you ship to {{ country }}, or to \"Åland\"?\nPlease be brief.",
        context=["Parcels go to all of Europe."],
        expectations=Expectations(must=["names Europe"], must_not=["promises a date"]),
    ),
]

CONVERSATIONS = [
    ConversationalGolden(
        scenario="A customer wants to cancel an order that was sent already.",
        expected_outcome="The assistant says that the parcel can be returned for free.",
        turns=[
            Turn(role="user", content="I want to cancel my order."),
            Turn(
                role="assistant",
                content="It was sent yesterday.",
                tools_called=[ToolCall(name="get_order", input_parameters={"id": "1042"})],
            ),
            Turn(role="user", content="What can I do now?"),
        ],
        context=["Returns are free."],
        additional_metadata={"topic": "returns"},
        name="cancel",
    ),
    ConversationalGolden(
        scenario="A customer asks about gift cards.",
        expected_outcome="The assistant explains that gift cards cannot be returned.",
        persona=Persona(name="Customer", characteristics="Is in a hurry."),
        comments="No turns yet.",
    ),
]


def main() -> None:
    for kind in ["json", "jsonl", "csv"]:
        EvaluationDataset(goldens=GOLDENS).save_as(kind, str(OUT), "deepeval-goldens")
        EvaluationDataset(goldens=CONVERSATIONS).save_as(kind, str(OUT), "deepeval-conversations")


if __name__ == "__main__":
    main()
