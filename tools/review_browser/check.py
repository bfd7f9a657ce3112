#!/usr/bin/env python3
"""Tests the review page in a real browser, with keys only.

    pip install playwright==1.65.2
    python3 tools/review_browser/check.py --karat target/debug/karat --screenshots DIR

Makes the demo's workspace in a temporary folder, with hostile text in an example, an answer and a traffic record, serves
the page with `karat review`, and works through it in headless Chromium: relabelling, keeping, retiring, skipping and
undoing, two people at once, touch, progress, an empty queue. Fails on any console message that is an error, any request to
another origin, any markup that became active, and any horizontal overflow at 360 pixels, in light and dark.

Requires Python 3.11, the package playwright, and Chromium (`--chromium PATH`; the default is the one in PATH).
"""

import argparse, json, pathlib, re, shutil, subprocess, sys, tempfile
from playwright.sync_api import sync_playwright

DATASET = "support-intents"
FILE = f"datasets/{DATASET}/examples.jsonl"
HOSTILE = "<img src=x onerror=\"window.pwned=1\"> \u202etxt.exe\u202c <script>window.pwned=1</script>\u0007"
VISIBLE = "<img src=x onerror=\"window.pwned=1\"> \\u{202e}txt.exe\\u{202c} <script>window.pwned=1</script>\\u{7}"
PHONE = {"width": 360, "height": 740}
DESK = {"width": 1280, "height": 860}
PATIENCE_MS = 10_000
# Requests without a date, which are therefore flagged.
UNDATED = [
    "The van drove past my house twice", "Did the courier lose my lamp?", "Tracking says Hamburg, I live in Bremen",
    "When will the sofa be here", "No scan of my box for six days", "Which depot has my shoes", "Is the kettle on its way yet",
    "The link in your mail shows nothing about my order", "My neighbour got hers, where is mine", "Still in transit since May",
]

# Answers every request with hostile text.
PROGRAM = """
import json, sys
for line in sys.stdin:
    print(json.dumps({"output": TEXT}), flush=True)
"""

passed, failed = [], []


def shown(example):
    """An id as the page shows it."""
    return example.replace("\u202e", "\\u{202e}")


def check(name, condition, details=""):
    (passed if condition else failed).append(name)
    print(("ok      " if condition else "FAILED  ") + name + ("" if condition else f": {details}"), flush=True)


class Workspace:
    def __init__(self, karat, folder):
        self.karat, self.folder = karat, folder

    def run(self, *arguments, codes=(0,)):
        done = subprocess.run([self.karat, "-C", self.folder, *arguments], capture_output=True, text=True)
        if done.returncode not in codes:
            sys.exit(f"karat {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def text(self):
        return (self.folder / FILE).read_bytes().decode()

    def queued(self):
        flags = json.loads(self.run("queue", "list", DATASET, "--format", "json"))["flags"]
        return list(dict.fromkeys(flag["example_id"] for flag in flags))

    def state(self, example):
        flags = json.loads(self.run("queue", "show", DATASET, example, "--format", "json"))["flags"]
        return {flag["state"] for flag in flags}

    def serve(self, *arguments):
        command = [self.karat, "-C", self.folder, "review", "--port", "0", *arguments]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        return server, server.stdout.readline().strip()


def make(karat, folder):
    """The demo's workspace with hostile text in an example, its metadata, a model's answer and the traffic."""
    subprocess.run([karat, "demo", folder, "--embedder", "fast", "--records", "300"], check=True, capture_output=True)
    workspace = Workspace(karat, folder)
    row = {"id": "hostile<b>\u202e", "input": HOSTILE, "expected": "track_order", "tags": [HOSTILE], HOSTILE: HOSTILE}
    undated = [{"id": f"undated-{n}", "input": text, "expected": "track_order"} for n, text in enumerate(UNDATED)]
    with open(folder / FILE, "a", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in [row, *undated])
    record = {"id": "hostile", "time": "2026-09-29T12:00:00Z", "user": "u", "body": {"text": HOSTILE + " please"}}
    (folder / "hostile.jsonl").write_text(json.dumps(record) + "\n")
    workspace.run("traffic", "import", str(folder / "hostile.jsonl"), "--source", "support")
    (folder / "program.py").write_text(PROGRAM.replace("TEXT", repr(HOSTILE)))
    settings = folder / "karat.yaml"
    program = json.dumps([sys.executable, str(folder / "program.py")])
    settings.write_text(settings.read_text().replace("endpoints:\n", f"endpoints:\n  program: {{type: exec, command: {program}}}\n", 1))
    (folder / "suites/hostile.yaml").write_text(f"dataset: {DATASET}\nendpoints: [program]\nscorers: [{{type: exact}}]\n")
    workspace.run("run", "hostile", "--filter", f"id={row['id']}", codes=(0, 100, 103))
    workspace.run("decay", DATASET, "--window", "2026-09", "--now", "2026-10-01", codes=(0, 102, 103))
    return workspace, row["id"]


class Page:
    """The page as one person sees it, with everything that must not happen recorded."""

    def __init__(self, browser, url, name, viewport=DESK, scheme="light", touch=False):
        self.url = url
        self.context = browser.new_context(viewport=viewport, color_scheme=scheme, reduced_motion="reduce", has_touch=touch)
        self.page = self.context.new_page()
        self.errors, self.requests = [], []
        self.page.set_default_timeout(PATIENCE_MS)
        self.page.on("console", lambda message: message.type in ("error", "warning") and self.errors.append(message.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("dialog", lambda dialog: (self.errors.append("a dialog opened"), dialog.dismiss()))
        self.page.goto(url)
        self.page.wait_for_selector("#example-title")
        if name:
            self.page.fill("#by", name)
            self.page.keyboard.press("Enter")

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)

    def title(self):
        return self.page.inner_text("#example-title")

    def until(self, expression, what):
        try:
            self.page.wait_for_function(expression)
            check(what, True)
        except Exception as error:
            state = {key: self.page.inner_text(f"#{key}") for key in ("message", "alert", "count")}
            check(what, False, f"{state} {str(error)[:200]}")

    def until_message(self, text, what):
        self.until(f"() => (document.getElementById('message').textContent + document.getElementById('alert').textContent).includes({json.dumps(text)})", what)

    def until_example(self, name, what):
        self.until(f"() => document.getElementById('example-title')?.textContent === {json.dumps(shown(name))}", what)

    def overflow(self):
        return self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")

    def small_buttons(self):
        """Visible buttons that are smaller than 44 by 44 pixels."""
        return self.page.evaluate("""[...document.querySelectorAll('button, #options li')].filter((b) => b.offsetParent)
            .map((b) => [b.textContent.trim(), b.getBoundingClientRect()]).filter(([, r]) => r.width < 44 || r.height < 44)
            .map(([name, r]) => `${name} ${Math.round(r.width)}x${Math.round(r.height)}`)""")

    def finish(self, who):
        origin = re.match(r"http://[^/]+", self.url)[0]
        foreign = [url for url in self.requests if not url.startswith(origin + "/")]
        check(f"{who}: no request went to another origin ({len(self.requests)} requests)", not foreign, foreign)
        check(f"{who}: no errors or warnings on the console", not self.errors, self.errors)
        check(f"{who}: no markup became active", self.page.evaluate("window.pwned === undefined"))
        self.context.close()


def work(workspace, hostile, browser, url, shots):
    """One person works with keys only."""
    before, queue = workspace.text(), workspace.queued()
    ada = Page(browser, url, "ada")
    page = ada.page
    check("the first example is that of `karat queue list`", ada.title() == shown(queue[0]), f"{ada.title()} {queue[0]}")
    check("no decision has been made yet", page.inner_text("#count") == f"0 of {len(queue)} decided", page.inner_text("#count"))
    page.screenshot(path=shots / "1-example.png", full_page=True)

    ada.press("w")
    page.keyboard.type("still asked every day")
    ada.press("Enter", "k")
    ada.until_example(queue[1], "k keeps the example and shows the next one")
    ada.until_message(f"{shown(queue[0])} dismissed", "the result is announced")
    check("keeping is `dismissed` in the queue", workspace.state(queue[0]) == {"dismissed"}, workspace.state(queue[0]))
    check("the file is unchanged", workspace.text() == before)
    check("the reason is in the log", "still asked every day" in workspace.run("queue", "log", DATASET, queue[0], "--format", "json"))
    check("progress counts it", page.inner_text("#count") == f"1 of {len(queue)} decided", page.inner_text("#count"))
    check("the reason is cleared", page.input_value("#why") == "")

    ada.press("r")
    page.keyboard.type("reset_pass")
    page.screenshot(path=shots / "2-relabel.png")
    ada.press("Shift+Enter")
    page.keyboard.type("cancel_o")
    ada.press("ArrowDown", "ArrowUp", "Enter")
    ada.until_example(queue[2], "r relabels with two answers")
    row = next(json.loads(line) for line in workspace.text().splitlines() if json.loads(line)["id"] == queue[1])
    check("both answers are in the file", row["expected"] == ["reset_password", "cancel_order"] and row["labeled_by"] == "ada", row)

    ada.press("t")
    ada.until_example(queue[3], "t retires")
    check("the row is retired", workspace.text().count('"retired"') == before.count('"retired"') + 1)
    ada.press("s")
    ada.until_example(queue[4], "s skips")
    check("skipping decides nothing", workspace.state(queue[3]) == {"queued"})
    ada.press("g")
    ada.until_example(queue[5], "g sets to regression only")
    ada.press("c")
    ada.until_example(queue[6], "c confirms")
    ada.press("z")
    ada.until_example(queue[7], "z snoozes")
    check("states", [workspace.state(queue[n]) for n in (4, 5, 6)] == [{"regression-only"}, {"confirmed"}, {"snoozed"}])

    ada.press("ArrowRight")
    ada.until_example(queue[8], "→ shows the next example")
    ada.press("ArrowLeft")
    ada.until_example(queue[7], "← shows the one before")
    ada.press("?")
    check("? shows the keys", page.is_visible("#help"))
    page.screenshot(path=shots / "3-keys.png")
    ada.press("Escape")
    ada.press("r", "Escape", "w", "Escape")
    check("Escape closes the answers and leaves the reason", page.is_hidden("#relabel") and ada.title() == shown(queue[7]))

    for position in (6, 5, 4, 2, 1, 0):
        ada.press("u")
        ada.until_example(queue[position], f"u undoes the decision about {queue[position]}")
    check("after all undoing the file has its former bytes", workspace.text() == before)
    check("after all undoing every example waits again", workspace.queued() == queue)
    check("undo is disabled when there is nothing to undo", page.is_disabled("[data-action=undo]"))
    ada.finish("ada")


def hostile_text(workspace, hostile, browser, url, shots):
    """An example, an answer and a request with markup and direction controls are only ever shown."""
    ada = Page(browser, url, "ada")
    page, position = ada.page, workspace.queued().index(hostile)
    for _ in range(position):
        shown = ada.title()
        ada.press("ArrowRight")
        page.wait_for_function(f"() => document.getElementById('example-title').textContent !== {json.dumps(shown)}")
    check("the id is shown as text", ada.title() == "hostile<b>\\u{202e}", ada.title())
    check("the input is shown as text, with controls made visible", page.inner_text("#input") == VISIBLE, page.inner_text("#input"))
    for part, what in (("#answers", "a model's answer"), ("#traffic", "a traffic record"), (".details", "metadata and tags")):
        check(f"{what} is shown as text", VISIBLE[:36] in page.inner_text(part), page.inner_text(part)[:300])
    elements = page.evaluate("document.querySelectorAll('main img, main script, main b img, main svg').length")
    check("no element was made of it", elements == 0, elements)
    controls = page.evaluate("/[\\u0000-\\u0008\\u000b-\\u001f\\u007f\\u202a-\\u202e\\u2066-\\u2069]/.test(document.body.innerText)")
    check("no control or direction character is on the page", not controls)
    page.screenshot(path=shots / "4-hostile.png", full_page=True)
    blocked = page.evaluate("(() => { try { document.body.innerHTML = '<p>x</p>'; return false } catch { return true } })()")
    check("the page's policy refuses markup from scripts", blocked)
    ada.errors = [error for error in ada.errors if "TrustedHTML" not in error]
    ada.finish("hostile text")


def two_people(workspace, browser, urls, shots):
    """Two people on two servers: each sees the other's decisions, and the second decision is refused."""
    queue = workspace.queued()
    ada, bo = Page(browser, urls[0], "ada"), Page(browser, urls[1], "bo")
    # Without polling, bo still sees the example when ada has decided.
    bo.page.route("**/api/queue", lambda route: route.abort())
    ada.press("k")
    ada.until_example(queue[1], "ada decides")
    bo.press("t")
    bo.until_message("ada set it to dismissed", "bo's decision about the same example is refused with the reason")
    bo.page.screenshot(path=shots / "5-refused.png")
    check("the refused decision changed nothing", workspace.state(queue[0]) == {"dismissed"})
    bo.page.unroute("**/api/queue")
    bo.until_example(queue[1], "bo's page moves on")
    ada.press("c")
    bo.until_message(f"ada: {shown(queue[1])} confirmed", "bo is told what ada decides")
    bo.until_example(queue[2], "bo's page follows")
    bo.press("k")
    ada.until_message(f"bo: {shown(queue[2])} dismissed", "ada is told what bo decides")
    bo.press("u")
    bo.until_example(queue[2], "bo undoes")
    ada.press("u")
    ada.until_example(queue[1], "ada undoes her latest decision")
    ada.press("u")
    ada.until_example(queue[0], "ada undoes the one before")
    # A refused request is an error on the console of every browser.
    bo.errors = [error for error in bo.errors if "409" not in error and "ERR_FAILED" not in error]
    for page, who in ((ada, "ada of two"), (bo, "bo of two")):
        page.finish(who)
    check("both are undone", workspace.queued() == queue)


def phone(workspace, hostile, browser, url, shots):
    """Nothing is wider than a phone, and buttons are large enough, in light and dark."""
    for scheme in ("light", "dark"):
        page = Page(browser, url, "ada", PHONE, scheme)
        for name, action in (("example", ()), ("relabel", ("r",)), ("keys", ("Escape", "?"))):
            page.press(*action)
            page.page.wait_for_timeout(150)
            check(f"phone, {scheme}, {name}: no horizontal overflow", page.overflow() <= 0, page.overflow())
            small = page.small_buttons()
            check(f"phone, {scheme}, {name}: buttons have 44 pixels", not small, small)
            page.page.screenshot(path=shots / f"6-phone-{scheme}-{name}.png")
        page.press("Escape")
        for _ in range(workspace.queued().index(hostile)):
            shown = page.title()
            page.press("ArrowRight")
            page.page.wait_for_function(f"() => document.getElementById('example-title').textContent !== {json.dumps(shown)}")
        check(f"phone, {scheme}, hostile: no horizontal overflow", page.overflow() <= 0, page.overflow())
        page.page.screenshot(path=shots / f"6-phone-{scheme}-hostile.png", full_page=True)
        page.finish(f"phone, {scheme}")
    desk = Page(browser, url, "ada", DESK, "dark")
    desk.page.screenshot(path=shots / "7-dark.png", full_page=True)
    desk.finish("dark")


def touch(workspace, browser, url, shots):
    """A person with a phone and no keyboard relabels, decides and undoes."""
    before, queue = workspace.text(), workspace.queued()
    ada = Page(browser, url, "ada", PHONE, touch=True)
    page = ada.page
    page.tap("[data-action=skip]")
    ada.until_example(queue[1], "touch: skip")
    page.tap("[data-action=relabel]")
    page.tap("#options li:nth-child(2)")
    page.tap("#options li:nth-child(3)")
    chosen = page.inner_text("#chosen").split()
    page.screenshot(path=shots / "6-phone-touch-relabel.png")
    page.tap("#save")
    ada.until_example(queue[2], "touch: relabel")
    row = next(json.loads(line) for line in workspace.text().splitlines() if json.loads(line)["id"] == queue[1])
    check("touch: both answers are in the file", row["expected"] == chosen and len(chosen) == 2, row)
    page.tap("[data-action=keep]")
    ada.until_example(queue[3], "touch: keep")
    page.tap("[data-action=undo]")
    ada.until_example(queue[2], "touch: undo")
    page.tap("[data-action=undo]")
    ada.until_example(queue[1], "touch: undo again")
    check("touch: the file has its former bytes", workspace.text() == before and workspace.queued() == queue)
    ada.finish("touch")


def names_and_keys(workspace, browser, url):
    """A name is needed to decide, it is remembered, and single-letter keys can be turned off."""
    ada = Page(browser, url, "")
    page, first = ada.page, ada.title()
    page.fill("#by", "")
    ada.press("Enter", "k")
    ada.until_message("Enter your name first", "without a name nothing is decided")
    check("the name field has the focus", page.evaluate("document.activeElement.id") == "by")
    page.keyboard.type("Ada Lovelace")
    ada.press("Enter")
    page.reload()
    page.wait_for_selector("#example-title")
    check("the browser remembers the name", page.input_value("#by") == "Ada Lovelace")
    ada.press("?")
    page.uncheck("#keys-on")
    ada.press("Escape", "k")
    page.wait_for_timeout(300)
    check("turned off, a letter decides nothing", ada.title() == first and workspace.queued()[0] is not None)
    ada.press("?")
    check("the list of keys can still be opened", page.is_visible("#help"))
    page.check("#keys-on")
    ada.press("Escape")
    visible = page.evaluate("getComputedStyle(document.activeElement).outlineStyle !== 'none' || document.activeElement === document.body")
    ada.press("Tab")
    visible = visible and page.evaluate("getComputedStyle(document.activeElement).outlineStyle !== 'none'")
    check("the focus is visible", visible)
    ada.finish("names and keys")


def to_the_end(workspace, browser, url, shots):
    """All of the queue with one key, then the summary."""
    ada = Page(browser, url, "ada")
    total = len(workspace.queued())
    for _ in range(total):
        shown = ada.title()
        ada.press("k")
        ada.page.wait_for_function(f"() => document.getElementById('example-title').textContent !== {json.dumps(shown)}")
    end = ada.page.inner_text("main")
    check("the end says so, with counts and commands", "The queue is done" in end and f"{total} examples decided" in end and "karat decay" in end, end)
    check("nothing waits any more", workspace.queued() == [] and ada.page.inner_text("#count") == f"{total} of {total} decided")
    ada.page.screenshot(path=shots / "8-end.png")
    ada.press("u")
    ada.page.wait_for_selector("#input")
    ada.press("k")
    ada.page.wait_for_selector("#end")
    ada.finish("the end")


def empty(browser, url, shots):
    page = Page(browser, url, "ada")
    check("an empty queue says so", "The review queue is empty" in page.page.inner_text("main"), page.page.inner_text("main"))
    page.page.screenshot(path=shots / "9-empty.png")
    page.finish("empty")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--karat", required=True, type=pathlib.Path, help="the binary")
    parser.add_argument("--chromium", default=shutil.which("chromium") or shutil.which("google-chrome"), help="the browser")
    parser.add_argument("--screenshots", type=pathlib.Path, help="folder for screenshots; default: none are left")
    options = parser.parse_args()
    if not options.chromium:
        sys.exit("there is no Chromium in PATH; pass --chromium PATH")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        shots = options.screenshots or pathlib.Path(folder) / "screenshots"
        shots.mkdir(parents=True, exist_ok=True)
        workspace, hostile = make(options.karat.resolve(), pathlib.Path(folder) / "demo")
        servers = [workspace.serve(DATASET), workspace.serve()]
        urls = [url for _, url in servers]
        browser = playwright.chromium.launch(executable_path=options.chromium, args=["--no-sandbox", "--disable-background-networking"])
        try:
            work(workspace, hostile, browser, urls[0], shots)
            hostile_text(workspace, hostile, browser, urls[0], shots)
            two_people(workspace, browser, urls, shots)
            phone(workspace, hostile, browser, urls[0], shots)
            touch(workspace, browser, urls[0], shots)
            names_and_keys(workspace, browser, urls[0])
            to_the_end(workspace, browser, urls[0], shots)
            servers.append(workspace.serve())
            empty(browser, servers[2][1], shots)
        finally:
            browser.close()
            ends = []
            for server, _ in servers:
                server.send_signal(2)
                _, told = server.communicate(timeout=20)
                ends.append((server.returncode, told.strip().splitlines()[-1]))
        check("Ctrl-C ends every server with exit code 0 and what was decided", all(code == 0 and "decided" in told for code, told in ends), ends)
    print(f"\n{len(passed)} checks passed, {len(failed)} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
