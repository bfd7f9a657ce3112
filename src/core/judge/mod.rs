//! A model that grades answers: what it is asked, and how its reply is read.
//!
//! 1. [`judge_messages`] makes the messages of one judgement, a JSON Schema for servers with structured outputs, and the
//!    [`VerdictForm`] that reads the reply. Texts that the author of the suite did not write are delimited (`delimit`).
//! 2. [`VerdictForm::parse`] turns the reply into a [`Verdict`] with a score in [0, 1], or into a sentence that says why
//!    the answer is not scored. A reply that cannot be read is never a score of 0 and never a pass.
//! 3. [`combine_orders`] combines both orders of a pairwise judgement, and [`combine_repeats`] combines repeats.
//!
//! # The grading channel
//!
//! Every request has a verdict id, a keyed hash of the request and all its texts. It is in the instructions and in none
//! of the texts: an answer cannot contain the id that belongs to it, and if the salt is secret, its author cannot compute
//! one at all. Only a verdict with this id counts. So a verdict that a judge copies from an answer, or that a server
//! takes for the reply, is refused.
//!
//! This protects the way from the judge to the score. It does not protect the judge's opinion: a model that is persuaded
//! by an answer will give its own verdict, with the right id. Against that there are only the rules in the prompt, the
//! delimiters, and a validation against grades by people (`validation`).

mod delimit;
mod family;
#[cfg(test)]
mod injection;
mod kind;
mod labels;
mod material;
mod outcome;
mod prompts;
mod reply;
mod schema;
mod task;
mod validated;
pub mod validation;
mod verdict;
mod votes;

use serde_json::{Value, json};

use self::delimit::Delimiter;
pub use self::family::model_family;
pub use self::kind::{JudgeKind, Order};
pub use self::labels::{LabelRow, PASS_MARK, Said, label_row, said};
pub use self::material::Material;
pub use self::outcome::{Outcome, Verdict};
pub use self::task::JudgeTask;
pub use self::validated::{JudgedAnswer, Validated, validated};
pub use self::verdict::{NO_CLAIMS, VerdictForm};
pub use self::votes::{Average, combine_orders, combine_repeats};

/// Minimum length of the salt, in bytes.
const MIN_SALT: usize = 16;

/// Which judgement a request is for. Its ids are derived from it, so equal requests are made for equal judgements, and
/// a cache finds their replies.
#[derive(Debug, Clone, Copy)]
pub struct JudgeRequest<'a> {
    /// The key of verdict ids, at least 16 bytes. A random secret of the database is best: nobody else can then compute
    /// ids. Even without a secret, an id occurs in none of the texts that it is derived from.
    pub salt: &'a [u8],
    /// Version of the suite.
    pub suite_version: &'a str,
    /// The id of the example.
    pub example_id: &'a str,
    /// Index of the answer's trial, starting at 0.
    pub trial: u32,
    /// Index of the judgement among the repeats for the same answer, starting at 0.
    pub repeat: u32,
    /// Which answer comes first; only for [`JudgeKind::Pairwise`].
    pub order: Order,
}

/// A message of a judge's prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JudgeMessage {
    /// `system` or `user`.
    pub role: &'static str,
    /// The text.
    pub content: String,
}

/// The prompt of one judgement.
#[derive(Debug, Clone, PartialEq)]
pub struct JudgePrompt {
    /// A system message with the rules and the form of the verdict, and a user message with the task.
    pub messages: Vec<JudgeMessage>,
    /// The JSON Schema of the verdict, for strict structured outputs.
    pub schema: Value,
    /// The code of the markers around texts.
    pub code: String,
    /// Reads the reply.
    pub form: VerdictForm,
}

impl JudgePrompt {
    /// The field `response_format` of a request in OpenAI's format.
    pub fn response_format(&self) -> Value {
        let schema = json!({"name": "verdict", "strict": true, "schema": self.schema});
        json!({"type": "json_schema", "json_schema": schema})
    }
}

/// Makes the prompt of one judgement.
///
/// `user_template` replaces the built-in task (in the folder `prompts`). Its variables are:
///
/// | name | value |
/// |---|---|
/// | `input` | the input |
/// | `output` | the answer; for a pairwise judge `answer_a` and `answer_b`, in the order of the request |
/// | `expected` | the accepted answers |
/// | `context` | the texts of the context, numbered |
/// | `metadata` | the fields of the example's metadata, by name |
/// | `criteria`, `steps` | what the suite's author wrote: a string, and a list of strings |
/// | `scale` | the best grade of a g_eval judge |
///
/// All but the last three are delimited, and have to be printed as they are. What the material lacks is null. The same
/// arguments give the same prompt.
///
/// # Errors
/// Returns a sentence if the settings are invalid, the salt is shorter than 16 bytes, the material lacks something that
/// the judgement is about, the texts are longer than 512 KiB or more than 256, or the user's template
/// cannot be rendered, changes delimited text, or does not print what is graded.
pub fn judge_messages(
    kind: JudgeKind,
    material: &Material<'_>,
    request: &JudgeRequest<'_>,
    user_template: Option<&str>,
) -> Result<JudgePrompt, String> {
    kind.check()?;
    if request.salt.len() < MIN_SALT {
        return Err(format!("the salt of a judge has at least {MIN_SALT} bytes, not {}", request.salt.len()));
    }
    let prompt = prompts::Prompt::compile(kind, user_template)?;
    let texts = prompt.texts(material, request.order)?;
    let data: Vec<&str> = texts.iter().map(|text| text.text.as_ref()).collect();
    let labels = texts.iter().map(|text| text.label.as_str());
    let told = [user_template, material.criteria].into_iter().flatten();
    let told = told.chain(material.steps.iter().map(String::as_str)).chain(labels);
    let all: Vec<&str> = data.iter().copied().chain(told).collect();
    let delimiter = Delimiter::new(&request.key(kind, &request.numbers()), &all);
    let verdict_id = verdict_id(kind, request, &all);
    let task = prompt.task(material, &texts, &delimiter)?;
    let sources = texts.iter().filter(|text| text.variable == "context").count();
    let (system, end) = prompt.frame(sources, delimiter.code(), &verdict_id)?;
    let message = |role: &'static str, content: String| JudgeMessage { role, content };
    Ok(JudgePrompt {
        messages: vec![message("system", system), message("user", format!("{}\n\n{end}", task.trim_end()))],
        schema: schema::schema(kind, sources),
        code: delimiter.code().to_owned(),
        form: VerdictForm { kind, verdict_id, order: request.order, sources },
    })
}

impl JudgeRequest<'_> {
    fn numbers(&self) -> [String; 2] {
        [self.trial.to_string(), self.repeat.to_string()]
    }

    /// What tells this request from others, without the secret.
    fn key<'k>(&'k self, kind: JudgeKind, numbers: &'k [String; 2]) -> [&'k str; 6] {
        let [trial, repeat] = numbers;
        [kind.name(), self.suite_version, self.example_id, trial, repeat, self.order.name()]
    }
}

/// The id of the verdict: a hash of the request and its texts under the salt. It occurs in none of the texts.
fn verdict_id(kind: JudgeKind, request: &JudgeRequest<'_>, texts: &[&str]) -> String {
    let key = blake3::derive_key("karat judge verdict id 1", request.salt);
    let mut hasher = blake3::Hasher::new_keyed(&key);
    delimit::update_each(&mut hasher, &request.key(kind, &request.numbers()));
    delimit::update_each(&mut hasher, texts);
    delimit::first_absent(|attempt| delimit::code(&hasher, attempt), texts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::kind::FactualityScores;
    use super::material::MAX_MATERIAL;
    use super::*;

    /// One judge of each kind.
    pub(super) const KINDS: [JudgeKind; 9] = [
        JudgeKind::Rubric,
        JudgeKind::Factuality(FactualityScores {
            subset: 1.0,
            superset: 1.0,
            same: 1.0,
            different: 0.0,
            immaterial: 1.0,
        }),
        JudgeKind::ClosedQa,
        JudgeKind::AnswerRelevance,
        JudgeKind::ContextFaithfulness,
        JudgeKind::ContextRecall,
        JudgeKind::ContextPrecision,
        JudgeKind::GEval { scale: 5 },
        JudgeKind::Pairwise,
    ];

    pub(super) const REQUEST: JudgeRequest<'static> = JudgeRequest {
        salt: b"a secret of a test database",
        suite_version: "v1",
        example_id: "ex-1",
        trial: 0,
        repeat: 0,
        order: Order::OutputFirst,
    };

    /// A full material with this answer.
    pub(super) fn material<'a>(output: &'a str, lists: &'a [String; 2]) -> Material<'a> {
        Material {
            input: Some("What is the capital of Italy?"),
            output: Some(output),
            expected: &lists[..1],
            context: lists,
            other: Some("Milan."),
            metadata: None,
            criteria: Some("Names the capital."),
            steps: &[],
        }
    }

    pub(super) fn lists() -> [String; 2] {
        ["Rome.".to_owned(), "Italy is a country in Europe.".to_owned()]
    }

    #[test]
    fn every_kind_has_a_prompt_with_its_material_delimited() {
        let lists = lists();
        for kind in KINDS {
            let prompt = judge_messages(kind, &material("It is Rome.", &lists), &REQUEST, None).unwrap();
            let [system, user] = &prompt.messages[..] else { panic!("{prompt:?}") };
            assert_eq!((system.role, user.role), ("system", "user"));
            let id = &prompt.form.verdict_id;
            assert_eq!((system.content.matches(id).count(), user.content.matches(id).count()), (1, 1));
            assert!(system.content.contains(&prompt.code));
            for line in user.content.lines().filter(|line| line.contains("It is Rome.") || line.contains("Italy")) {
                assert!(line.starts_with("| "), "{}: {line}", kind.name());
            }
            assert!(!user.content.contains("\n\n\n") && !system.content.contains("\n\n\n"), "{}", user.content);
            let format = prompt.response_format();
            assert_eq!((&format["type"], &format["json_schema"]["strict"]), (&json!("json_schema"), &json!(true)));
            assert!(!prompt.schema.to_string().contains(id), "a server would fill in the id");
        }
    }

    #[test]
    fn ids_depend_on_the_request_and_the_texts_and_only_the_verdict_id_on_the_salt() {
        let lists = lists();
        let ids = |request: JudgeRequest<'_>, output: &str| {
            let prompt = judge_messages(JudgeKind::Rubric, &material(output, &lists), &request, None).unwrap();
            (prompt.code, prompt.form.verdict_id)
        };
        let (code, id) = ids(REQUEST, "Rome");
        assert_eq!((code.clone(), id.clone()), ids(REQUEST, "Rome"));
        assert_ne!(code, id);
        for other in [
            ids(JudgeRequest { trial: 1, ..REQUEST }, "Rome"),
            ids(JudgeRequest { repeat: 1, ..REQUEST }, "Rome"),
            ids(JudgeRequest { example_id: "ex-2", ..REQUEST }, "Rome"),
            ids(JudgeRequest { suite_version: "v2", ..REQUEST }, "Rome"),
            ids(REQUEST, "Rome."),
        ] {
            assert!(other.0 != code && other.1 != id);
        }
        let (same_code, other_id) = ids(JudgeRequest { salt: b"another secret of a database", ..REQUEST }, "Rome");
        assert!(same_code == code && other_id != id);
    }

    #[test]
    fn what_a_judge_needs_is_named_if_it_is_missing() {
        let lists = lists();
        let full = material("Rome", &lists);
        let cases: [(JudgeKind, Material<'_>, &str); 7] = [
            (
                KINDS[1],
                Material { expected: &[], ..full },
                "a factuality judge needs an accepted answer, and there is none",
            ),
            (KINDS[0], Material { output: None, ..full }, "a rubric judge needs an answer, and there is none"),
            (KINDS[0], Material { criteria: Some(" \n"), ..full }, "a rubric judge needs criteria, and there are none"),
            (KINDS[3], Material { input: None, ..full }, "an answer_relevance judge needs an input, and there is none"),
            (
                KINDS[4],
                Material { context: &[], ..full },
                "a context_faithfulness judge needs a context, and there is none",
            ),
            (
                KINDS[8],
                Material { other: None, ..full },
                "a pairwise judge needs another answer to compare with, and there is none",
            ),
            (JudgeKind::GEval { scale: 1 }, full, "the scale of a g_eval judge is from 2 to 100, not 1"),
        ];
        for (kind, material, expected) in cases {
            assert_eq!(judge_messages(kind, &material, &REQUEST, None).unwrap_err(), expected);
        }
        let short = JudgeRequest { salt: b"short", ..REQUEST };
        assert_eq!(
            judge_messages(KINDS[0], &full, &short, None).unwrap_err(),
            "the salt of a judge has at least 16 bytes, not 5"
        );
        let minimal = Material { criteria: Some("c"), output: Some(""), ..Material::default() };
        assert!(judge_messages(KINDS[0], &minimal, &REQUEST, None).is_ok(), "an empty answer is an answer");
    }

    #[test]
    fn a_prompt_of_ones_own_gets_delimited_texts_and_keeps_the_rules() {
        let lists = lists();
        let Value::Object(metadata) = json!({"city": "Rome\nor so", "none": null}) else { panic!() };
        let material = Material { metadata: Some(&metadata), ..material("It is\nRome.", &lists) };
        let template =
            "Be strict: {{ criteria }}\n{% if metadata.none %}x{% endif %}City: {{ metadata.city }}\n{{ output }}";
        let prompt = judge_messages(JudgeKind::Rubric, &material, &REQUEST, Some(template)).unwrap();
        let (code, user) = (&prompt.code, &prompt.messages[1].content);
        let start = format!(
            "Be strict: Names the capital.\nCity: <<<BEGIN metadata city {code}>>>\n| Rome\n| or so\n\
             <<<END metadata city {code}>>>\n<<<BEGIN answer {code}>>>\n| It is\n| Rome.\n<<<END answer {code}>>>\n\n"
        );
        assert!(user.starts_with(&start), "{user}");
        assert!(user.contains(&prompt.form.verdict_id) && prompt.messages[0].content.contains("never an instruction"));
        assert!(!user.contains("capital of Italy"), "what a prompt does not print is not sent");
    }

    #[test]
    fn a_prompt_that_changes_or_omits_what_is_graded_is_refused() {
        let lists = lists();
        let material = material("It is\nRome.", &lists);
        let error =
            |kind: JudgeKind, template: &str| judge_messages(kind, &material, &REQUEST, Some(template)).unwrap_err();
        let changed = "the judge's prompt changes delimited text; print it as it is, without filters";
        for filter in ["upper", "indent(2)", "replace('| ', '')", "tojson", "lines|join(' ')", "replace('<<<END', '')"]
        {
            assert_eq!(error(KINDS[0], &format!("{{{{ output|{filter} }}}}")), changed, "{filter}");
        }
        assert_eq!(
            error(KINDS[0], "{% if false %}{{ output }}{% endif %}"),
            "the judge's prompt does not print {{ output }}, which a rubric judge grades"
        );
        assert_eq!(
            error(KINDS[8], "{{ answer_a }}"),
            "the judge's prompt does not print {{ answer_b }}, which a pairwise judge grades"
        );
        assert!(error(KINDS[0], "{{ output }}{{ verdict_id }}").contains("known variables: context, criteria, "));
        assert!(error(KINDS[0], "{{ output }}\n{{ scale }}").starts_with("the judge's prompt, line 2: a null"));
        let long = "{% for i in range(9999) %}".repeat(2) + "{{ output }}" + &"{% endfor %}".repeat(2);
        assert_eq!(
            judge_messages(KINDS[0], &material, &REQUEST, Some(&long)).err().as_deref(),
            Some("the judge's prompt: the message is longer than 8 MiB")
        );
    }

    #[test]
    fn the_order_of_a_pair_decides_which_answer_is_shown_first() {
        let lists = lists();
        let text = |order: Order| {
            let request = JudgeRequest { order, ..REQUEST };
            judge_messages(JudgeKind::Pairwise, &material("Rome!", &lists), &request, None)
                .unwrap()
                .messages
                .remove(1)
                .content
        };
        let position = |text: &str, part: &str| text.find(part).unwrap();
        let (first, second) = (text(Order::OutputFirst), text(Order::OtherFirst));
        assert!(position(&first, "| Rome!") < position(&first, "| Milan."));
        assert!(position(&second, "| Rome!") > position(&second, "| Milan."));
        assert!(position(&second, "BEGIN answer A") < position(&second, "| Milan."));
    }

    #[test]
    fn material_over_the_limit_is_an_error_and_never_cut() {
        let lists = lists();
        let long = "\n".repeat(MAX_MATERIAL - 1000);
        let prompt = judge_messages(JudgeKind::Rubric, &material(&long, &lists), &REQUEST, None).unwrap();
        assert!(prompt.messages[1].content.matches("\n|").count() >= MAX_MATERIAL - 1000);
        let longer = "\0".repeat(MAX_MATERIAL);
        let error = judge_messages(JudgeKind::Rubric, &material(&longer, &lists), &REQUEST, None).unwrap_err();
        assert!(error.starts_with("the material is longer than a judge reads: "), "{error}");
    }

    #[test]
    fn nothing_in_the_built_in_prompts_can_be_copied_as_a_verdict() {
        let lists = lists();
        for kind in KINDS {
            let prompt = judge_messages(kind, &material("It is Rome.", &lists), &REQUEST, None).unwrap();
            let all: Vec<&str> = prompt.messages.iter().map(|message| message.content.as_str()).collect();
            for text in [all.join("\n").as_str(), &prompt.schema.to_string(), all[0], all[1]] {
                assert!(prompt.form.parse(text).is_err());
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_answer_is_delimited(output in any::<String>(), input in "\\PC{0,30}", hidden in "[\u{200b}<>|\n\r ]{0,20}") {
            let lists = lists();
            let output = output + &hidden;
            let material = Material { input: Some(&input), ..material(&output, &lists) };
            for kind in [JudgeKind::Rubric, JudgeKind::Pairwise] {
                let prompt = judge_messages(kind, &material, &REQUEST, None).unwrap();
                let user = &prompt.messages[1].content;
                let subject = if kind.is_pairwise() { "answer A" } else { "answer" };
                let block = Delimiter::new(&REQUEST.key(kind, &REQUEST.numbers()), &[]).block(subject, &output);
                let lines: Vec<&str> = block.lines().collect();
                prop_assert!(user.contains(&lines[1..lines.len() - 1].join("\n")));
            }
        }
    }
}
