//! The names under which people already have the fields of examples and of traffic.

/// Names of an example's input.
pub const INPUT: &[&str] = &["input", "inputs", "question", "prompt", "query", "text", "vars"];

/// Names of an example's accepted answers.
pub const EXPECTED: &[&str] =
    &["expected", "target", "ideal", "expected_output", "expectedOutput", "reference", "answer", "label"];

/// The fields of a traffic record, each with the names it is found under where no map says otherwise.
pub const TRAFFIC: &[(&str, &[&str])] = &[
    ("id", &["id", "record_id", "request_id", "trace_id"]),
    ("input", &["input", "inputs", "question", "prompt", "query", "text", "message", "messages"]),
    ("output", &["output", "response", "completion", "answer"]),
    ("ts", &["ts", "timestamp", "time", "created_at", "at", "date"]),
    ("user", &["user", "user_id", "session", "session_id", "conversation_id"]),
    ("p", &["p", "sample_rate", "inclusion_probability"]),
];

/// The fields that usually hold the text of an object.
pub const TEXT: [&str; 6] = ["input", "question", "query", "prompt", "text", "messages"];
