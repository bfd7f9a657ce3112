# /// script
# requires-python = ">=3.11"
# dependencies = ["argilla==2.8.0", "label_studio_sdk==2.1.2"]
# ///
"""Checks label tasks and labels against the packages of Label Studio and Argilla themselves.

Run from the repository root, with the versions pinned above:
    python tools/label_tools/check.py target/release/karat

karat's demo writes a workspace. Its tasks are exported for both tools, validated by their packages, labelled, written by their
packages as each tool exports them, and imported again. Nothing but loopback is contacted: Argilla's package wants a server, and
gets one that knows a single user.
"""

import json
import subprocess
import sys
import tempfile
import threading
import uuid
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

KARAT = Path(sys.argv[1]).resolve()
LABEL = "track_order"


def karat(folder, *arguments):
    command = [str(KARAT), "-C", str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


def label_studio(folder):
    from label_studio_sdk.converter import Converter
    from label_studio_sdk.label_interface import LabelInterface

    tasks_file = folder / "tasks.json"
    karat(folder, "queue", "export", "support-intents", "-o", str(tasks_file), "--format", "label-studio")
    config = (folder / "tasks.config.xml").read_text()
    interface = LabelInterface(config)
    interface.validate()
    tasks = json.loads(tasks_file.read_text())
    choices = interface.get_control("label").labels
    assert LABEL in choices, choices
    for number, task in enumerate(tasks, 1):
        assert interface.validate_task(task), task
        result = [
            {"id": f"r{number}", "from_name": "label", "to_name": "text", "type": "choices", "value": {"choices": [LABEL]}},
            {"id": f"c{number}", "from_name": "comment", "to_name": "text", "type": "textarea", "value": {"text": ["hm"]}},
        ]
        annotation = {
            "id": number, "completed_by": {"id": 1, "email": "ann@example.com"}, "result": result, "was_cancelled": False,
            "created_at": "2026-10-02T08:00:00.000000Z", "updated_at": "2026-10-02T08:00:00.000000Z", "lead_time": 1.5,
        }
        assert interface.validate_annotation(annotation), annotation
        task.update(id=number, annotations=[annotation], predictions=[])
    annotated = folder / "annotated.json"
    annotated.write_text(json.dumps(tasks))
    converter = Converter(config, str(folder), download_resources=False)
    exports = {}
    for name, convert in [("JSON", converter.convert_to_json), ("JSON-MIN", converter.convert_to_json_min)]:
        out = folder / name
        convert(str(annotated), str(out), is_dir=False)
        exports[name] = out / "result.json"
    converter.convert_to_csv(str(annotated), str(folder / "CSV"), is_dir=False, sep=",", header=True)
    exports["CSV"] = next((folder / "CSV").glob("*.csv"))
    return len(tasks), 1, exports


class OneUser(BaseHTTPRequestHandler):
    """Argilla's server, as far as its package asks for it without being told to store anything."""

    def do_GET(self):
        body = json.dumps({"id": str(uuid.UUID(int=1)), "username": "ann", "role": "owner", "version": "2.8.0"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def argilla(folder):
    import argilla as rg

    server = HTTPServer(("127.0.0.1", 0), OneUser)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    rg.Argilla(api_url=f"http://127.0.0.1:{server.server_port}", api_key="none")
    tasks_file = folder / "argilla.json"
    karat(folder, "queue", "export", "support-intents", "-o", str(tasks_file), "--format", "argilla", "--with-reasons")
    settings = rg.Settings.from_json(folder / "argilla.settings.json")
    settings.validate()
    assert LABEL in settings.questions["label"].labels
    records = [rg.Record.from_dict(record) for record in json.loads(tasks_file.read_text())]
    known = {field.name for field in settings.fields}
    for record in records:
        assert set(record.fields) <= known, record.fields
        for user in (1, 2):
            record.responses.add(rg.Response("label", LABEL, user_id=uuid.UUID(int=user)))
    out = folder / "records.json"
    out.write_text(json.dumps([record.to_dict() for record in records]))
    return len(records), 2, {"records": out}


def main():
    for check in (label_studio, argilla):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / "demo"
            subprocess.run([str(KARAT), "demo", str(folder), "--embedder", "fast"], check=True, capture_output=True)
            tasks, annotators, exports = check(folder)
            for number, (kind, file) in enumerate(exports.items()):
                view = json.loads(karat(folder, "queue", "import", str(file), "--format", "json"))
                labels = tasks * annotators
                assert view["labels"] == labels, (kind, view["labels"], labels)
                # The same labels in another form are no news.
                assert view["new_labels"] == (labels if number == 0 else 0), (kind, view["new_labels"])
                print(f"{check.__name__} {kind}: {tasks} tasks, {view['labels']} labels, {view['new_labels']} new")


if __name__ == "__main__":
    main()
