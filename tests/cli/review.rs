//! The review page's server, over real HTTP: what it decides, what it refuses, and two people at once.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command};

use serde_json::{Value, json};

use crate::runner::{Done, Folder, wait};
use crate::server::{Server, nowhere};
use crate::workspace::{AUGUST, decayed, import_months, measured, quiz};

const FILE: &str = "datasets/topics/examples.jsonl";

/// A running `karat review`; it is killed when dropped.
struct Review {
    child: Option<Child>,
    port: u16,
    /// The path with the secret, with a slash at both ends.
    path: String,
}

impl Review {
    fn start(folder: &Folder, arguments: &[&str]) -> Self {
        Self::of(folder.command(&[&["review", "--port", "0"], arguments].concat()).spawn().unwrap())
    }

    fn of(mut child: Child) -> Self {
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let rest = line.trim_end().strip_prefix("http://127.0.0.1:").unwrap_or_else(|| panic!("no address: {line:?}"));
        let (port, path) = rest.split_once('/').unwrap();
        Self { child: Some(child), port: port.parse().unwrap(), path: format!("/{path}") }
    }

    /// Sends a request with exactly these headers (and the body's length), and returns status, headers and body.
    fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let mut request = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        if method == "POST" {
            request.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        // A server that refuses a large body may close the connection before it has read all of it.
        let _ = stream.write_all(format!("{request}\r\n{body}").as_bytes());
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer to {path}: {text:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head.to_lowercase(), body.to_owned())
    }

    fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    #[track_caller]
    fn get(&self, path: &str) -> Value {
        let (status, _, body) = self.send("GET", &format!("{}{path}", self.path), &[("Host", &self.host())], "");
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let headers = [("Host", self.host()), ("Content-Type", "application/json".to_owned())];
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let (status, _, answer) = self.send("POST", &format!("{}{path}", self.path), &headers, &body.to_string());
        (status, serde_json::from_str(&answer).unwrap())
    }

    fn example(&self, id: &str) -> Value {
        self.get(&format!("api/example?dataset=topics&example={id}"))
    }

    /// The request for a decision of ada about an example as it is shown now.
    fn request(&self, id: &str, decision: Value) -> Value {
        let mut request = json!({"dataset": "topics", "example_id": id, "seen": self.example(id)["seen"], "by": "ada"});
        request.as_object_mut().unwrap().extend(decision.as_object().unwrap().clone());
        request
    }

    #[track_caller]
    fn decide(&self, id: &str, decision: Value) -> Value {
        let (status, answer) = self.post("api/decide", &self.request(id, decision));
        assert_eq!(status, 200, "{answer}");
        answer
    }

    fn waiting(&self) -> Vec<String> {
        let queue = self.get("api/queue");
        let items = queue["items"].as_array().unwrap();
        items.iter().map(|item| item["example_id"].as_str().unwrap().to_owned()).collect()
    }

    /// Presses Ctrl-C and waits.
    fn stop(mut self) -> Done {
        let child = self.child.take().unwrap();
        let id = child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
        wait(child, "karat review")
    }
}

impl Drop for Review {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

/// The steps of the queue without their times.
fn log(folder: &Folder) -> Vec<Value> {
    let log = folder.karat(&["queue", "log", "topics", "--format", "json"]).expect(0).json();
    let mut steps = log["steps"].as_array().unwrap().clone();
    for step in &mut steps {
        step["at"] = Value::Null;
        step["detail"] = step["detail"].as_str().map(|detail| folder.stable(detail)).into();
    }
    steps
}

fn states(folder: &Folder) -> Vec<(String, String)> {
    let view = folder.karat(&["queue", "list", "topics", "--state", "all", "--format", "json"]).expect(0).json();
    let text = |flag: &Value, name: &str| flag[name].as_str().unwrap().to_owned();
    view["flags"].as_array().unwrap().iter().map(|flag| (text(flag, "example_id"), text(flag, "state"))).collect()
}

#[test]
fn decisions_on_the_page_are_those_of_the_command_line() {
    let (page, line) = (measured(&nowhere(), ""), measured(&nowhere(), ""));
    let review = Review::start(&page, &["topics"]);
    let listed = line.karat(&["queue", "list", "topics", "--format", "json"]).expect(0).json();
    let ids: Vec<String> = review.waiting();
    assert_eq!(ids[0], listed["flags"][0]["example_id"].as_str().unwrap(), "the order of queue list");
    let cases: [(Value, &[&str]); 6] = [
        (
            json!({"decision": "relabel", "answers": ["bakery"], "reason": "renamed"}),
            &["--relabel", "bakery", "--reason", "renamed"],
        ),
        (
            json!({"decision": "relabel", "answers": ["bakery", "cinema"]}),
            &["--relabel", "bakery", "--relabel", "cinema"],
        ),
        (json!({"decision": "retire", "reason": " not sold "}), &["--retire", "--reason", "not sold"]),
        (json!({"decision": "regression-only"}), &["--regression-only"]),
        (json!({"decision": "snooze"}), &["--snooze", "30d"]),
        (json!({"decision": "dismiss", "reason": null}), &["--dismiss"]),
    ];
    for (place, (request, arguments)) in cases.into_iter().enumerate() {
        let done = review.decide(&ids[place], request);
        assert_eq!((&done["schema"], &done["steps"][0]["by"]), (&json!("karat.review-done/1"), &json!("ada")));
        assert_eq!(done["queue"]["progress"]["decided"], place + 1);
        line.karat(&[&["queue", "resolve", "topics", &ids[place], "--by", "ada"], arguments].concat()).expect(0);
        assert_eq!(page.read(FILE), line.read(FILE), "{arguments:?}");
    }
    review.decide(&ids[6], json!({"decision": "confirm"}));
    line.karat(&["queue", "resolve", "topics", &ids[6], "--by", "ada", "--confirm"]).expect(0);
    assert_eq!((log(&page), states(&page)), (log(&line), states(&line)));
    review.stop().expect(0).tells(&["7 examples decided: 2 relabelled, ", "1 dismissed"]);
}

/// Method, path, headers, body, and the status of the answer.
type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a str, u16);

#[test]
fn requests_that_are_not_from_the_page_itself_are_refused_and_change_nothing() {
    let folder = measured(&nowhere(), "");
    let review = Review::start(&folder, &[]);
    let id = review.waiting().remove(0);
    let (before, file) = (log(&folder), folder.read(FILE));
    let body = review.request(&id, json!({"decision": "retire"})).to_string();
    let (host, other) = (review.host(), format!("127.0.0.1:{}", review.port ^ 1));
    let (own, json_type) = (("Host", host.as_str()), ("Content-Type", "application/json"));
    let decide = format!("{}api/decide", review.path);
    let large = format!("{{\"padding\": \"{}\"}}", "x".repeat(1 << 20));
    let unknown = body.replace("\"by\"", "\"by_whom\"");
    let stranger = decide.replace(&review.path, "/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA/");
    let cases: &[Case] = &[
        ("POST", &stranger, &[own, json_type], &body, 404),
        ("POST", "/api/decide", &[own, json_type], &body, 404),
        ("POST", &decide, &[json_type], &body, 403),
        ("POST", &decide, &[("Host", "evil.example"), json_type], &body, 403),
        ("POST", &decide, &[("Host", &other), json_type], &body, 403),
        ("POST", &decide, &[own, json_type, ("Origin", "https://evil.example")], &body, 403),
        ("POST", &decide, &[own, json_type, ("Origin", "null")], &body, 403),
        ("POST", &decide, &[own, json_type, ("Sec-Fetch-Site", "cross-site")], &body, 403),
        ("POST", &decide, &[own], &body, 415),
        ("POST", &decide, &[own, ("Content-Type", "text/plain")], &body, 415),
        ("POST", &decide, &[own, json_type], &large, 413),
        ("POST", &decide, &[own, json_type], "{", 400),
        ("POST", &decide, &[own, json_type], &unknown, 400),
        ("GET", &decide, &[own], "", 404),
        ("DELETE", &decide, &[own], "", 405),
        ("GET", &format!("{}../etc/passwd", review.path), &[own], "", 404),
    ];
    for (method, path, headers, body, status) in cases {
        let (found, head, answer) = review.send(method, path, headers, body);
        assert_eq!(found, *status, "{method} {path} {headers:?}: {answer}");
        assert!(!answer.contains(&review.path) && !head.contains("access-control"), "{answer}");
    }
    let refused = [
        (json!({"decision": "relabel"}), "no new answer"),
        (json!({"decision": "relabel", "answers": ["bakerry"]}), "not among the labels"),
        (json!({"decision": "dismiss", "answers": ["bakery"]}), "only relabelling"),
        (json!({"decision": "dismiss", "by": " "}), "name"),
        (json!({"decision": "dismiss", "dataset": "others"}), "not reviewed here"),
    ];
    for (decision, tells) in refused {
        let (status, answer) = review.post("api/decide", &review.request(&id, decision));
        assert_eq!(status, 422, "{answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains(tells), "{answer}");
    }
    assert_eq!((log(&folder), folder.read(FILE)), (before, file));
    review.stop().expect(0).tells(&["nothing was decided"]);
}

#[test]
fn a_queue_that_has_not_changed_is_not_sent_again() {
    let folder = measured(&nowhere(), "");
    let review = Review::start(&folder, &[]);
    let (host, path) = (review.host(), format!("{}api/queue", review.path));
    let (status, head, _) = review.send("GET", &path, &[("Host", &host)], "");
    let tag = head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap().to_owned();
    let known = [("Host", host.as_str()), ("If-None-Match", tag.as_str())];
    assert_eq!((status, review.send("GET", &path, &known, "").0), (200, 304));
    review.decide(&review.waiting()[0], json!({"decision": "dismiss"}));
    assert_eq!(review.send("GET", &path, &known, "").0, 200);
}

#[test]
fn every_response_forbids_other_origins_frames_and_storing() {
    let folder = measured(&nowhere(), "");
    let review = Review::start(&folder, &[]);
    let host = review.host();
    for (path, kind) in [
        ("", "text/html"),
        ("page.js", "text/javascript"),
        ("page.css", "text/css"),
        ("icon.svg", "image/svg+xml"),
        ("api/queue", "application/json"),
        ("nothing", "application/json"),
    ] {
        let (_, head, body) = review.send("GET", &format!("{}{path}", review.path), &[("Host", &host)], "");
        assert!(head.contains(&format!("content-type: {kind}")), "{path}: {head}");
        for header in [
            "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'",
            "frame-ancestors 'none'",
            "cache-control: no-store",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
        ] {
            assert!(head.contains(header), "{path} lacks {header}: {head}");
        }
        let outside = body.replace("http://www.w3.org/2000/svg", "");
        assert!(!outside.contains("http://") && !outside.contains("https://"), "{path} names another origin");
        assert!(!body.contains("innerHTML") && !body.contains(" style=\"") && !body.contains("eval("), "{path}");
    }
    let (first, second) = (review.path.clone(), Review::start(&folder, &[]).path.clone());
    assert!(first != second && first.len() > 24, "{first} {second}");
}

#[test]
fn undoing_restores_the_bytes_of_the_file_and_the_states_of_the_flags() {
    let folder = measured(&nowhere(), "");
    // Bytes that karat would not write itself.
    let odd = folder.read(FILE).replace("{\"expected\"", "{ \"expected\" ").replace('\n', "\r\n");
    folder.write(FILE, &odd);
    let review = Review::start(&folder, &["topics"]);
    let (ids, before) = (review.waiting(), states(&folder));
    review.decide(&ids[0], json!({"decision": "relabel", "answers": ["bakery"]}));
    review.decide(&ids[1], json!({"decision": "retire", "reason": "gone"}));
    review.decide(&ids[2], json!({"decision": "snooze"}));
    review.decide(&ids[3], json!({"decision": "dismiss", "by": "bo"}));
    assert_ne!(folder.read(FILE), odd);
    for place in [2, 1, 0] {
        let (status, done) = review.post("api/undo", &json!({"by": "ada"}));
        assert_eq!((status, &done["steps"][0]["example_id"]), (200, &json!(ids[place])), "{done}");
        assert_eq!((&done["steps"][0]["detail"], &done["steps"][0]["to"]), (&json!("undone"), &json!("queued")));
    }
    assert_eq!(folder.read(FILE), odd);
    let (status, answer) = review.post("api/undo", &json!({"by": "ada"}));
    assert_eq!(status, 422, "bo's decision is not ada's: {answer}");
    assert_eq!(review.post("api/undo", &json!({"by": "bo"})).0, 200);
    assert_eq!((states(&folder), review.waiting()), (before, ids));
    review.stop().expect(0).tells(&["nothing was decided"]);
}

#[test]
fn of_two_servers_that_decide_about_the_same_example_the_second_is_refused() {
    let folder = measured(&nowhere(), "");
    let (ada, bo) = (Review::start(&folder, &[]), Review::start(&folder, &[]));
    let id = ada.waiting().remove(0);
    let late = bo.request(&id, json!({"decision": "retire", "by": "bo"}));
    ada.decide(&id, json!({"decision": "relabel", "answers": ["bakery"]}));
    let file = folder.read(FILE);
    let (status, answer) = bo.post("api/decide", &late);
    assert_eq!(status, 409, "{answer}");
    assert_eq!(answer["error"]["message"], format!("\"{id}\" changed meanwhile: ada set it to relabelled"));
    assert_eq!(folder.read(FILE), file);
    let queue = bo.get("api/queue");
    assert_eq!((&queue["decisions"][0]["by"], &queue["progress"]["decided"]), (&json!("ada"), &json!(1)));
    assert!(!bo.waiting().contains(&id));
    // A row that was changed by hand since it was shown.
    let next = bo.waiting().remove(0);
    let stale = bo.request(&next, json!({"decision": "dismiss", "by": "bo"}));
    let line = file.lines().find(|line| line.contains(&format!("\"{next}\""))).unwrap();
    folder.write(FILE, &file.replace(line, &line.replace("\"expected\":\"engine\"", "\"expected\":\"alpine\"")));
    let (status, answer) = bo.post("api/decide", &stale);
    assert_eq!(status, 409, "{answer}");
    assert_eq!(
        answer["error"]["message"],
        format!("\"{next}\" changed meanwhile: its row is not the one that the page showed")
    );
    assert_eq!(bo.post("api/decide", &bo.request(&next, json!({"decision": "dismiss", "by": "bo"}))).0, 200);
}

#[test]
fn a_decision_that_was_taken_again_since_cannot_be_undone_from_the_page() {
    let folder = measured(&nowhere(), "");
    let review = Review::start(&folder, &[]);
    let id = review.waiting().remove(0);
    review.decide(&id, json!({"decision": "confirm"}));
    folder.karat(&["queue", "resolve", "topics", &id, "--by", "bo", "--dismiss"]).expect(0);
    let (status, answer) = review.post("api/undo", &json!({"by": "ada"}));
    assert_eq!(status, 422, "{answer}");
    assert!(answer["error"]["message"].as_str().unwrap().contains("decided again since"), "{answer}");
    assert!(states(&folder).contains(&(id, "dismissed".to_owned())));
}

#[test]
fn the_page_shows_answers_of_models_and_the_nearest_traffic() {
    let server = Server::answering(|_| "bakery".to_owned());
    let folder = decayed(&server.url, "");
    import_months(&folder);
    let text = folder.read(FILE).replacen("\"input\":\"", "\"input\":\"\\u202e<img src=x onerror=alert(1)>\\u0007 ", 1);
    folder.write(FILE, &text);
    folder.karat(&["run", "topics"]);
    folder.karat(&AUGUST).expect(0);
    let review = Review::start(&folder, &[]);
    let id = review.waiting().into_iter().find(|id| id.starts_with("engine")).unwrap();
    let example = review.example(&id);
    let answer = &example["answers"][0];
    assert_eq!(
        (&answer["output"], &answer["right"], &answer["current"]),
        (&json!("bakery"), &json!(false), &json!(true))
    );
    assert_eq!(example["suggestions"][0]["value"], "bakery");
    let near = example["traffic"].as_array().unwrap();
    assert_eq!(near.len(), 5);
    assert!(near.windows(2).all(|pair| pair[0]["similarity"].as_f64() >= pair[1]["similarity"].as_f64()));
    assert!(example["traffic_note"].as_str().unwrap().starts_with("site, "), "{example}");
    let flag = &example["flags"][0];
    assert_eq!((&flag["code"], &flag["clears"]), (&json!("traffic-vanished"), &json!("when such requests return")));
    // An earlier version's answer is marked as such.
    review.decide(&id, json!({"decision": "relabel", "answers": ["bakery"]}));
    assert_eq!(review.example(&id)["answers"][0]["current"], json!(false));
    assert_eq!(review.example(&id)["history"][0]["by"], "ada");
}

#[test]
fn traffic_without_vectors_is_explained() {
    let folder = measured(&nowhere(), "");
    rusqlite::Connection::open(folder.path(".karat/karat.db")).unwrap().execute("DELETE FROM vectors", []).unwrap();
    let review = Review::start(&folder, &[]);
    let example = review.example(&review.waiting()[0]);
    assert_eq!(example["traffic"], json!([]));
    let note = example["traffic_note"].as_str().unwrap();
    assert!(note.contains("has no vectors yet") && note.contains("karat decay topics"), "{note}");
}

#[test]
fn an_empty_queue_says_so_and_ctrl_c_ends_cleanly() {
    let folder = quiz(&nowhere(), 2, "");
    let review = Review::start(&folder, &["quiz"]);
    let queue = review.get("api/queue");
    assert_eq!((&queue["items"], &queue["progress"]["total"]), (&json!([]), &json!(0)));
    assert_eq!(queue["next"], json!(["karat decay quiz"]));
    review.stop().expect(0).tells(&["nothing was decided"]);
    folder.karat(&["review", "quizz", "--port", "0"]).expect(3).tells(&["quizz", "did you mean"]);
}

#[test]
fn flags_of_an_example_that_was_removed_can_only_be_dismissed_confirmed_or_snoozed() {
    let folder = measured(&nowhere(), "");
    let review = Review::start(&folder, &[]);
    let id = review.waiting().remove(0);
    let text = folder.read(FILE);
    let line = text.lines().find(|line| line.contains(&format!("\"{id}\""))).unwrap();
    folder.write(FILE, &text.replace(&format!("{line}\n"), ""));
    let example = review.example(&id);
    assert_eq!((&example["present"], &example["input"]), (&json!(false), &json!("")));
    let (status, answer) = review.post("api/decide", &review.request(&id, json!({"decision": "retire"})));
    assert_eq!(status, 422, "{answer}");
    assert!(answer["error"]["message"].as_str().unwrap().contains("no longer contains"), "{answer}");
    review.decide(&id, json!({"decision": "dismiss"}));
}

#[cfg(unix)]
#[test]
fn the_browser_is_opened_only_on_request() {
    use std::os::unix::fs::PermissionsExt;
    let folder = measured(&nowhere(), "");
    folder.write("bin/xdg-open", "#!/bin/sh\nprintf %s \"$1\" > opened\n");
    std::fs::set_permissions(folder.path("bin/xdg-open"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", folder.path("bin").display());
    let start = |arguments: &[&str]| {
        let mut command = folder.command(&[&["review", "--port", "0"], arguments].concat());
        Review::of(command.env("PATH", &path).spawn().unwrap())
    };
    let closed = start(&[]);
    closed.get("api/queue");
    assert!(!folder.path("opened").exists());
    let open = start(&["--open"]);
    let expected = format!("http://127.0.0.1:{}{}", open.port, open.path);
    let opened = || std::fs::read_to_string(folder.path("opened")).unwrap_or_default();
    for _ in 0..500 {
        if opened() == expected {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert!(cfg!(target_os = "macos") || opened() == expected, "{}", opened());
}

#[test]
fn a_given_port_that_is_taken_is_an_error_with_a_hint() {
    let folder = measured(&nowhere(), "");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    folder.karat(&["review", "--port", &port]).expect(1).tells(&[&port, "another port"]);
}
