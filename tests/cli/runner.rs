//! Runs the built binary in a separate folder with an empty environment, and reads its output.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use regex::Regex;
use serde_json::Value;

/// Time limit of a command.
const PATIENCE: Duration = Duration::from_secs(120);

/// A folder that is removed when the test ends.
pub struct Folder {
    dir: tempfile::TempDir,
}

impl Folder {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub fn root(&self) -> &Path {
        self.dir.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, content: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The command `karat ARGUMENTS` in this folder, with only `PATH` from the environment.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_karat"));
        command
            .args(arguments)
            .current_dir(self.root())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.env_clear().env("HOME", self.root()).env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command
    }

    /// Runs `karat ARGUMENTS` to completion.
    pub fn karat(&self, arguments: &[&str]) -> Done {
        self.finish(self.command(arguments))
    }

    /// Like [`Self::karat`], with environment variables.
    pub fn karat_with(&self, environment: &[(&str, &str)], arguments: &[&str]) -> Done {
        let mut command = self.command(arguments);
        command.envs(environment.iter().copied());
        self.finish(command)
    }

    /// Runs `karat run ARGUMENTS --format json`, expects the exit code, and returns the output.
    #[track_caller]
    pub fn run(&self, arguments: &[&str], code: i32) -> Value {
        let arguments: Vec<&str> = [&["run"], arguments, &["--format", "json"]].concat();
        self.karat(&arguments).expect(code).json()
    }

    pub fn finish(&self, mut command: Command) -> Done {
        let shown = format!("{command:?}");
        wait(command.spawn().unwrap(), &shown)
    }

    /// A connection to the workspace's database.
    pub fn database(&self) -> rusqlite::Connection {
        let path = self.path(".karat/karat.db");
        rusqlite::Connection::open_with_flags(&path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// A number from the database.
    pub fn count(&self, sql: &str) -> i64 {
        self.database().query_row(sql, [], |row| row.get(0)).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// `text` with everything that differs from run to run replaced: paths, ports, ids, times and durations.
    pub fn stable(&self, text: &str) -> String {
        let text = text.replace(&self.root().display().to_string(), "[folder]");
        let replacements = [
            (r"127\.0\.0\.1:\d+", "127.0.0.1:[port]"),
            (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "[uuid]"),
            (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}\b", "[short uuid]"),
            (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z", "[time]"),
            (r"\d{4}-\d\d-\d\d \d\d:\d\d", "[time]"),
            (r#"("p\d\d_ms": )[0-9.e-]+"#, "$1[duration]"),
            (r" +\d+(?:\.\d+)? m?s\b", " [duration]"),
            // The width of a column varies with the durations in it.
            (r" +(p50|p95)\b", " $1"),
            (r"─{3,}", "───"),
        ];
        replacements
            .iter()
            .fold(text, |text, (pattern, with)| Regex::new(pattern).unwrap().replace_all(&text, *with).into_owned())
    }
}

/// Waits for a child process and reads both output streams; kills it and fails the test if it takes too long.
pub fn wait(mut child: Child, shown: &str) -> Done {
    fn drain(stream: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<Vec<u8>> {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            if let Some(mut stream) = stream {
                stream.read_to_end(&mut bytes).unwrap();
            }
            bytes
        })
    }
    let (stdout, stderr) = (drain(child.stdout.take()), drain(child.stderr.take()));
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if started.elapsed() > PATIENCE {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{shown} took longer than {PATIENCE:?}");
        }
        std::thread::sleep(Duration::from_millis(3));
    };
    let text = |thread: std::thread::JoinHandle<Vec<u8>>| String::from_utf8(thread.join().unwrap()).unwrap();
    let done = Done { command: shown.to_owned(), code: status.code(), stdout: text(stdout), stderr: text(stderr) };
    assert!(!done.stderr.contains("panicked") && done.code != Some(101), "a panic: {done}");
    done
}

/// The result of a command.
pub struct Done {
    pub command: String,
    /// The exit code; `None` after a signal.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Done {
    /// Fails with the whole output unless the exit code is `code`.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    /// Fails unless stderr contains all of `texts`.
    #[track_caller]
    pub fn tells(self, texts: &[&str]) -> Self {
        for text in texts {
            assert!(self.stderr.contains(text), "stderr lacks \"{text}\": {self}");
        }
        self
    }

    /// Fails unless stdout contains all of `texts`.
    #[track_caller]
    pub fn prints(self, texts: &[&str]) -> Self {
        for text in texts {
            assert!(self.stdout.contains(text), "stdout lacks \"{text}\": {self}");
        }
        self
    }

    /// Stdout as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("stdout is not JSON: {error}: {self}"))
    }
}

impl std::fmt::Display for Done {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}\nexit code {:?}\n--- stdout\n{}--- stderr\n{}", self.command, self.code, self.stdout, self.stderr)
    }
}
