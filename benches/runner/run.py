#!/usr/bin/env python3
"""Cost per case of karat, other eval runners, and a client that only sends, on one fast loopback server.

    python3 benches/runner/run.py --karat PATH --server PATH --peers DIR [--cases 1000 10000] [--latency 0 50]
        [--only karat oha] [--repeat 3] [--out results.json]
    python3 benches/runner/run.py --karat PATH --server PATH --fault-run
    python3 benches/runner/run.py --karat PATH --server PATH --memory 100000 1000000

Every run is a whole process in a new folder, from start to exit, against a new server. With --fault-run or --memory,
only those are run, unless --cases is given. The exit code is 1 if a check failed.

Linux, Python 3.11, standard library only.
"""

import argparse, json, os, pathlib, platform, shutil, sqlite3, statistics, subprocess, sys, tempfile, time, urllib.request

import measure
from peers import CONCURRENCY, PEERS, version

TIMEOUT_SECONDS = 600
STARTS = 5
FAULTS = {"429": 0.05, "500": 0.03, "reset": 0.01, "truncate": 0.01, "stall": 0.01}
FAULT_CASES = 10_000
# A fault affects a message once, so requests should exceed the cases by little more than the share of faults.
FAULT_REQUESTS = 1.15


class Server:
    """Runs the server for the duration of the block."""

    def __init__(self, program, threads, latency=0, faults=None):
        self.argv = [str(program), "--port", "0", "--threads", str(threads), "--latency-ms", str(latency)]
        for fault, rate in (faults or {}).items():
            self.argv += [f"--rate-{fault}", str(rate)]

    def __enter__(self):
        self.process = subprocess.Popen(self.argv, stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().split()[-1]
        return self

    def stats(self):
        with urllib.request.urlopen(f"{self.url}/stats") as reply:
            return json.load(reply)

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def run(peer, options, cases, latency, faults=None, look=None):
    """Makes one run: its cost, what arrived, what was scored, and any errors. `look` is called before the folder is removed."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix=f"{peer.name}-", dir=options.work))
    try:
        with Server(options.server, options.server_threads, latency, faults) as server:
            argv = [str(part) for part in peer.prepare(folder, cases, server.url)]
            # Earlier writes must not be flushed during the run.
            os.sync()
            row = {"runner": peer.name, "cases": cases, "latency_ms": latency}
            row |= measure.run(argv, folder, peer.env(folder), TIMEOUT_SECONDS, kept={server.process.pid})
            row["arrived"] = server.stats()
        row["cpu_ms_per_case"] = row["cpu_s"] / cases * 1000
        row["cases_per_s"] = cases / row["wall_s"]
        row["scored"] = row["right"] = None
        row["wrong"] = wrong(peer, row, folder, cases, faults)
        if look:
            look(row, folder)
        for what in row["wrong"]:
            print(f"{peer.name}, {cases} cases, {latency} ms: {what}", file=sys.stderr)
            print((folder / "stderr").read_text(errors="replace")[-2000:], file=sys.stderr)
        return row
    finally:
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)


def wrong(peer, row, folder, cases, faults):
    """Returns what is wrong with a run, and reads the runner's own count into the row."""
    if row["timed_out"]:
        return [f"over {TIMEOUT_SECONDS} s"]
    found = []
    if row["exit"] != 0:
        found.append(f"exit code {row['exit']}")
    if not faults and row["arrived"]["requests"] != cases:
        found.append(f"{row['arrived']['requests']} requests arrived")
    if peer.scores:
        try:
            row["scored"], row["right"] = peer.outcome(folder)
        except Exception as error:  # Any error is a finding about this runner; the others must still run.
            found.append(f"no count: {error!r}")
        else:
            if row["scored"] != cases or row["right"] != cases:
                found.append(f"{row['scored']} scored, {row['right']} right")
        if row["arrived"]["distinct_contents"] != cases:
            found.append(f"{row['arrived']['distinct_contents']} different questions arrived")
    return found


def compare(peers, options):
    """Runs all runners in turn, so that a slow period of the machine does not affect only one of them."""
    rows = {}
    for latency in options.latency:
        for cases in options.cases:
            for turn in range(options.repeat):
                for peer in peers:
                    runs = rows.setdefault((latency, cases, peer.name), [])
                    if turn and runs[0]["wall_s"] > options.once_over:
                        continue
                    runs.append(run(peer, options, cases, latency))
                    print(f"{peer.name}, {cases} cases, {latency} ms: {runs[-1]['wall_s']:.2f} s", file=sys.stderr)
    return [middle(runs) for runs in rows.values()]


def middle(runs):
    """The run with the median time, with the times of all runs; a failed run takes precedence."""
    failed = [row for row in runs if row["wrong"]]
    row = dict(failed[0] if failed else sorted(runs, key=lambda row: row["wall_s"])[(len(runs) - 1) // 2])
    return row | {"walls_s": [row["wall_s"] for row in runs]}


def starts(peers, options):
    """The time each runner takes to print its version or help, and its size on disk."""
    rows = []
    for peer in peers:
        folder = pathlib.Path(tempfile.mkdtemp(prefix="startup-", dir=options.work))
        argv = [str(part) for part in peer.startup()]
        seconds = []
        for _ in range(STARTS):
            started = time.perf_counter()
            subprocess.run(argv, cwd=folder, env=peer.env(folder), stdin=subprocess.DEVNULL, capture_output=True, check=True)
            seconds.append(time.perf_counter() - started)
        row = {"runner": peer.name, "version": version(peer, folder), "command": f"{peer.name} {argv[-1]}"}
        rows.append(row | {"start_s": statistics.median(seconds), "disk_mb": measure.size_mb(peer.installed())})
        shutil.rmtree(folder, ignore_errors=True)
    return rows


def fault_run(karat, options):
    """Runs with faults that a second attempt always survives: nothing may be lost, sent twice or stored twice."""

    def look(row, folder):
        with sqlite3.connect(folder / ".karat/karat.db") as database:
            (kept,) = database.execute("SELECT count(*) FROM outcomes").fetchone()
            (examples,) = database.execute("SELECT count(DISTINCT example_id) FROM outcomes").fetchone()
            (errors,) = database.execute("SELECT count(*) FROM outcomes WHERE error_kind IS NOT NULL").fetchone()
        row |= {"outcomes": kept, "examples": examples, "errored": errors}
        checks = {
            f"{errors} errored": errors == 0,
            f"{kept} outcomes of {examples} examples": kept == examples == FAULT_CASES,
            f"{row['arrived']['requests']} requests": row["arrived"]["requests"] <= FAULT_REQUESTS * FAULT_CASES,
        }
        row["wrong"] += [what for what, holds in checks.items() if not holds]

    karat.timeout = "2s"
    row = run(karat, options, FAULT_CASES, 0, FAULTS, look)
    karat.timeout = None
    return row


def table(head, rows):
    """A Markdown table; all columns except the first contain figures, unless their name ends in a space."""
    lines = ["| " + " | ".join(name.strip() for name in head) + " |"]
    lines.append("| " + " | ".join("---" if i == 0 or name.endswith(" ") else "---:" for i, name in enumerate(head)) + " |")
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def cells(row):
    """A run as a row of the table."""
    first = [row["runner"], f"{row['cases']:,}", f"{row['latency_ms']} ms"]
    if row["timed_out"]:
        return first + [f"over {TIMEOUT_SECONDS} s"] + [""] * 7
    walls = row.get("walls_s", [row["wall_s"]])
    spread = f"{row['wall_s']:.2f}" + (f" ({min(walls):.2f}–{max(walls):.2f})" if len(walls) > 1 else "")
    scored = "" if row["scored"] is None else f"{row['scored']:,}"
    memory = f"{row['rss_mb']:.0f}" + ("" if row["rss_of"] == "process" else " *")
    return first + [
        spread,
        f"{row['cases_per_s']:,.0f}",
        f"{row['cpu_s']:.2f}",
        f"{row['cpu_ms_per_case']:.3f}",
        memory,
        f"{row['arrived']['requests']:,}",
        row["arrived"]["max_in_flight"],
        scored + ("" if not row["wrong"] else " (" + "; ".join(row["wrong"]) + ")"),
    ]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--karat", required=True, help="the karat binary to measure")
    parser.add_argument("--server", required=True, help="the binary built from benches/runner/server")
    parser.add_argument("--peers", help="the folder filled by install_peers.sh")
    parser.add_argument("--cases", nargs="*", type=int, help="number of cases per run (1000 10000)")
    parser.add_argument("--latency", nargs="*", type=int, default=[0, 50], help="latency of the server in milliseconds (0 50)")
    parser.add_argument("--only", nargs="*", choices=PEERS, default=list(PEERS), help="run only these runners")
    parser.add_argument("--repeat", type=int, default=3, help="number of runs of each, of which the median counts (3)")
    parser.add_argument("--once-over", type=float, default=60, help="repeat no run that took longer, in seconds (60)")
    parser.add_argument("--server-threads", type=int, default=1, help="number of server threads (1)")
    parser.add_argument("--fault-run", action="store_true", help=f"run karat on {FAULT_CASES:,} cases with faults")
    parser.add_argument("--memory", nargs="*", type=int, default=[], help="measure karat's memory at these numbers of cases")
    parser.add_argument("--work", default=".", help="folder on a real disk for the files of the runs (current folder)")
    parser.add_argument("--keep", action="store_true", help="do not remove the folders of the runs")
    parser.add_argument("--out", help="file for all figures as JSON")
    options = parser.parse_args()
    if options.cases is None:
        options.cases = [] if options.fault_run or options.memory else [1000, 10000]
    if options.peers is None:
        options.only = [name for name in options.only if name == "karat"]
    return options


def main():
    options = arguments()
    measure.adopt_orphans()
    options.work = tempfile.mkdtemp(prefix="runner-bench-", dir=options.work)
    if measure.file_system(options.work) in ("tmpfs", "ramfs"):
        sys.exit(f"{options.work} is in memory, where storing outcomes costs nothing: choose a --work DIR on a disk")
    peers = [PEERS[name](options) for name in options.only]
    karat = PEERS["karat"](options)
    results = {"cores": os.cpu_count(), "system": platform.release(), "concurrency": CONCURRENCY}
    head = ["runner", "cases", "latency", "wall s", "cases/s", "CPU s", "CPU ms/case", "peak RSS MB", "requests", "most at once", "scored"]
    ran = []
    try:
        if options.cases:
            results["startup"] = starts(peers, options)
            rows = [[r["runner"], r["version"], r["command"], f"{r['start_s'] * 1000:.0f}", f"{r['disk_mb']:,.0f}"] for r in results["startup"]]
            print(table(["runner", "version", "startup ", "ms", "MB on disk"], rows))
            results["compare"] = compare(peers, options)
            ran += results["compare"]
            print(table(head, map(cells, results["compare"])))
        if options.memory:
            results["memory"] = [run(karat, options, cases, 0) for cases in options.memory]
            ran += results["memory"]
            print(table(head, map(cells, results["memory"])))
        if options.fault_run:
            results["faults"] = fault_run(karat, options)
            ran.append(results["faults"])
            print(table(head, [cells(results["faults"])]))
            print("Faults:", json.dumps(results["faults"]["arrived"]["faults"]))
        if any("sum" in row["rss_of"] for row in ran):
            print("\\* sum over the process tree, sampled every 50 ms; for a single process, the kernel's high-water mark.")
    finally:
        if not options.keep:
            shutil.rmtree(options.work, ignore_errors=True)
    if options.out:
        pathlib.Path(options.out).write_text(json.dumps(results, indent=1) + "\n")
    sys.exit(1 if any(row["wrong"] for row in ran) else 0)


if __name__ == "__main__":
    main()
