//! SQL in answers.

use sqlparser::dialect::{Dialect, GenericDialect, dialect_from_str};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use super::blocks::{blocks, find_block};
use super::{Fault, byte_at, check};

/// Maximum length of SQL, in bytes. The parsed form of a text needs a few hundred times its size.
const MAX_LENGTH: usize = 256 << 10;

/// Maximum depth of brackets. The parser has a limit for most, but not for all kinds of nesting.
const MAX_DEPTH: usize = 100;

/// Maximum number of operators and keywords. Each may add a level to a tree that is dropped recursively, such as that of
/// `1 + 1 + 1`.
const MAX_OPERATORS: usize = 10_000;

/// Maximum depth of the parser's recursion, about one to three levels for each subquery or bracket.
const RECURSION_LIMIT: usize = 50;

/// Stack of the thread that parses. At the limits above, less than 2 MiB are used in an optimised build.
const STACK: usize = 16 << 20;

/// The labels of code blocks with SQL.
const LABELS: [&str; 16] = [
    "sql",
    "postgresql",
    "postgres",
    "pgsql",
    "plpgsql",
    "mysql",
    "mariadb",
    "sqlite",
    "tsql",
    "mssql",
    "plsql",
    "bigquery",
    "snowflake",
    "duckdb",
    "sparksql",
    "hiveql",
];

/// Other names of dialects.
const ALIASES: [(&str, &str); 10] = [
    ("postgresql", "postgres"),
    ("pg", "postgres"),
    ("mariadb", "mysql"),
    ("sqlite3", "sqlite"),
    ("sqlserver", "mssql"),
    ("transactsql", "mssql"),
    ("tsql", "mssql"),
    ("sparksql", "spark"),
    ("hiveql", "hive"),
    ("standard", "ansi"),
];

/// A dialect of SQL. The default, `generic`, accepts what any of the others accept, as far as that is possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SqlDialect(&'static str);

impl Default for SqlDialect {
    fn default() -> Self {
        Self("generic")
    }
}

impl SqlDialect {
    /// The names of all dialects.
    pub const NAMES: [&'static str; 16] = [
        "generic",
        "ansi",
        "bigquery",
        "clickhouse",
        "databricks",
        "duckdb",
        "hive",
        "mssql",
        "mysql",
        "oracle",
        "postgres",
        "redshift",
        "snowflake",
        "spark",
        "sqlite",
        "teradata",
    ];

    /// The dialect with a name, in any case and with any punctuation: one of [`SqlDialect::NAMES`], or another common
    /// name such as `PostgreSQL`, `MariaDB` or `T-SQL`.
    pub fn named(name: &str) -> Option<Self> {
        let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
        let alias = ALIASES.into_iter().find(|(alias, _)| *alias == name).map(|(_, name)| name);
        Self::NAMES.into_iter().find(|known| *known == alias.unwrap_or(&name)).map(Self)
    }

    /// The name of the dialect, one of [`SqlDialect::NAMES`].
    pub fn name(self) -> &'static str {
        self.0
    }
}

/// Whether an answer is SQL in a dialect, alone or in one code fence: one or more statements, separated by semicolons
/// (sqlparser). Only the syntax is checked, and loosely: `SHOW me the tables` is a statement to the parser.
///
/// Text of more than 256 KiB, brackets nested more than 100 levels deep, recursion of the parser beyond 50 levels, and
/// more than 10,000 operators and keywords are refused.
///
/// # Errors
/// Returns the place and what is wrong there.
pub fn is_sql(answer: &str, dialect: SqlDialect) -> Result<(), String> {
    check(answer, |text| {
        if text.len() > MAX_LENGTH {
            return Err(Fault::new(0, "there is more SQL than can be checked"));
        }
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().stack_size(STACK);
            match thread.spawn_scoped(scope, || statements(text, dialect)) {
                Ok(parsing) => parsing.join().unwrap_or_else(|_| Err(Fault::new(0, "the SQL could not be parsed"))),
                Err(_) => statements(text, dialect),
            }
        })
    })
}

/// The content of the first code block labelled `sql` or with the name of a dialect, or else of the first one without a
/// label.
pub fn find_sql(text: &str) -> Option<&str> {
    find_block(text, &LABELS)
        .or_else(|| blocks(text).find(|block| block.label.is_empty()).map(|block| block.content.trim()))
}

fn statements(text: &str, dialect: SqlDialect) -> Result<(), Fault> {
    let dialect = dialect_from_str(dialect.name()).unwrap_or_else(|| Box::new(GenericDialect));
    let dialect: &dyn Dialect = &*dialect;
    let tokens = Tokenizer::new(dialect, text).tokenize_with_location();
    let tokens = tokens.map_err(|error| located(text, &error.to_string()))?;
    within_limits(text, &tokens)?;
    let mut parser = Parser::new(dialect).with_recursion_limit(RECURSION_LIMIT).with_tokens_with_locations(tokens);
    let mut count = 0;
    loop {
        let mut is_separated = count == 0;
        while parser.consume_token(&Token::SemiColon) {
            is_separated = true;
        }
        match parser.peek_token_ref() {
            TokenWithSpan { token: Token::EOF, .. } if count > 0 => return Ok(()),
            TokenWithSpan { token: Token::EOF, .. } => return Err(Fault::new(0, "there is no SQL statement")),
            TokenWithSpan { token, span } if !is_separated => {
                let at = byte_at(text, span.start.line, span.start.column);
                return Err(Fault::new(at, format!("expected the end of the statement, found {token}")));
            }
            _ => {}
        }
        // Each statement is dropped before the next one is parsed.
        parser.parse_statement().map_err(|error| fault(text, &error))?;
        count += 1;
    }
}

fn within_limits(text: &str, tokens: &[TokenWithSpan]) -> Result<(), Fault> {
    let (mut depth, mut operators) = (0_usize, 0_usize);
    for TokenWithSpan { token, span } in tokens {
        match token {
            Token::LParen | Token::LBracket | Token::LBrace => depth += 1,
            Token::RParen | Token::RBracket | Token::RBrace => depth = depth.saturating_sub(1),
            _ => {}
        }
        operators += usize::from(is_operator(token));
        if depth > MAX_DEPTH || operators > MAX_OPERATORS {
            let at = byte_at(text, span.start.line, span.start.column);
            let what = if depth > MAX_DEPTH { "nested deeper" } else { "longer" };
            return Err(Fault::new(at, format!("the SQL is {what} than can be checked")));
        }
    }
    Ok(())
}

/// Whether a token may make the tree deeper. Names, values, commas and the like only make it wider.
fn is_operator(token: &Token) -> bool {
    match token {
        Token::Word(word) => !matches!(
            word.keyword,
            Keyword::NoKeyword | Keyword::NULL | Keyword::TRUE | Keyword::FALSE | Keyword::DEFAULT
        ),
        Token::Whitespace(_) | Token::Comma | Token::LParen | Token::RParen | Token::SemiColon | Token::Period => false,
        Token::Number(..) | Token::SingleQuotedString(_) | Token::DoubleQuotedString(_) => false,
        _ => true,
    }
}

fn fault(text: &str, error: &ParserError) -> Fault {
    match error {
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => located(text, message),
        ParserError::RecursionLimitExceeded => Fault::new(0, "the SQL is nested deeper than can be checked"),
    }
}

/// A fault from a message that ends with its place; without a place it is about the end of the text.
fn located(text: &str, message: &str) -> Fault {
    let (problem, place) = message.rsplit_once(" at Line: ").unwrap_or((message, ""));
    let numbers =
        place.split_once(", Column: ").and_then(|(line, column)| Some((line.parse().ok()?, column.parse().ok()?)));
    let at = numbers.map_or(text.len(), |(line, column)| byte_at(text, line, column));
    let problem = problem.replace("Expected: ", "expected ").replace(", found: ", ", found ");
    Fault::new(at, problem.replace("found EOF", "found the end of the text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sql(answer: &str, dialect: &str) -> Result<(), String> {
        is_sql(answer, SqlDialect::named(dialect).unwrap())
    }

    #[test]
    fn statements_are_valid_in_their_dialects() {
        let cases = [
            (
                "SELECT a, count(*) FROM t WHERE b = 'x' GROUP BY a HAVING count(*) > 1 ORDER BY 2 DESC LIMIT 5;",
                "generic",
            ),
            ("WITH r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT * FROM r", "postgres"),
            ("INSERT INTO t (a) VALUES (-1), (2) ON CONFLICT (a) DO NOTHING RETURNING a", "postgres"),
            ("SELECT DISTINCT ON (a) a, data->>'b' FROM t WHERE c::date = now()", "postgres"),
            ("SELECT `a` FROM `t` LIMIT 1, 2", "mysql"),
            ("SELECT TOP 5 [a b] FROM [dbo].[t]", "mssql"),
            ("SELECT * EXCEPT (a) FROM `p.d.t`", "bigquery"),
            (
                "SELECT v:a.b::string FROM t, LATERAL FLATTEN(input => v:c) f QUALIFY row_number() OVER (ORDER BY 1) = 1",
                "snowflake",
            ),
            ("FROM t SELECT a", "duckdb"),
            ("CREATE TABLE IF NOT EXISTS t (a INTEGER PRIMARY KEY AUTOINCREMENT)", "sqlite"),
            ("UPDATE t SET a = 1; DELETE FROM t WHERE b IS NULL;;", "ansi"),
            ("-- note\nSELECT 'é東京🙂'", "generic"),
            ("```sql\nSELECT 1\n```", "generic"),
        ];
        for (answer, dialect) in cases {
            assert_eq!(sql(answer, dialect), Ok(()), "{answer}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let cases = [
            (
                "SELECT a FROM\n t WHERE",
                "generic",
                "line 2, column 9: expected an expression, found the end of the text",
            ),
            ("SELECT 'é' a b", "generic", "line 1, column 14: expected the end of the statement, found b"),
            ("The query is SELECT 1", "generic", "line 1, column 1: expected an SQL statement, found The"),
            ("SELECT 1; and done", "generic", "line 1, column 11: expected an SQL statement, found and"),
            ("SELECT 'a", "generic", "line 1, column 8: Unterminated string literal"),
            ("SELECT [a b] FROM t", "mysql", "line 1, column 11: expected ], found b"),
            ("-- nothing", "generic", "line 1, column 1: there is no SQL statement"),
            (";", "generic", "line 1, column 1: there is no SQL statement"),
        ];
        for (answer, dialect, error) in cases {
            assert_eq!(sql(answer, dialect), Err(error.to_owned()), "{answer}");
        }
    }

    #[test]
    fn long_lists_are_valid_and_long_chains_are_refused() {
        let rows = format!("INSERT INTO t VALUES {}", vec!["(1, 'a', NULL, 2.5)"; 8000].join(", "));
        assert_eq!(sql(&rows, "generic"), Ok(()));
        let long = "the SQL is longer than can be checked";
        for (start, unit) in
            [("SELECT 1", " + 1"), ("SELECT 1", " UNION SELECT 1"), ("SELECT a", "::int"), ("SELECT a", " IS NULL")]
        {
            let chain = |count: usize| format!("{start}{}", unit.repeat(count));
            assert_eq!(sql(&chain(3000), "postgres"), Ok(()), "{unit}");
            assert!(sql(&chain(10_001), "postgres").unwrap_err().ends_with(long), "{unit}");
        }
    }

    #[test]
    fn nesting_that_the_parser_does_not_limit_is_refused() {
        let nested = [
            ("SELECT * FROM t MATCH_RECOGNIZE (PATTERN (", "(", "generic"),
            ("CREATE STAGE s FILE_FORMAT=(", "a=(", "snowflake"),
            ("SELECT ", "(", "generic"),
            ("SELECT * FROM ", "(SELECT * FROM ", "mysql"),
        ];
        for (start, unit, dialect) in nested {
            let error = sql(&format!("{start}{}", unit.repeat(10_000)), dialect).unwrap_err();
            assert!(error.ends_with("nested deeper than can be checked"), "{error}");
        }
        assert!(sql(&"EXPLAIN ".repeat(5000), "generic").unwrap_err().ends_with("nested deeper than can be checked"));
    }

    #[test]
    fn dialects_have_common_names() {
        for name in SqlDialect::NAMES {
            assert_eq!(SqlDialect::named(name).map(SqlDialect::name), Some(name));
            assert!(dialect_from_str(name).is_some(), "{name}");
        }
        let names = [
            ("PostgreSQL", "postgres"),
            ("T-SQL", "mssql"),
            ("SQL Server", "mssql"),
            ("MariaDB", "mysql"),
            ("SQLite", "sqlite"),
        ];
        for (alias, name) in names {
            assert_eq!(SqlDialect::named(alias).map(SqlDialect::name), Some(name));
        }
        assert_eq!(SqlDialect::named("cobol"), None);
        assert_eq!(SqlDialect::named(SqlDialect::default().name()), Some(SqlDialect::default()));
    }

    #[test]
    fn sql_is_found_in_labelled_blocks_before_others() {
        let cases = [
            ("```\nSELECT 1\n```\n```SQL\nSELECT 2\n```", Some("SELECT 2")),
            ("Use:\n```\nSELECT 1;\n```", Some("SELECT 1;")),
            ("```python\nx\n```", None),
            ("SELECT 1", None),
        ];
        for (text, expected) in cases {
            assert_eq!(find_sql(text), expected, "{text}");
        }
    }
}
