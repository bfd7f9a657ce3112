#!/usr/bin/env python3
"""Compares the coverage that karat estimates on real labelled data with the true coverage.

    cargo build --release
    python3 tools/real_data.py FILE [--karat target/release/karat] [--seed N] [--keep DIR] [--embedder NAME] [--records N]

FILE is JSONL with the columns text, intent and split (train, test; other splits are ignored). Two thirds of the
intents are known: the golden set has ten train examples of each, the reference window has test-like traffic of the
known intents, drawn from the rest of train, and the current window is the whole test split. The truth is the share of
the current window whose intent the golden set has. The suite is run over HTTP against a nearest-centroid classifier
that this script serves on loopback and trains on rows that are in neither set nor traffic.

Python 3.11, standard library only.
"""

import argparse, collections, http.server, json, math, pathlib, random, re, resource, subprocess, sys, tempfile, threading, time


class Classifier:
    """Nearest centroid over log word counts with inverse document frequency."""

    def __init__(self, rows):
        self.df = collections.Counter(w for text, _ in rows for w in set(words(text)))
        self.n = len(rows)
        sums = collections.defaultdict(collections.Counter)
        for text, intent in rows:
            for word, value in self.vector(text).items():
                sums[intent][word] += value
        self.centroids = {intent: unit(vector) for intent, vector in sums.items()}

    def vector(self, text):
        return unit({w: math.log(1 + self.n / (1 + self.df[w])) for w in words(text)})

    def classify(self, text):
        vector = self.vector(text)
        return max(sorted(self.centroids), key=lambda i: sum(v * self.centroids[i].get(w, 0) for w, v in vector.items()))


def words(text):
    return re.findall(r"\w+", text.lower())


def unit(vector):
    norm = math.sqrt(sum(v * v for v in vector.values())) or 1
    return {w: v / norm for w, v in vector.items()}


def serve(model):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            answer = model.classify(body["messages"][-1]["content"])
            reply = json.dumps({"model": "nearest-centroid", "choices": [{"message": {"role": "assistant", "content": answer}}]}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/v1"


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def traffic(rows, month, rng):
    rows = rng.sample(rows, len(rows))
    return [{"id": f"{month}-{i}", "text": t, "ts": f"2026-{month}-{1 + i * 28 // len(rows):02d}T12:00:00Z", "intent": intent}
            for i, (t, intent) in enumerate(rows)]


def workspace(root, rows, rng, args, base_url_of):
    by_split = collections.defaultdict(lambda: collections.defaultdict(list))
    for row in rows:
        if row["intent"] != "oos":
            by_split[row["split"]][row["intent"]].append(row["text"])
    train, test = by_split["train"], by_split["test"]
    intents = sorted(train)
    known = sorted(rng.sample(intents, len(intents) * 2 // 3))
    golden, learn, reference = [], [], []
    for intent in intents:
        texts = rng.sample(train[intent], len(train[intent]))
        if intent in known:
            golden += [{"id": f"{intent}-{i}", "input": t, "label": intent, "labeled_at": "2026-01-01"} for i, t in enumerate(texts[:10])]
            learn += [(t, intent) for t in texts[10:40]]
            reference += [(t, intent) for t in texts[40:70]]
    current = [(t, intent) for intent in intents for t in test[intent]]
    if args.records:
        current = rng.sample(current, args.records)
    write(root / "datasets/golden/examples.jsonl", golden)
    write(root / "traffic/reference.jsonl", traffic(reference, "06", rng))
    write(root / "traffic/current.jsonl", traffic(current, "09", rng))
    (root / "karat.yaml").write_text(
        f"embedder: {args.embedder}\nendpoints:\n  model:\n    type: openai\n    base_url: {base_url_of(learn)}\n    model: nearest-centroid\n  obvious:\n    type: baseline\n")
    (root / "suites").mkdir()
    (root / "suites/golden.yaml").write_text(
        "dataset: golden\nendpoints: [model, obvious]\nscorers: [{type: exact}]\n")
    return set(known), len(golden), current


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=pathlib.Path)
    parser.add_argument("--karat", default="target/release/karat")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--embedder", default="minilm")
    parser.add_argument("--records", type=int, help="number of records in the current window; all by default")
    parser.add_argument("--keep", type=pathlib.Path, help="create the workspace here and do not delete it")
    args = parser.parse_args()
    if not args.file.exists():
        sys.exit(f"SKIPPED: {args.file} does not exist; nothing was checked")
    rng = random.Random(args.seed)
    rows = [json.loads(line) for line in args.file.open()]
    root = args.keep or pathlib.Path(tempfile.mkdtemp(prefix="karat-real-"))
    known, examples, current = workspace(root, rows, rng, args, lambda learn: serve(Classifier(learn)))

    def karat(*arguments):
        begun = time.monotonic()
        done = subprocess.run([args.karat, "-q", "-C", str(root), *arguments], capture_output=True, text=True)
        print(f"  {time.monotonic() - begun:6.2f} s  exit {done.returncode}  karat {' '.join(arguments)[:90]}")
        if done.returncode not in (0, 100, 102, 103):
            sys.exit(done.stderr)
        return done.stdout

    runs = json.loads(karat("run", "golden", "--format", "json"))["runs"]
    karat("traffic", "import", str(root / "traffic/reference.jsonl"), str(root / "traffic/current.jsonl"))
    records = root / "records.jsonl"
    decay = json.loads(karat("decay", "golden", "--window", "2026-09", "--reference", "2026-06", "--format", "json", "--records", str(records)))
    for run in runs:
        score = run["scores"]["exact"]
        print(f"{run['endpoint']:8} {score['mean']:.3f} ({score['lo']:.3f}-{score['hi']:.3f}), {run['outcomes']}")
    truth = sum(intent in known for _, intent in current) / len(current)
    c, r, gap = decay["coverage"], decay["reference_coverage"], decay["drift_gap"]
    print(f"golden {examples} examples, current {decay['window']['records']}, reference {decay['reference']['records']}")
    print(f"coverage found {c['value']:.3f} ({c['lo']:.3f}-{c['hi']:.3f}), true {truth:.3f}, error {c['value'] - truth:+.3f}")
    print(f"reference coverage {r['value']:.3f} ({r['lo']:.3f}-{r['hi']:.3f}), true 1.000")
    print(f"drift gap {gap['value']:.3f} ({gap['lo']:.3f}-{gap['hi']:.3f}), p {gap['p_value']:.4f}, alarm {decay['alarm']}")
    lines = [json.loads(line) for line in records.open()]
    mean = sum(x["weight"] * x["p_represented"] for x in lines) / sum(x["weight"] for x in lines)
    print(f"weighted mean of p_represented - coverage = {mean - c['value']:.1e}")
    intent_of = {row["id"]: row["intent"] for row in map(json.loads, (root / "traffic/current.jsonl").open())}
    unrepresented = decay["unrepresented"]
    print(f"{len(unrepresented)} unrepresented groups, {len(decay['clusters'])} clusters; the largest groups:")
    for cluster in unrepresented[:8]:
        inside = collections.Counter(intent_of[x["record_id"]] for x in lines if x["group"] == cluster["id"])
        new = sum(n for intent, n in inside.items() if intent not in known) / max(1, sum(inside.values()))
        print(f"  {cluster['id']} {cluster['name'][:40]:40} share {cluster['traffic_share']:.3f}  really new {new:.2f}  {inside.most_common(2)}")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
