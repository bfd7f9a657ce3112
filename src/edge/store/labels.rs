//! Label tasks, and the labels given.

use jiff::Timestamp;
use rusqlite::{Connection, Row, named_params, params};

use super::outcomes::timestamp;
use super::{Store, contents};
use crate::core::domain::{Failure, Window};
use crate::core::labelling::{LabelRow, LabelTask, Labels, SliceDraw, Subject};

impl Store {
    /// Saves tasks in one commit. A task that is exported again takes its present input and answers; a random draw stays
    /// recorded, with the larger probability, and so does what was applied.
    ///
    /// # Errors
    /// A store failure.
    pub fn save_label_tasks(&self, tasks: &[LabelTask], now: Timestamp) -> Result<(), Failure> {
        let tasks = tasks.to_vec();
        self.writer()
            .write(move |connection| tasks.iter().try_for_each(|task| write_task(connection, task, &now.to_string())))
    }

    /// The tasks of a dataset, by id; of all datasets if none is given.
    ///
    /// # Errors
    /// A store failure.
    pub fn label_tasks(&self, dataset: Option<&str>) -> Result<Vec<LabelTask>, Failure> {
        let sql = "SELECT t.task_id, t.dataset, t.example_id, t.source, t.record_id, t.expected, t.candidate, t.probability, \
                   t.window_from, t.window_to, t.settled, c.codec, c.data \
                   FROM label_tasks t JOIN contents c ON c.id = t.input WHERE ?1 IS NULL OR t.dataset = ?1 ORDER BY t.task_id";
        self.rows(sql, [dataset], task)
    }

    /// The labels of a dataset's tasks, by task and annotator.
    ///
    /// # Errors
    /// A store failure.
    pub fn labels(&self, dataset: &str) -> Result<Vec<LabelRow>, Failure> {
        let sql = "SELECT l.task_id, l.annotator, l.label, l.labeled_at, l.comment \
                   FROM labels l JOIN label_tasks t ON t.task_id = l.task_id WHERE t.dataset = ?1 \
                   ORDER BY l.task_id, l.annotator";
        self.rows(sql, [dataset], |row| {
            let at: String = row.get(3)?;
            Ok(LabelRow {
                task_id: row.get(0)?,
                annotator: row.get(1)?,
                label: row.get(2)?,
                labeled_at: timestamp(3, &at)?,
                comment: row.get(4)?,
            })
        })
    }
}

fn task(row: &Row<'_>) -> rusqlite::Result<LabelTask> {
    let json = |column: usize, text: String| -> rusqlite::Result<Vec<String>> {
        serde_json::from_str(&text).map_err(|error| contents::damaged(column, error))
    };
    let time = |column: usize| -> rusqlite::Result<Option<Timestamp>> {
        row.get::<_, Option<String>>(column)?.map(|text| timestamp(column, &text)).transpose()
    };
    let subject = match row.get(2)? {
        Some(id) => Subject::Example { id },
        None => Subject::Record { source: row.get(3)?, id: row.get(4)? },
    };
    let window = time(8)?.zip(time(9)?).map(|(from, to)| Window { from, to });
    let probability: Option<f64> = row.get(7)?;
    let input = contents::unpack_text(row, 11)?;
    Ok(LabelTask {
        task_id: row.get(0)?,
        dataset: row.get(1)?,
        subject,
        input: serde_json::from_str(&input).map_err(|error| contents::damaged(12, error))?,
        expected: json(5, row.get(5)?)?,
        candidate: row.get(6)?,
        slice: probability.zip(window).map(|(probability, window)| SliceDraw { probability, window }),
        settled: row.get::<_, Option<String>>(10)?.map(|text| json(10, text)).transpose()?,
    })
}

fn write_task(connection: &Connection, task: &LabelTask, now: &str) -> rusqlite::Result<()> {
    let sql = "INSERT INTO label_tasks (task_id, dataset, example_id, source, record_id, input, expected, candidate, \
               probability, window_from, window_to, exported_at) \
               VALUES (:task, :dataset, :example, :source, :record, :input, :expected, :candidate, :probability, :from, :to, :now) \
               ON CONFLICT (task_id) DO UPDATE SET input = excluded.input, expected = excluded.expected, \
               candidate = max(candidate, excluded.candidate), exported_at = excluded.exported_at, \
               window_from = iif(excluded.probability > ifnull(probability, 0), excluded.window_from, window_from), \
               window_to = iif(excluded.probability > ifnull(probability, 0), excluded.window_to, window_to), \
               probability = iif(excluded.probability > ifnull(probability, 0), excluded.probability, probability)";
    let (example, source, record) = match &task.subject {
        Subject::Example { id } => (Some(id), None, None),
        Subject::Record { source, id } => (None, Some(source), Some(id)),
    };
    let window = task.slice.map(|slice| slice.window);
    let row = named_params! {
        ":task": task.task_id, ":dataset": task.dataset, ":example": example, ":source": source, ":record": record,
        ":input": contents::put(connection, task.input.to_string().as_bytes())?,
        ":expected": serde_json::Value::from(task.expected.clone()).to_string(), ":candidate": task.candidate,
        ":probability": task.slice.map(|slice| slice.probability),
        ":from": window.map(|window| window.from.to_string()), ":to": window.map(|window| window.to.to_string()),
        ":now": now,
    };
    connection.prepare_cached(sql)?.execute(row).map(drop)
}

/// Writes labels and what was applied.
pub(super) fn write_labels(connection: &Connection, labels: &Labels) -> rusqlite::Result<()> {
    let sql = "INSERT INTO labels (task_id, annotator, label, labeled_at, comment) VALUES (?1, ?2, ?3, ?4, ?5) \
               ON CONFLICT (task_id, annotator) DO UPDATE SET label = excluded.label, labeled_at = excluded.labeled_at, \
               comment = excluded.comment";
    for row in &labels.rows {
        let labeled_at = row.labeled_at.to_string();
        connection.prepare_cached(sql)?.execute(params![
            row.task_id,
            row.annotator,
            row.label,
            labeled_at,
            row.comment
        ])?;
    }
    for settled in &labels.settled {
        let answers = serde_json::Value::from(settled.answers.clone()).to_string();
        let sql = "UPDATE label_tasks SET settled = ?2 WHERE task_id = ?1";
        connection.prepare_cached(sql)?.execute(params![settled.task_id, answers])?;
    }
    Ok(())
}
