"""The runners: how each is configured to send the same questions, and where its results are read.

All of them store their outcomes, as they do by default: karat and promptfoo in SQLite, Inspect in its log, lm-eval in its
sample files. All caches are off or empty, answers are compared as a whole, and up to 100 requests run at once.
"""

import json, os, pathlib, re, sqlite3, subprocess

CONCURRENCY = 100
MODEL = "bench"


def question(i):
    return f"question {i:05}"


def answer(i):
    return f"answer {i:05}"


def write_lines(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


class Peer:
    """A runner. `prepare` fills a folder and returns the command; `outcome` returns (scored, right)."""

    scores = True

    def __init__(self, options):
        self.peers = pathlib.Path(options.peers).resolve() if options.peers else None
        self.karat = pathlib.Path(options.karat).resolve()
        self.timeout = None

    def env(self, folder):
        # A separate home, so that neither caches nor settings of the user have an effect.
        return {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8", "OPENAI_API_KEY": "none", "NO_COLOR": "1"}


class Karat(Peer):
    name = "karat"

    def program(self):
        return self.karat

    def installed(self):
        return self.karat

    def startup(self):
        return [self.karat, "--version"]

    def prepare(self, folder, cases, url):
        timeout = f"\n    timeout: {self.timeout}" if self.timeout else ""
        write(
            folder / "karat.yaml",
            f"embedder: hashed-ngrams\nendpoints:\n  model:\n    type: openai\n    base_url: {url}/v1\n    model: {MODEL}{timeout}\n",
        )
        rows = ({"id": f"q{i:05}", "input": question(i), "expected": answer(i)} for i in range(1, cases + 1))
        write_lines(folder / "datasets/bench/examples.jsonl", rows)
        write(folder / "suites/bench.yaml", "dataset: bench\nendpoints: [model]\nscorers: [{type: exact}]\n")
        return [self.karat, "run", "bench", "-j", str(CONCURRENCY), "--format", "json", "-q"]

    def outcome(self, folder):
        run = json.loads((folder / "stdout").read_text())["runs"][0]
        score = run["scores"]["exact"]
        return run["outcomes"]["scored"], round((score["mean"] or 0) * score["n"])


class Promptfoo(Peer):
    """The OpenAI chat provider. Results are counted in its database, which it writes by default."""

    name = "promptfoo"

    def program(self):
        return self.installed() / "node_modules/.bin/promptfoo"

    def installed(self):
        return self.peers / "promptfoo"

    def startup(self):
        return [self.program(), "--version"]

    def env(self, folder):
        switches = ["TELEMETRY", "UPDATE", "REMOTE_GENERATION", "SHARING"]
        env = super().env(folder) | {f"PROMPTFOO_DISABLE_{switch}": "1" for switch in switches}
        path = f"{self.installed() / 'node_modules/.bin'}:{env['PATH']}"
        return env | {"PATH": path, "PROMPTFOO_CONFIG_DIR": str(folder / "promptfoo")}

    def prepare(self, folder, cases, url):
        provider = {"id": f"openai:chat:{MODEL}", "config": {"apiBaseUrl": f"{url}/v1", "apiKey": "none"}}
        config = {"providers": [provider], "prompts": ["{{input}}"], "tests": "file://tests.jsonl"}
        write(folder / "promptfooconfig.json", json.dumps(config))
        rows = (
            {"vars": {"input": question(i)}, "assert": [{"type": "equals", "value": answer(i)}]} for i in range(1, cases + 1)
        )
        write_lines(folder / "tests.jsonl", rows)
        options = ["--no-cache", "-j", str(CONCURRENCY), "--no-progress-bar", "--no-table"]
        return [self.program(), "eval", "-c", "promptfooconfig.json", *options]

    def outcome(self, folder):
        with sqlite3.connect(folder / "promptfoo/promptfoo.db") as database:
            return database.execute("SELECT count(*), coalesce(sum(success), 0) FROM eval_results").fetchone()


class Inspect(Peer):
    """The OpenAI provider, set to chat completions."""

    name = "inspect"

    def program(self):
        return self.installed() / "bin/inspect"

    def installed(self):
        return self.peers / "inspect"

    def startup(self):
        return [self.program(), "--version"]

    def prepare(self, folder, cases, url):
        rows = ({"id": f"q{i:05}", "input": question(i), "target": answer(i)} for i in range(1, cases + 1))
        write_lines(folder / "examples.jsonl", rows)
        write(
            folder / "bench.py",
            "from inspect_ai import Task, task\n"
            "from inspect_ai.dataset import json_dataset\n"
            "from inspect_ai.scorer import exact\n"
            "from inspect_ai.solver import generate\n\n\n"
            "@task\ndef bench():\n"
            '    return Task(dataset=json_dataset("examples.jsonl"), solver=generate(), scorer=exact())\n',
        )
        model = ["--model", f"openai/{MODEL}", "--model-base-url", f"{url}/v1", "-M", "responses_api=false"]
        limits = ["--max-connections", str(CONCURRENCY), "--max-samples", str(CONCURRENCY)]
        # Without the second log that lets its viewer follow a run; this makes a case a sixth cheaper.
        return [self.program(), "eval", "bench.py", *model, *limits, "--display", "none", "--no-log-realtime"]

    def outcome(self, folder):
        # Not every Python can decompress its log, so the tool itself prints the header.
        (log,) = (folder / "logs").glob("*.eval")
        dump = [self.program(), "log", "dump", "--header-only", log]
        header = json.loads(subprocess.run(dump, env=self.env(folder), cwd=folder, check=True, capture_output=True).stdout)
        (score,) = header["results"]["scores"]
        return score["scored_samples"], round(score["metrics"]["mean"]["value"] * score["scored_samples"])


class LmEval(Peer):
    """The chat model of its API models, and a task file."""

    name = "lm-eval"

    def program(self):
        return self.installed() / "bin/lm_eval"

    def installed(self):
        return self.peers / "lm_eval"

    def startup(self):
        return [self.program(), "--help"]

    def env(self, folder):
        return super().env(folder) | {"HF_HOME": str(folder / "hf"), "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}

    def prepare(self, folder, cases, url):
        rows = ({"input": question(i), "target": answer(i)} for i in range(1, cases + 1))
        write_lines(folder / "examples.jsonl", rows)
        write(
            folder / "bench.yaml",
            "task: bench\ndataset_path: json\ndataset_kwargs:\n  data_files:\n    test: examples.jsonl\ntest_split: test\n"
            'output_type: generate_until\ndoc_to_text: "{{input}}"\ndoc_to_target: "{{target}}"\n'
            "generation_kwargs:\n  until: []\n  do_sample: false\n"
            "metric_list:\n  - metric: exact_match\n    aggregation: mean\n    higher_is_better: true\n",
        )
        arguments = f"model={MODEL},base_url={url}/v1/chat/completions,num_concurrent={CONCURRENCY},tokenized_requests=False"
        model = ["--model", "local-chat-completions", "--model_args", arguments, "--apply_chat_template"]
        return [self.program(), *model, "--tasks", "bench", "--include_path", ".", "--output_path", "out", "--log_samples"]

    def outcome(self, folder):
        (file,) = (folder / "out").rglob("results_*.json")
        results = json.loads(file.read_text())
        scored = results["n-samples"]["bench"]["effective"]
        return scored, round(results["results"]["bench"]["exact_match,none"] * scored)


class Oha(Peer):
    """Not an eval runner: sends one request as often as there are cases, to show what a client that only sends can reach."""

    name = "oha"
    scores = False

    def program(self):
        return self.peers / "oha/bin/oha"

    def installed(self):
        return self.program()

    def startup(self):
        return [self.program(), "--version"]

    def prepare(self, folder, cases, url):
        body = json.dumps({"model": MODEL, "messages": [{"role": "user", "content": question(1)}]})
        count = ["-n", str(cases), "-c", str(CONCURRENCY), "--no-tui", "--output-format", "json"]
        request = ["-m", "POST", "-T", "application/json", "-d", body, f"{url}/v1/chat/completions"]
        return [self.program(), *count, *request]

    def outcome(self, folder):
        return None


PEERS = {peer.name: peer for peer in (Karat, Promptfoo, Inspect, LmEval, Oha)}


def version(peer, folder):
    """The version that a runner reports."""
    argv = [peer.installed() / "bin/pip", "show", "lm-eval"] if isinstance(peer, LmEval) else [peer.program(), "--version"]
    done = subprocess.run(argv, env=peer.env(folder), cwd=folder, capture_output=True, text=True)
    found = re.search(r"\d+\.\d+(\.\d+)*", done.stdout + done.stderr)
    return found[0] if found else "unknown"
