// The review page. Text from outside is only ever set as text: the policy of the page refuses anything else.
"use strict";

const POLL_MS = 2000;
const DONE = {
  dismissed: "dismissed", relabelled: "relabelled", confirmed: "confirmed", retired: "retired",
  "regression-only": "set to regression only", snoozed: "snoozed",
};
const DECISION = { keep: "dismiss", confirm: "confirm", retire: "retire", "regression-only": "regression-only", snooze: "snooze" };
const KEYS = { k: "keep", r: "relabel", c: "confirm", t: "retire", g: "regression-only", z: "snooze", s: "skip", u: "undo", w: "why", "?": "help" };

const byId = (id) => document.getElementById(id);
const state = { queue: null, skipped: [], current: null, example: null, busy: false, tag: null, seenDecision: 0, lost: false };
const relabel = { open: false, chosen: [], options: [], active: 0 };

// Elements

/** An element with attributes and children; texts become text nodes. */
function el(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** Text from outside, in its own direction. */
const outside = (tag, className, text) => el(tag, { class: className, dir: "auto" }, text);

const day = (time) => String(time).slice(0, 10);
const number = (value, digits) => Number(value).toFixed(digits);
const plural = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;
const keyOf = (item) => JSON.stringify([item.dataset, item.example_id]);

function announce(text) {
  byId("alert").textContent = "";
  byId("message").textContent = text;
}

function warn(text) {
  byId("actions").hidden = false;
  byId("message").textContent = "";
  byId("alert").textContent = text;
}

// The server

class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** The answer of the server; null if it is the one with this tag. */
async function call(path, body, tag) {
  const options = body === undefined ? {} : { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  if (tag) options.headers = { "If-None-Match": tag };
  let response;
  try {
    response = await fetch(path, { ...options, cache: "no-store", credentials: "omit" });
  } catch {
    throw new Refused(0, "karat review does not answer; start it again and open the address that it prints");
  }
  if (response.status === 304) return null;
  const answer = await response.json().catch(() => ({}));
  if (path === "api/queue") state.tag = response.headers.get("ETag");
  if (!response.ok) {
    const error = answer.error || {};
    const hint = error.hint ? `. ${error.hint[0].toUpperCase()}${error.hint.slice(1)}.` : "";
    throw new Refused(response.status, (error.message || `status ${response.status}`) + hint);
  }
  return answer;
}

// The queue

/** What waits, with what was skipped at the end. */
function order() {
  const items = state.queue ? state.queue.items : [];
  const place = new Map(state.skipped.map((key, index) => [key, index + 1]));
  return [...items].sort((a, b) => (place.get(keyOf(a)) || 0) - (place.get(keyOf(b)) || 0));
}

const positionOf = (items) => items.findIndex((item) => keyOf(item) === state.current);

function takeQueue(queue) {
  const first = state.queue === null;
  state.queue = queue;
  const mine = reviewer();
  const fresh = queue.decisions.filter((decision) => decision.decision > state.seenDecision);
  state.seenDecision = Math.max(state.seenDecision, ...queue.decisions.map((decision) => decision.decision), 0);
  showProgress();
  return first ? [] : fresh.filter((decision) => decision.by !== mine);
}

async function poll() {
  if (!document.hidden && !state.busy) {
    try {
      const queue = await call("api/queue", undefined, state.tag);
      const others = queue ? takeQueue(queue) : [];
      if (state.lost) announce("karat review answers again.");
      state.lost = false;
      await follow(others);
    } catch (error) {
      if (!state.lost) warn(error.message);
      state.lost = true;
    }
  }
  setTimeout(poll, POLL_MS);
}

/** Follows what others decided: tells it, and moves on if they decided about the example shown. */
async function follow(others) {
  if (state.busy) return;
  const last = others[others.length - 1];
  if (last) announce(`${last.by}: ${last.name} ${DONE[last.to] || last.to}`);
  const items = order();
  const isShown = state.example !== null;
  if (isShown && positionOf(items) < 0) {
    const isTyping = relabel.open || byId("why").value !== "";
    if (isTyping) warn("Somebody else decided about this example meanwhile; a decision would be refused.");
    else await open(items[0]);
  } else if (!isShown && items.length > 0) {
    await open(items[0]);
  } else if (!isShown) {
    showEnd();
  } else {
    showPosition(items);
  }
  enableButtons();
}

function showProgress() {
  const { progress, title } = state.queue;
  byId("title").textContent = title || "Review queue";
  byId("bar").max = Math.max(progress.total, 1);
  byId("bar").value = progress.decided;
  byId("count").textContent = `${progress.decided} of ${progress.total} decided`;
  const reasons = Object.entries(progress.reasons).map(([code, count]) => el("li", {}, `${code} ${count.decided}/${count.total}`));
  byId("reasons").replaceChildren(...reasons);
}

// One example

async function open(item) {
  closeRelabel();
  if (!item) {
    state.current = null;
    state.example = null;
    showEnd();
    return;
  }
  state.current = keyOf(item);
  const query = new URLSearchParams({ dataset: item.dataset, example: item.example_id });
  try {
    const example = await call(`api/example?${query}`);
    if (state.current !== keyOf(item)) return;
    state.example = example;
    showExample();
  } catch (error) {
    state.example = null;
    byId("main").replaceChildren(el("section", { class: "panel wide" }, el("h2", {}, "This example cannot be shown"), outside("p", null, error.message)));
    byId("actions").hidden = false;
    warn(error.message);
  }
  enableButtons();
}

function showExample() {
  const example = state.example;
  const left = el("div", { class: "column" }, examplePanel(example), flagsPanel(example));
  const right = el("div", { class: "column" }, answersPanel(example), trafficPanel(example), historyPanel(example));
  byId("main").replaceChildren(left, right);
  byId("actions").hidden = false;
  showPosition(order());
  window.scrollTo(0, 0);
  byId("example-title").focus({ preventScroll: true });
}

function showPosition(items) {
  const place = byId("position");
  if (place) place.textContent = `${positionOf(items) + 1} of ${items.length} waiting`;
  for (const [id, step] of [["before", -1], ["after", 1]]) {
    if (byId(id)) byId(id).disabled = !items[positionOf(items) + step];
  }
}

function examplePanel(example) {
  const move = (id, label, sign, step) => {
    const button = el("button", { type: "button", id, "aria-label": label, title: label }, sign);
    button.addEventListener("click", () => moveBy(step));
    return button;
  };
  const help = el("button", { type: "button", "aria-label": "Keys", title: "Keys" }, "?");
  help.addEventListener("click", () => byId("help").showModal());
  const head = el("div", { class: "example-head" },
    el("h2", { id: "example-title", tabindex: "-1", dir: "auto" }, example.name),
    el("div", { class: "moves" }, el("span", { id: "position", class: "muted small" }),
      move("before", "The example before", "←", -1), move("after", "The next example", "→", 1), help));
  const long = example.input.length > 400 ? "input long" : "input";
  const input = example.present ? outside("p", long, example.input) : el("p", { class: "input muted" }, "The dataset no longer contains this example.");
  input.id = "input";
  const expected = example.expected.map((answer) => el("li", {}, outside("span", "chip", answer.shown)));
  const answers = el("div", { class: "answers" }, el("span", { class: "muted small", id: "expected-label" }, "Accepted:"),
    expected.length ? el("ul", { class: "answers-list answers", "aria-labelledby": "expected-label", id: "expected" }, expected) : el("span", { class: "muted" }, "no answer"));
  const structure = example.structure === null ? null : el("details", {}, el("summary", {}, "Whole input"), outside("pre", "structure", example.structure));
  const rows = [...example.details];
  if (example.traffic_share !== null) rows.push(["share of traffic", `${number(100 * example.traffic_share, 1)} %`]);
  const details = el("dl", { class: "details" }, rows.flatMap(([name, value]) => [outside("dt", null, name), outside("dd", null, value)]));
  return el("section", { class: "panel", "aria-label": "Example" }, head, input, answers, structure, rows.length ? details : null);
}

function flagsPanel(example) {
  const flags = example.flags.map((flag) => {
    const until = flag.snoozed_until ? ` until ${day(flag.snoozed_until)}` : "";
    const waits = flag.state === "queued" ? null : el("span", { class: "muted small" }, `${flag.state}${until}`);
    return el("article", { class: "flag" },
      el("div", { class: "row-head" }, el("h3", {}, el("span", { class: "badge" }, flag.code), " ", waits),
        el("span", { class: "muted small" }, `strength ${number(flag.score, 2)}, flagged from ${number(flag.threshold, 2)} · since ${day(flag.first_seen)}`)),
      el("p", {}, flag.meaning),
      outside("p", null, flag.observed),
      flag.clears ? outside("p", "muted small", `To clear it: ${flag.clears}`) : null);
  });
  return el("section", { class: "panel", id: "flags", "aria-labelledby": "flags-title" }, el("h2", { id: "flags-title" }, "Why it is flagged"), flags);
}

function answersPanel(example) {
  const rows = example.answers.map((answer) => {
    let [word, kind] = ["not scored", ""];
    if (answer.is_error) [word, kind] = ["error", "fail"];
    else if (answer.right !== null) [word, kind] = answer.right ? ["✓ right", "pass"] : ["✗ wrong", "fail"];
    const old = answer.current ? "" : ", scored in an earlier version of the set";
    return el("div", { class: "row" },
      el("div", { class: "row-head" }, outside("h3", null, answer.endpoint), el("span", { class: `badge ${kind}` }, word)),
      outside("p", "text", answer.output === "" ? "(no text)" : answer.output),
      el("p", { class: "muted small" }, `${answer.suite}, ${day(answer.at)}${old}`));
  });
  const none = el("p", { class: "muted" }, "No run has an answer for this example; ", el("code", {}, "karat run SUITE"), " asks the models.");
  return el("section", { class: "panel", id: "answers", "aria-labelledby": "answers-title" }, el("h2", { id: "answers-title" }, "What models answer"), rows.length ? rows : none);
}

function trafficPanel(example) {
  const rows = example.traffic.map((request) => el("div", { class: "row" },
    outside("p", "text", request.text),
    el("p", { class: "muted small" }, `similarity ${number(request.similarity, 2)} · ${plural(Math.round(request.weight), "request")}, last on ${day(request.at)}`)));
  return el("section", { class: "panel", id: "traffic", "aria-labelledby": "traffic-title" }, el("h2", { id: "traffic-title" }, "Nearest traffic"),
    rows, el("p", { class: "muted small" }, example.traffic_note));
}

function historyPanel(example) {
  if (example.history.length === 0) return null;
  const rows = example.history.map((past) => el("div", { class: "row" },
    el("p", {}, el("span", { class: "badge" }, past.code), ` ${past.undid ? "undone" : past.to} by `, outside("b", null, past.by), el("span", { class: "muted small" }, ` · ${day(past.at)}`)),
    past.text ? outside("p", "muted small", past.text) : null));
  return el("section", { class: "panel", "aria-labelledby": "history-title" }, el("h2", { id: "history-title" }, "Earlier decisions"), rows);
}

/** The summary, or that there is nothing to do. */
function showEnd() {
  const { decisions, next, progress } = state.queue;
  const count = (list, name) => [...list.reduce((counts, one) => counts.set(name(one), (counts.get(name(one)) || 0) + 1), new Map())].sort((a, b) => b[1] - a[1]);
  const listed = (pairs) => el("dl", { class: "summary-list" }, pairs.flatMap(([name, total]) => [outside("dt", null, name), el("dd", {}, String(total))]));
  const title = el("h2", { id: "example-title", tabindex: "-1" }, decisions.length ? "The queue is done" : "The review queue is empty");
  const body = decisions.length
    ? [el("p", {}, `${plural(decisions.length, "example")} decided.`), listed(count(decisions, (one) => DONE[one.to] || one.to)),
      el("h3", {}, "By"), listed(count(decisions, (one) => one.by))]
    : [el("p", {}, "No example waits for review.")];
  const commands = next.map((command) => el("li", {}, el("code", {}, command)));
  const after = commands.length
    ? [el("h3", {}, decisions.length ? "What to run next" : "To measure decay and flag examples"), el("ul", { class: "commands" }, commands)]
    : [el("p", {}, el("code", {}, "karat decay DATASET"), " measures decay and flags examples.")];
  const isShown = byId("end") !== null && byId("end").dataset.for === JSON.stringify([decisions, progress]);
  if (isShown) return;
  byId("main").replaceChildren(el("section", { class: "panel wide", id: "end", "data-for": JSON.stringify([decisions, progress]) }, title, body, after));
  byId("actions").hidden = decisions.length === 0;
  byId("example-title").focus({ preventScroll: true });
}

// What the reviewer does

const reviewer = () => byId("by").value.trim();

function enableButtons() {
  const mine = state.queue !== null && state.queue.decisions.some((decision) => decision.by === reviewer());
  for (const button of document.querySelectorAll("#actions .buttons button")) {
    const action = button.dataset.action;
    button.disabled = action === "undo" ? !mine : state.example === null;
    if (state.example && !state.example.present && ["relabel", "retire", "regression-only"].includes(action)) button.disabled = true;
  }
}

async function decide(decision, answers) {
  if (state.busy || !state.example) return;
  if (!reviewer()) {
    warn("Enter your name first: decisions are stored with it.");
    byId("by").focus();
    return;
  }
  const { dataset, example_id, seen, name } = state.example;
  const before = order();
  const place = positionOf(before);
  const reason = byId("why").value.trim();
  state.busy = true;
  try {
    const done = await call("api/decide", { dataset, example_id, seen, decision, answers: answers || [], reason: reason || null, by: reviewer() });
    takeQueue(done.queue);
    byId("why").value = "";
    const to = done.steps.length ? done.steps[0].to : "";
    const detail = to === "relabelled" ? `: ${(answers || []).join(" | ")}` : "";
    const notes = done.notes.length ? ` (${done.notes.join("; ")})` : "";
    const waiting = new Set(order().map(keyOf));
    const later = [...before.slice(place + 1), ...before.slice(0, Math.max(place, 0))].find((item) => waiting.has(keyOf(item)));
    await open(later || order()[0]);
    announce(`${name} ${DONE[to] || to}${detail}${notes}. u undoes it.`);
  } catch (error) {
    warn(error.message);
    if (error.status === 409) await afterConflict();
  } finally {
    state.busy = false;
    enableButtons();
  }
}

/** Shows what somebody else made of the example, or moves on if it no longer waits. */
async function afterConflict() {
  const message = byId("alert").textContent;
  try {
    takeQueue(await call("api/queue"));
    const items = order();
    await open(items[Math.max(positionOf(items), 0)]);
  } catch {
    // The next poll tries again.
  }
  warn(message);
}

async function undo() {
  if (state.busy) return;
  state.busy = true;
  try {
    const done = await call("api/undo", { by: reviewer() });
    takeQueue(done.queue);
    const { dataset, example_id } = done.steps[0];
    const items = order();
    await open(items.find((item) => item.dataset === dataset && item.example_id === example_id) || items[0]);
    announce(`Undone: ${done.name} is as it was.`);
  } catch (error) {
    warn(error.message);
  } finally {
    state.busy = false;
    enableButtons();
  }
}

async function skip() {
  if (state.busy || !state.example) return;
  const items = order();
  const place = positionOf(items);
  const next = items[place + 1] || items.find((item) => keyOf(item) !== state.current);
  state.skipped = [...state.skipped.filter((key) => key !== state.current), state.current];
  const { name } = state.example;
  byId("why").value = "";
  await open(next || items[place]);
  announce(next ? `${name} skipped; it is at the end of the queue.` : `${name} is the only one left.`);
}

async function moveBy(step) {
  if (state.busy) return;
  const items = order();
  const item = items[positionOf(items) + step];
  if (item) await open(item);
}

function act(action) {
  if (action === "relabel") openRelabel();
  else if (action === "skip") skip();
  else if (action === "undo") undo();
  else if (action === "why") byId("why").focus({ preventScroll: true });
  else if (action === "help") byId("help").showModal();
  else decide(DECISION[action]);
}

// Relabelling

function openRelabel() {
  if (!state.example || !state.example.present) return;
  Object.assign(relabel, { open: true, chosen: [], active: 0 });
  announce("");
  byId("relabel").hidden = false;
  byId("answer").value = "";
  showOptions();
  focusAnswer();
}

/** On a phone, the focus would open a keyboard over the answers. */
function focusAnswer() {
  if (!matchMedia("(pointer: coarse)").matches) byId("answer").focus({ preventScroll: true });
}

function closeRelabel() {
  relabel.open = false;
  byId("relabel").hidden = true;
}

/** The answers that match what was typed: suggestions first, then labels, or the text itself if any text may be an answer. */
function matching() {
  const { labels, suggestions, expected } = state.example;
  const typed = byId("answer").value.trim();
  const hints = new Map(suggestions.map((answer) => [answer.value, "a model's answer"]));
  expected.forEach((answer) => hints.set(answer.value, "accepted now"));
  const known = [...suggestions, ...(labels.length ? labels : expected)];
  const distinct = known.filter((answer, place) => known.findIndex((other) => other.value === answer.value) === place);
  const folded = typed.toLowerCase();
  const starts = (answer) => answer.value.toLowerCase().startsWith(folded);
  const found = distinct.filter((answer) => answer.value.toLowerCase().includes(folded)).sort((a, b) => (folded ? starts(b) - starts(a) : 0));
  if (labels.length === 0 && typed && !found.some((answer) => answer.value === typed)) found.unshift({ value: typed, shown: typed });
  return found.map((answer) => ({ ...answer, hint: hints.get(answer.value) || "" }));
}

function showOptions() {
  relabel.options = matching();
  relabel.active = Math.min(relabel.active, Math.max(relabel.options.length - 1, 0));
  const items = relabel.options.map((option, place) => {
    const chosen = relabel.chosen.some((answer) => answer.value === option.value);
    const item = el("li", { role: "option", id: `option-${place}`, "aria-selected": String(chosen), class: place === relabel.active ? "active" : null },
      outside("span", null, option.shown), option.hint ? el("span", { class: "hint" }, option.hint) : null);
    item.addEventListener("click", () => toggle(option));
    return item;
  });
  const none = state.example.labels.length ? "No label matches; only the labels of the dataset's card are accepted." : "Type an answer.";
  byId("options").replaceChildren(...(items.length ? items : [el("li", { class: "none", role: "option", "aria-disabled": "true", "aria-selected": "false" }, none)]));
  if (items.length) byId("answer").setAttribute("aria-activedescendant", `option-${relabel.active}`);
  else byId("answer").removeAttribute("aria-activedescendant");
  // Not scrollIntoView, which would scroll the page, too.
  if (items.length) byId("options").scrollTop = items[relabel.active].offsetTop - byId("options").clientHeight / 2;
  byId("chosen").replaceChildren(...relabel.chosen.map((answer) => el("li", {}, outside("span", "chip", answer.shown))));
  byId("save").disabled = relabel.chosen.length === 0 && items.length === 0;
}

function toggle(option) {
  const without = relabel.chosen.filter((answer) => answer.value !== option.value);
  relabel.chosen = without.length < relabel.chosen.length ? without : [...relabel.chosen, option];
  byId("answer").value = "";
  relabel.active = 0;
  showOptions();
  focusAnswer();
}

/** Saves what was chosen, with the highlighted answer if something was typed or nothing was chosen yet. */
function save() {
  const active = relabel.options[relabel.active];
  const isWanted = byId("answer").value.trim() !== "" || relabel.chosen.length === 0;
  if (isWanted && !active) return;
  const isChosen = isWanted && relabel.chosen.some((answer) => answer.value === active.value);
  const answers = isWanted && !isChosen ? [...relabel.chosen, active] : relabel.chosen;
  decide("relabel", answers.map((answer) => answer.value));
}

function relabelKey(event) {
  const move = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (move && relabel.options.length) {
    relabel.active = (relabel.active + move + relabel.options.length) % relabel.options.length;
    showOptions();
  } else if (event.key === "Enter" && event.shiftKey) {
    const active = relabel.options[relabel.active];
    if (active) toggle(active);
  } else if (event.key === "Enter") {
    save();
  } else if (event.key === "Escape") {
    closeRelabel();
    byId("example-title").focus({ preventScroll: true });
  } else {
    return;
  }
  event.preventDefault();
}

// Keys and buttons

function onKey(event) {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing || byId("help").open) return;
  const isTyping = event.target instanceof HTMLInputElement;
  if (isTyping) {
    if (event.target.id !== "answer" && (event.key === "Enter" || event.key === "Escape")) {
      event.target.blur();
      event.preventDefault();
    }
    return;
  }
  if (event.key === "Escape" && relabel.open) {
    closeRelabel();
    return;
  }
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (step) {
    event.preventDefault();
    moveBy(step);
    return;
  }
  const action = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!action || (action !== "help" && !byId("keys-on").checked)) return;
  const button = document.querySelector(`#actions button[data-action="${action}"]`);
  if (button && (button.disabled || event.repeat)) return;
  event.preventDefault();
  act(action);
}

function stored(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

function store(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // Without storage, the name is asked for again.
  }
}

async function start() {
  document.addEventListener("keydown", onKey);
  byId("answer").addEventListener("keydown", relabelKey);
  byId("answer").addEventListener("input", () => {
    relabel.active = 0;
    showOptions();
  });
  byId("save").addEventListener("click", save);
  byId("add").addEventListener("click", () => relabel.options[relabel.active] && toggle(relabel.options[relabel.active]));
  byId("cancel").addEventListener("click", closeRelabel);
  for (const button of document.querySelectorAll("#actions button[data-action]")) {
    button.addEventListener("click", () => act(button.dataset.action));
  }
  byId("keys-on").checked = stored("karat-review-keys") !== "off";
  byId("keys-on").addEventListener("change", (event) => store("karat-review-keys", event.target.checked ? "on" : "off"));
  byId("by").addEventListener("input", () => {
    store("karat-review-name", reviewer());
    enableButtons();
  });
  byId("by").value = stored("karat-review-name") || "";
  try {
    const queue = await call("api/queue");
    if (!byId("by").value) byId("by").value = queue.reviewer || "";
    takeQueue(queue);
    await open(order()[0]);
  } catch (error) {
    warn(error.message);
  }
  enableButtons();
  setTimeout(poll, POLL_MS);
}

start();
