//! Assertions on the format of an answer: JSON, XML, SQL and HTML.

use serde_json::{Map, Value, json};

use super::assertions::{Reading, Refusal};
use super::tree::{Item, Kind, object};
use super::values::schema;

/// A Markdown code fence at the beginning of an answer.
const FENCE: &str = r"^\s*```";

/// A scorer that looks into the code fence around an answer, as one that does not: promptfoo reads the answer as it is.
pub(super) fn unfenced(scorer: Map<String, Value>) -> Map<String, Value> {
    let fence = json!({"name": "no-fence", "type": "regex", "pattern": FENCE, "not": true});
    let name = scorer.get("type").cloned().unwrap_or_default();
    object([("name", name), ("type", json!("all")), ("of", json!([scorer, fence]))])
}

impl Reading<'_> {
    /// Scorers of JSON, XML, SQL and HTML.
    pub(super) fn format_scorer(&mut self, base: &str, value: &Item) -> Result<Option<Map<String, Value>>, Refusal> {
        let anywhere = base.starts_with("contains-");
        let kind = match base {
            "is-json" | "contains-json" => match schema(value)? {
                Some(schema) => {
                    let mut scorer = object([("type", json!("json_schema")), ("schema", schema)]);
                    set_anywhere(&mut scorer, anywhere);
                    return Ok(Some(if anywhere { scorer } else { unfenced(scorer) }));
                }
                None => "is_json",
            },
            "is-xml" | "contains-xml" => "is_xml",
            "is-sql" | "contains-sql" => "is_sql",
            "is-html" | "contains-html" => "is_html",
            _ => return Ok(None),
        };
        let mut scorer = object([("type", json!(kind))]);
        set_anywhere(&mut scorer, anywhere);
        match kind {
            "is_xml" => self.elements(value, &mut scorer),
            "is_sql" => self.dialect(value, &mut scorer),
            "is_json" if anywhere => self.remark("a list counts as JSON, too; promptfoo looks for objects"),
            "is_html" => self.remark("what counts as HTML is decided by karat's rules, which want matching tags"),
            _ => {}
        }
        // A remark says already that the rules of HTML differ.
        Ok(Some(if anywhere || kind == "is_html" { scorer } else { unfenced(scorer) }))
    }

    fn elements(&mut self, value: &Item, scorer: &mut Map<String, Value>) {
        let listed = value.get("requiredElements").unwrap_or(value);
        let listed: Vec<String> = match &listed.kind {
            Kind::Text(text) => text.split(',').map(|name| name.trim().to_owned()).collect(),
            Kind::List(items) => items.iter().filter_map(Item::scalar).collect(),
            _ => Vec::new(),
        };
        if listed.iter().any(|name| name.contains('.')) {
            self.remark("elements are looked for by name anywhere, not at their paths");
        }
        let mut elements: Vec<String> =
            listed.iter().flat_map(|path| path.split('.')).filter(|name| !name.is_empty()).map(str::to_owned).collect();
        elements.dedup();
        if !elements.is_empty() {
            scorer.insert("elements".to_owned(), json!(elements));
        }
    }

    fn dialect(&mut self, value: &Item, scorer: &mut Map<String, Value>) {
        let dialect = value.get("databaseType").and_then(Item::scalar).unwrap_or_default().to_ascii_lowercase();
        let known = match dialect.as_str() {
            "" | "mysql" | "mariadb" => Some("mysql"),
            "postgresql" | "postgres" => Some("postgres"),
            "transactsql" => Some("mssql"),
            "sqlite" => Some("sqlite"),
            "bigquery" => Some("bigquery"),
            "hive" => Some("hive"),
            "snowflake" => Some("snowflake"),
            "redshift" => Some("redshift"),
            _ => None,
        };
        match known {
            Some(known) => {
                scorer.insert("dialect".to_owned(), json!(known));
            }
            None => self.remark("this dialect of SQL is not known; the syntax that most share is checked"),
        }
        if value.get("allowedTables").is_some() || value.get("allowedColumns").is_some() {
            self.remark("allowed tables and columns are not checked; only the syntax is");
        }
    }
}

fn set_anywhere(scorer: &mut Map<String, Value>, anywhere: bool) {
    if anywhere {
        scorer.insert("anywhere".to_owned(), json!(true));
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Recorded;
    use super::*;
    use crate::core::domain::{Example, Score};
    use crate::core::golden::example_from_row;
    use crate::core::scoring::{Answer, SuiteScorers};
    use crate::edge::config::example_scorers;

    fn example() -> Example {
        example_from_row(1, object([("input", json!("x"))])).unwrap()
    }

    /// Whether an answer passes an assertion once it is imported.
    fn passes(assertion: &str, answer: &str) -> bool {
        let out = Recorded::config(&format!(
            "prompts: ['{{{{q}}}}']\nproviders: [echo]\ndefaultTest: {{assert: [{assertion}]}}\ntests: [{{vars: {{q: a}}}}]\n"
        ));
        let scorers = example_scorers(&out.suite("shop")["scorers"]).unwrap();
        let scorers = SuiteScorers::new(&scorers, &Map::new(), example_scorers).unwrap();
        let (name, score) = scorers.of(&example()).score(&Answer::text(answer), &example(), &[]).remove(0);
        assert!(!name.is_empty() && name != "all", "{name}");
        let Score::Value(value, _) = score else { panic!("{assertion}: {score:?}") };
        value == 1.0
    }

    #[test]
    fn a_code_fence_around_an_answer_counts_as_a_part_of_it() {
        for (assertion, answer) in [
            ("{type: is-json}", "{\"a\": 1}"),
            ("{type: is-json, value: {type: object}}", "{\"a\": 1}"),
            ("{type: is-json, transform: JSON.parse(output), value: {type: object}}", "{\"a\": 1}"),
            ("{type: equals, value: {a: 1}}", "{\"a\": 1}"),
            ("{type: is-xml, metric: form}", "<a>1</a>"),
            ("{type: is-sql}", "SELECT a FROM b"),
        ] {
            let fenced = format!("```\n{answer}\n```");
            assert!(passes(assertion, answer) && !passes(assertion, &fenced), "{assertion}");
            let not = assertion.replace("type: ", "type: not-").replace("type: not-object", "type: object");
            assert!(!passes(&not, answer) && passes(&not, &fenced), "{not}");
        }
        assert!(passes("{type: contains-json}", "```\n{\"a\": 1}\n```"));
    }
}
