//! The field names accepted in files of examples and traffic.

/// Names accepted for the input of an example.
pub const INPUT: &[&str] = &["input", "inputs", "question", "prompt", "query", "text", "vars"];

/// Names accepted for the accepted answers of an example.
pub const EXPECTED: &[&str] =
    &["expected", "target", "ideal", "expected_output", "expectedOutput", "reference", "answer", "label"];

/// The fields of a traffic record, each with the names under which it is found unless a field map specifies otherwise.
pub const TRAFFIC: &[(&str, &[&str])] = &[
    ("id", &["id", "record_id", "request_id"]),
    ("input", &["input", "inputs", "question", "prompt", "query", "text", "message", "messages"]),
    ("output", &["output", "response", "completion", "answer"]),
    ("ts", &["ts", "timestamp", "time", "created_at", "at", "date"]),
    ("user", &["user", "user_id", "session", "session_id", "conversation_id"]),
    ("model", &["model"]),
    ("p", &["p", "sample_rate", "inclusion_probability"]),
];

/// The fields that usually hold the text of an object.
pub const TEXT: [&str; 6] = ["input", "question", "query", "prompt", "text", "messages"];
