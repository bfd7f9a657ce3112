#!/usr/bin/env python3
"""Tests karat against third-party servers.

    python3 tools/other_servers/check.py --karat PATH --dir DIR

Installs LiteLLM's proxy and CopilotKit's aimock into DIR, at fixed versions, starts each on loopback with mocked
answers, and runs five examples with karat over every API that karat supports, plain and streamed. Both servers require
a key, so the way karat sends it is checked as well. Anything a server does not support is skipped. The exit code is 1
if anything failed.

Requires Python 3.11, npm with Node 20.15 or newer, and network access for the installation; the servers need none.
"""

import argparse, json, os, pathlib, shutil, signal, socket, subprocess, sys, tempfile, time, urllib.error, urllib.request

LITELLM = "1.105.0"
AIMOCK = "1.43.0"
KEY = "sk-0123456789-check"
MODEL = "check"
EXAMPLES = 5
START_SECONDS = 120

# The name of an API, its endpoint in karat.yaml, and the path of the base URL.
APIS = [
    ("chat", {"type": "openai"}, "/v1"),
    ("responses", {"type": "openai", "api": "responses"}, "/v1"),
    ("messages", {"type": "anthropic"}, ""),
    ("gemini", {"type": "gemini"}, "/v1beta"),
]


class LiteLlm:
    """Gives the same answer to everything, so answers are checked with `contains`."""

    name = f"LiteLLM {LITELLM}"
    alive = "/health/liveliness"
    scorer = "contains"
    folder = "litellm"
    # Its mocked responses are not streamed even if a stream is requested, and its proxy then returns 500.
    cannot = {("responses", True)}

    def install(self, folder):
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        pip = [folder / "bin/pip", "install", "-q", "--disable-pip-version-check", f"litellm[proxy]=={LITELLM}"]
        subprocess.run(pip, check=True)

    def expected(self, i):
        return "42"

    def start(self, installed, folder, port):
        params = {"model": f"openai/{MODEL}", "api_key": "none", "mock_response": "The answer is 42."}
        config = {"model_list": [{"model_name": MODEL, "litellm_params": params}]}
        (folder / "config.yaml").write_text(json.dumps(config))
        # By default it downloads prices from the network.
        env = {"LITELLM_MASTER_KEY": KEY, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
        options = ["--config", "config.yaml", "--host", "127.0.0.1", "--port", str(port), "--telemetry", "False"]
        return [installed / "bin/litellm", *options], env


class AiMock:
    """Gives a separate answer to each question."""

    name = f"aimock {AIMOCK}"
    alive = "/v1/models"
    scorer = "exact"
    folder = "aimock"
    cannot = set()

    def install(self, folder):
        folder.mkdir(parents=True)
        (folder / "package.json").write_text('{"private": true}')
        npm = ["npm", "install", "--no-audit", "--no-fund", "--loglevel=error", f"@copilotkit/aimock@{AIMOCK}"]
        subprocess.run(npm, cwd=folder, check=True)

    def expected(self, i):
        return f"answer {i:05}"

    def start(self, installed, folder, port):
        fixtures = [
            {"match": {"userMessage": question(i)}, "response": {"content": self.expected(i)}} for i in range(1, EXAMPLES + 1)
        ]
        (folder / "fixtures.json").write_text(json.dumps({"fixtures": fixtures}))
        options = ["--port", str(port), "--fixtures", "fixtures.json", "--strict"]
        return [installed / "node_modules/.bin/llmock", *options], {"AIMOCK_API_KEYS": KEY}


SERVERS = [LiteLlm(), AiMock()]


def question(i):
    return f"question {i:05}"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(process, url):
    ends = time.monotonic() + START_SECONDS
    while time.monotonic() < ends:
        if process.poll() is not None:
            raise RuntimeError(f"it ended with {process.returncode}")
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except urllib.error.HTTPError:  # Any response means that the server is running.
            return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"no answer within {START_SECONDS} s")


def workspace(server, folder, endpoint):
    (folder / "datasets/check").mkdir(parents=True)
    (folder / "suites").mkdir()
    # JSON is valid YAML and needs no quoting.
    (folder / "karat.yaml").write_text(json.dumps({"embedder": "hashed-ngrams", "endpoints": {"model": endpoint}}))
    rows = [{"id": f"q{i}", "input": question(i), "expected": server.expected(i)} for i in range(1, EXAMPLES + 1)]
    (folder / "datasets/check/examples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    suite = {"dataset": "check", "endpoints": ["model"], "scorers": [{"type": server.scorer}]}
    (folder / "suites/check.yaml").write_text(json.dumps(suite))


def failure(server, karat, folder, endpoint):
    """What went wrong in a run of karat; None if nothing did."""
    workspace(server, folder, endpoint)
    argv = [karat, "run", "check", "--format", "json", "-q"]
    try:
        done = subprocess.run(argv, cwd=folder, env=os.environ | {"CHECK_KEY": KEY}, capture_output=True, text=True, timeout=120)
    except subprocess.TimeoutExpired:
        return "over 120 s"
    try:
        run = json.loads(done.stdout)["runs"][0]
        outcomes, errors, mean = run["outcomes"], run["errors"], run["scores"][server.scorer]["mean"]
    except (ValueError, LookupError):
        return f"exit code {done.returncode}: {done.stderr.strip()[-500:]}"
    if errors:
        return f"{errors[0]['count']} × {errors[0]['kind']}: {errors[0]['message'][:300]}"
    if done.returncode != 0 or outcomes["scored"] != EXAMPLES or mean != 1:
        return f"exit code {done.returncode}, {outcomes['scored']} of {EXAMPLES} scored, mean {mean}"
    return None


def check(server, karat, directory, work):
    """Prints a line per API; returns how many failed."""
    installed = directory / server.folder
    done = installed / ".installed"
    version = f"{server.name}\n"
    if not done.exists() or done.read_text() != version:
        shutil.rmtree(installed, ignore_errors=True)
        server.install(installed)
        done.write_text(version)
    folder = work / server.folder
    folder.mkdir()
    port = free_port()
    argv, env = server.start(installed, folder, port)
    env |= {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8"}
    failed = 0
    with open(folder / "log", "w+b") as log:
        process = subprocess.Popen(argv, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        try:
            wait_for(process, f"http://127.0.0.1:{port}{server.alive}")
            for api, endpoint, path in APIS:
                for stream in (False, True):
                    name = f"{server.name:16} {api + (', streamed' if stream else ''):20}"
                    extra = {"stream": True} if stream else {}
                    if (api, stream) in server.cannot:
                        print(f"SKIP  {name} not supported by the server")
                        continue
                    url = f"http://127.0.0.1:{port}{path}"
                    endpoint = endpoint | {"base_url": url, "model": MODEL, "api_key": "${CHECK_KEY}"}
                    wrong = failure(server, karat, folder / f"{api}-{stream}", endpoint | extra)
                    print(f"FAIL  {name} {wrong}" if wrong else f"PASS  {name} {EXAMPLES} scored", flush=True)
                    failed += wrong is not None
        except RuntimeError as error:
            failed += 1
            log.seek(0)
            print(f"FAIL  {server.name:16} {error}\n{log.read()[-2000:].decode(errors='replace')}", flush=True)
        finally:
            # The whole process group, because a server may have started other processes.
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--karat", required=True, type=pathlib.Path, help="the karat binary to test")
    parser.add_argument("--dir", required=True, type=pathlib.Path, help="where the servers are installed")
    options = parser.parse_args()
    directory = options.dir.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        failed = sum([check(server, options.karat.resolve(), directory, pathlib.Path(work)) for server in SERVERS])
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
