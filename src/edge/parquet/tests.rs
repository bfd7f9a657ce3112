use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::Path;
use std::sync::Arc;

use parquet::basic::{Compression, Encoding, GzipLevel};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, Int32Type, Int64Type};
use parquet::file::metadata::{ColumnChunkMetaDataBuilder, ParquetMetaDataWriter};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::core::export::fixture::{hostile, outcomes, rich_header};
use crate::core::export::{ExportedOutcome, Exporter, Header, Summary};
use crate::core::tabular::Row;

/// Every fixture, as pyarrow wrote them.
const FIXTURES: [&str; 16] = [
    "types",
    "int96",
    "nested",
    "nested-v2",
    "snappy",
    "gzip",
    "gzip-v2",
    "zstd",
    "lz4",
    "brotli",
    "groups",
    "encodings-v1",
    "encodings-v2",
    "empty",
    "nulls",
    "features",
];

fn fixture(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/import");
    std::fs::read(folder.join(format!("parquet-{name}.parquet"))).unwrap()
}

fn file_of(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}

fn read(bytes: &[u8]) -> Result<Vec<io::Result<Row>>, String> {
    rows(file_of(bytes)).map(Iterator::collect)
}

/// The rows of a file without any fault.
fn good(bytes: &[u8]) -> Vec<Value> {
    let rows = read(bytes).unwrap().into_iter().map(Result::unwrap).enumerate();
    rows.map(|(at, row)| {
        assert_eq!(row.line, at as u64 + 1);
        Value::Object(row.fields.unwrap())
    })
    .collect()
}

/// The reason why a file cannot be read, at its opening or at a row.
fn fault(bytes: &[u8]) -> String {
    match read(bytes) {
        Err(reason) => reason,
        Ok(rows) => rows.into_iter().find_map(Result::err).unwrap().to_string(),
    }
}

/// The row with a number as tools/import_fixtures/parquet.py writes it.
fn sized(number: usize) -> Value {
    let labels = ["late", "lost", "damaged"];
    json!({
        "input": format!("Question {number}: where is parcel {}?", number % 7),
        "label": labels[number % 3],
        "number": if number.is_multiple_of(5) { Value::Null } else { json!(number) },
        "score": number as f64 / 4.0,
        "tags": (0..number % 4).map(|tag| format!("t{tag}")).collect::<Vec<_>>(),
    })
}

#[test]
fn every_type_of_pyarrow_becomes_json() {
    let rows = good(&fixture("types"));
    let first = json!({
        "flag": true, "int8": -1, "int16": -1, "int32": -1, "int64": -1, "uint8": 1, "uint16": 1, "uint32": 1, "uint64": 1,
        "half": 1.5, "float": 0.1, "double": 0.1, "decimal9": 12.5, "decimal38": 1.000001, "decimal76": -1.5,
        "text": "Where is my parcel?", "large_text": "a", "binary": "plain", "picture": null, "fixed": "abcd",
        "uuid": "01234567-89ab-cdef-0123-456789abcdef", "date": "2026-09-14", "time_ms": "08:30:07.25",
        "time_us": "08:30:07.250001", "time_ns": "00:00:00.000000001", "at_ms": "2026-09-10T00:26:40.25Z",
        "at_us": "2026-09-10T00:26:40.250001Z", "at_ns": "2026-09-10T00:26:40.250000001Z",
        "local": "2026-09-14T08:30:07.250001Z", "dictionary": "red", "json": {"a": [1, null]},
    });
    let last = json!({
        "flag": false, "int8": -128, "int16": -32768, "int32": i32::MIN, "int64": i64::MIN, "uint8": 255, "uint16": 65535,
        "uint32": u32::MAX, "uint64": u64::MAX, "half": null, "float": null, "double": null, "decimal9": -0.01,
        "decimal38": "12345678901234567890.123456", "decimal76": "12345678901234567890.123456", "text": "ü 漢 🎉",
        "large_text": "", "binary": "//4=", "picture": "", "fixed": "/wD/AA==", "uuid": "00000000-0000-0000-0000-000000000000",
        "date": "0001-01-01", "time_ms": "00:00:00", "time_us": "23:59:59.999999", "time_ns": "23:59:59.999999999",
        "at_ms": "1969-12-31T23:59:59.999Z", "at_us": "1969-12-31T23:59:59.999999Z",
        "at_ns": "1969-12-31T23:59:59.999999999Z", "local": "0001-01-01T00:00:00Z", "dictionary": "green", "json": "not JSON",
    });
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[0], first);
    assert!(rows[1].as_object().unwrap().values().all(Value::is_null));
    assert_eq!(rows[1].as_object().unwrap().len(), first.as_object().unwrap().len());
    assert_eq!(rows[2], last);
}

#[test]
fn timestamps_in_96_bits_are_read_to_the_nanosecond() {
    let at = good(&fixture("int96")).into_iter().map(|row| row["at"].clone()).collect::<Vec<_>>();
    assert_eq!(at, [json!("2026-09-10T00:26:40.250000001Z"), Value::Null, json!("1969-12-31T23:59:59.999999999Z")]);
}

#[test]
fn groups_lists_and_maps_keep_their_structure() {
    let expected = [
        json!({
            "messages": [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": null}],
            "scores": {"exact": 1.0, "rouge": null}, "lists": [[1, 2], [], null, [3]], "deep": {"a": {"b": ["x", null]}},
            "maps": [{"k": [1]}, {}],
        }),
        json!({"messages": [], "scores": {}, "lists": [], "deep": {"a": null}, "maps": []}),
        json!({"messages": null, "scores": null, "lists": null, "deep": null, "maps": null}),
        json!({
            "messages": [null, {"role": "user", "content": "Bye"}], "scores": {"exact": 0.0}, "lists": [null, []],
            "deep": {"a": {"b": null}}, "maps": [null, {"k": null, "l": [null, 2]}],
        }),
    ];
    assert_eq!(good(&fixture("nested")), expected);
    assert_eq!(good(&fixture("nested-v2")), expected);
}

#[test]
fn every_compression_and_encoding_gives_the_same_rows() {
    let expected: Vec<Value> = (0..300).map(sized).collect();
    for name in ["snappy", "gzip", "gzip-v2", "zstd", "lz4"] {
        assert_eq!(good(&fixture(name)), expected[..40], "{name}");
    }
    for name in ["groups", "encodings-v1", "encodings-v2"] {
        assert_eq!(good(&fixture(name)), expected, "{name}");
    }
}

#[test]
fn brotli_is_refused_with_a_way_out() {
    let refused = match read(&fixture("brotli")) {
        Err(reason) => reason,
        Ok(rows) => rows.into_iter().find_map(Result::err).unwrap().to_string(),
    };
    assert!(refused.contains("Brotli is not read; write the file with zstd"), "{refused}");
}

#[test]
fn a_file_without_rows_and_columns_without_values_are_read() {
    assert_eq!(good(&fixture("empty")), Vec::<Value>::new());
    let row = |input: &str| json!({"input": input, "nothing": null, "text": null});
    assert_eq!(good(&fixture("nulls")), [row("a"), row("b")]);
}

#[test]
fn the_metadata_of_a_file_is_found_by_its_key() {
    let file = file_of(&fixture("features"));
    let features: Value = serde_json::from_str(&metadata_value(&file, "huggingface").unwrap().unwrap()).unwrap();
    assert_eq!(features["info"]["features"]["label"]["names"], json!(["late", "lost"]));
    assert_eq!(metadata_value(&file, "other"), Ok(None));
    assert_eq!(rows(file).unwrap().count(), 2);
}

#[test]
fn a_file_that_is_no_parquet_says_why() {
    let whole = fixture("zstd");
    let with_end = |end: &[u8]| [&whole[..whole.len() - end.len()], end].concat();
    let cases: [(Vec<u8>, &str); 6] = [
        (Vec::new(), "too short"),
        (b"PAR1".to_vec(), "too short"),
        (whole[..whole.len() - 1].to_vec(), "is it complete?"),
        (with_end(b"PARE"), "encrypted"),
        (with_end(b"\xff\xff\xff\x7fPAR1"), "larger than 64 MiB"),
        (with_end(b"\xff\xff\xff\x00PAR1"), "damaged"),
    ];
    for (bytes, reason) in cases {
        assert!(fault(&bytes).contains(reason), "{}", fault(&bytes));
    }
}

/// A file with nothing but a footer that has these schema elements, each a name and a number of children.
fn only_schema(elements: &[(&str, u32)]) -> Vec<u8> {
    let varint = |mut number: u64| {
        let mut bytes = Vec::new();
        while number >= 0x80 {
            bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        bytes.push(number as u8);
        bytes
    };
    let mut footer = vec![0x15, 2, 0x19, 0xfc];
    footer.extend(varint(elements.len() as u64));
    for (name, children) in elements {
        // The repetition, the name, the number of children.
        footer.extend([0x35, 0, 0x18]);
        footer.extend(varint(name.len() as u64));
        footer.extend(name.as_bytes());
        footer.push(0x15);
        footer.extend(varint(u64::from(*children) * 2));
        footer.push(0);
    }
    // No rows, no row groups.
    footer.extend([0x16, 0, 0x19, 0x0c, 0]);
    let length = u32::try_from(footer.len()).unwrap().to_le_bytes();
    [b"PAR1".as_slice(), &footer, &length, b"PAR1"].concat()
}

#[test]
fn a_schema_that_is_too_deep_or_promises_too_much_is_an_error() {
    let long = "x".repeat(1 << 20);
    let cases: [(Vec<(&str, u32)>, &str); 5] = [
        (vec![("a", 1); 50_000], "nested too deeply"),
        (vec![("a", i32::MAX as u32); 2], "the footer is damaged"),
        (vec![("a", 1)], "the footer is damaged"),
        (vec![("a", 0); 150_000], "the footer is damaged"),
        ([vec![(long.as_str(), 80)], vec![("a", 0); 80]].concat(), "too long"),
    ];
    for (elements, reason) in cases {
        assert!(fault(&only_schema(&elements)).contains(reason), "{}", fault(&only_schema(&elements)));
    }
}

/// A file with one column and no statistics, as the `parquet` crate writes it. The levels are those of definition and
/// those of repetition.
fn one_column<T: DataType>(
    column: &str,
    properties: WriterPropertiesBuilder,
    values: &[T::T],
    levels: Option<(&[i16], &[i16])>,
) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(&format!("message m {{ {column} }}")).unwrap());
    let properties = Arc::new(properties.set_statistics_enabled(EnabledStatistics::None).build());
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, properties).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let (defined, repeated) = levels.unzip();
    column.typed::<T>().write_batch(values, defined, repeated).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
    bytes
}

/// A file with one row, a list of equal values.
fn one_list<T: DataType>(column: &str, value: T::T, count: usize) -> Vec<u8> {
    let repeated: Vec<i16> = (0..count).map(|at| i16::from(at > 0)).collect();
    let properties = WriterProperties::builder().set_dictionary_page_size_limit(64 << 20);
    one_column::<T>(column, properties, &vec![value; count], Some((&vec![1; count], &repeated)))
}

/// The file with a change in what its row groups say about their columns.
fn with_columns(bytes: &[u8], change: fn(ColumnChunkMetaDataBuilder) -> ColumnChunkMetaDataBuilder) -> Vec<u8> {
    let metadata = footer::read(&file_of(bytes)).unwrap();
    let groups = metadata.row_groups().iter().map(|group| {
        let columns = group.columns().iter().map(|column| change(column.clone().into_builder()).build().unwrap());
        group.clone().into_builder().set_column_metadata(columns.collect()).build().unwrap()
    });
    let groups = groups.collect();
    let size = bytes.len() - 8;
    let footer = u32::from_le_bytes(bytes[size..size + 4].try_into().unwrap()) as usize;
    let mut changed = bytes[..size - footer].to_vec();
    let metadata = metadata.into_builder().set_row_groups(groups).build();
    ParquetMetaDataWriter::new(&mut changed, &metadata).finish().unwrap();
    changed
}

#[test]
fn a_row_that_refers_to_one_text_many_times_is_an_error() {
    let text = || ByteArray::from(vec![b'x'; 1 << 20]);
    let list = |count| one_list::<ByteArrayType>("repeated binary a (STRING);", text(), count);
    let rows = good(&list(50));
    assert_eq!(rows[0]["a"].as_array().unwrap().len(), 50);
    assert!(list(100).len() < 2 << 20);
    assert_eq!(fault(&list(100)), "row group 1: a row takes more than 64 MiB in memory");
}

#[test]
fn a_row_that_repeats_a_long_name_is_an_error() {
    let name = "x".repeat(1 << 20);
    let list = |count| one_list::<Int32Type>(&format!("repeated group a {{ required int32 {name}; }}"), 7, count);
    assert_eq!(good(&list(50))[0]["a"][49][&name], json!(7));
    assert_eq!(fault(&list(100)), "row group 1: a row takes more than 64 MiB in memory");
}

#[test]
fn a_json_that_takes_much_more_memory_than_its_text_is_an_error() {
    let cell = |text: String| {
        let value = ByteArray::from(text.into_bytes());
        one_column::<ByteArrayType>("required binary a (JSON);", WriterProperties::builder(), &[value], None)
    };
    let list = |element: &str, count| cell(format!("[{}0]", format!("{element},").repeat(count)));
    assert_eq!(good(&list("0", 1_000_000))[0]["a"].as_array().unwrap().len(), 1_000_001);
    assert_eq!(good(&cell(json!("{".repeat(10 << 20)).to_string()))[0]["a"].as_str().unwrap().len(), 10 << 20);
    for (element, count) in [("0", 2_000_000), ("[]", 1_000_000), ("{}", 200_000), ("{\"a\":0}", 200_000)] {
        assert_eq!(fault(&list(element, count)), "row group 1: a row takes more than 64 MiB in memory", "{element}");
    }
}

#[test]
fn many_rows_together_may_be_larger_than_one() {
    let values = vec![ByteArray::from(vec![b'x'; 1 << 20]); 100];
    let bytes = one_column::<ByteArrayType>("required binary a (STRING);", WriterProperties::builder(), &values, None);
    assert!(rows(file_of(&bytes)).unwrap().all(|row| row.unwrap().fields.is_ok()));
    assert_eq!(rows(file_of(&bytes)).unwrap().count(), 100);
}

#[test]
fn the_header_of_a_page_is_checked_before_the_page_before_it_is_read() {
    let properties = WriterProperties::builder()
        .set_dictionary_enabled(false)
        .set_data_page_row_count_limit(1)
        .set_write_batch_size(1);
    let mut bytes = one_column::<Int64Type>("repeated int64 a;", properties, &[7; 4], Some((&[1; 4], &[0, 1, 0, 1])));
    assert_eq!(good(&bytes), [json!({"a": [7, 7]}), json!({"a": [7, 7]})]);
    // The type, two sizes, and the header of a data page.
    let is_start = |window: &[u8]| matches!(window, [0x15, 0, 0x15, _, 0x15, _, 0x2c]);
    let starts: Vec<usize> = (0..bytes.len() - 7).filter(|at| is_start(&bytes[*at..at + 7])).collect();
    assert_eq!((starts.len(), starts[0]), (2, 4));
    // An index page, of which the decoder would skip the header and take the rest for a header.
    bytes[starts[1] + 1] = 2;
    assert_eq!(fault(&bytes), "row group 1: the file is damaged: a page of an unknown type");
}

#[test]
fn a_page_in_a_column_of_gzip_is_gzip_unless_it_says_that_it_is_not_compressed() {
    let column = |version, values: &[i64]| {
        let properties = WriterProperties::builder()
            .set_compression(Compression::GZIP(GzipLevel::default()))
            .set_dictionary_enabled(false)
            .set_encoding(Encoding::PLAIN)
            .set_writer_version(version);
        one_column::<Int64Type>("required int64 a;", properties, values, None)
    };
    let magic = |bytes: &[u8]| bytes.windows(3).position(|window| window == [0x1f, 0x8b, 8]);
    // One value would only become longer.
    let plain = column(WriterVersion::PARQUET_2_0, &[7]);
    assert_eq!((magic(&plain), good(&plain)), (None, vec![json!({"a": 7})]));
    for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
        let values: Vec<i64> = (0..1000).map(|number| number * number * number % 7919).collect();
        let mut bytes = column(version, &values);
        assert_eq!(good(&bytes).len(), 1000);
        let at = magic(&bytes).unwrap();
        bytes[at] = 0;
        assert_eq!(fault(&bytes), "row group 1: the file is damaged: a page that is not gzip");
    }
}

#[test]
fn a_dictionary_at_the_start_of_the_file_is_none() {
    let properties = WriterProperties::builder().set_dictionary_enabled(false);
    let bytes = one_column::<Int64Type>("required int64 a;", properties, &[7, 8], None);
    let changed = with_columns(&bytes, |column| column.set_dictionary_page_offset(Some(0)));
    let metadata = footer::read(&file_of(&changed)).unwrap();
    assert_eq!(metadata.row_group(0).column(0).dictionary_page_offset(), Some(0));
    assert_eq!(good(&changed), [json!({"a": 7}), json!({"a": 8})]);
}

#[test]
fn compressions_that_are_not_read_are_named() {
    let properties = WriterProperties::builder().set_compression(Compression::LZ4_RAW);
    let bytes = one_column::<Int64Type>("required int64 a;", properties, &[7; 100], None);
    assert_eq!(good(&bytes).len(), 100);
    let lzo = fault(&with_columns(&bytes, |column| column.set_compression(Compression::LZO)));
    assert_eq!(lzo, "row group 1: LZO is not read; write the file with zstd, snappy, gzip or lz4");
    let older = fault(&with_columns(&bytes, |column| column.set_compression(Compression::LZ4)));
    assert!(older.contains("in the older form of LZ4, which is not read; write the file with zstd"), "{older}");
}

#[test]
fn a_timestamp_beyond_the_last_one_is_null_and_its_row_is_kept() {
    let values = [253_402_300_799_999, i64::MAX];
    let bytes = one_column::<Int64Type>(
        "required int64 a (TIMESTAMP(MILLIS,true));",
        WriterProperties::builder(),
        &values,
        None,
    );
    assert_eq!(good(&bytes), [json!({"a": "9999-12-31T23:59:59.999Z"}), json!({"a": null})]);
}

#[test]
fn a_page_that_inflates_beyond_its_size_is_an_error() {
    let properties = WriterProperties::builder()
        .set_compression(Compression::GZIP(GzipLevel::default()))
        .set_dictionary_enabled(false)
        .set_data_page_size_limit(64 << 20)
        .set_data_page_row_count_limit(1 << 30)
        .set_write_batch_size(1 << 30);
    let mut bytes = one_column::<Int64Type>("required int64 a;", properties, &vec![7; 1_000_000], None);
    assert_eq!(read(&bytes).unwrap().len(), 1_000_000);
    // The size of 8,000,000 bytes, twice as the protocol has it.
    let size = [0x80, 0xc8, 0xd0, 0x07];
    assert_eq!(bytes[4..11], [0x15, 0, 0x15, size[0], size[1], size[2], size[3]]);
    bytes[9] -= 1;
    assert_eq!(fault(&bytes), "row group 1: the file is damaged: a page is larger than it says");
}

#[test]
fn a_text_that_is_not_utf_8_is_a_bad_row_and_the_others_are_read() {
    let mut bytes = fixture("types");
    let at = bytes.windows(19).position(|window| window == b"Where is my parcel?").unwrap();
    bytes[at] = 0xff;
    let rows: Vec<Row> = read(&bytes).unwrap().into_iter().map(Result::unwrap).collect();
    assert_eq!(rows[0].fields, Err("column \"text\": the text is not UTF-8".to_owned()));
    assert!(rows[1].fields.is_ok() && rows[2].fields.is_ok());
}

/// Reads damaged bytes and returns whether the rows end with an error, if they begin.
fn survives(bytes: &[u8]) -> Result<(), TestCaseError> {
    let Ok(rows) = rows(file_of(bytes)) else { return Ok(()) };
    let (mut line, mut failed) = (0, false);
    for row in rows.take(100_000) {
        prop_assert!(!failed, "a row after an error");
        match row {
            Ok(row) => {
                line += 1;
                prop_assert_eq!(row.line, line);
            }
            Err(error) => {
                prop_assert!(error.to_string().starts_with("row group "), "{}", error);
                failed = true;
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn damaged_files_never_panic(
        name in prop::sample::select(FIXTURES.as_slice()),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        in_footer in any::<bool>(),
    ) {
        let mut bytes = fixture(name);
        let size = bytes.len() - 8;
        let footer = u32::from_le_bytes(bytes[size..size + 4].try_into().unwrap()) as usize;
        for (at, value) in changes {
            let at = if in_footer { size - footer + at.index(footer) } else { 4 + at.index(size - footer) };
            bytes[at] = value;
        }
        survives(&bytes)?;
    }

    #[test]
    fn truncated_files_are_errors(name in prop::sample::select(FIXTURES.as_slice()), end in any::<prop::sample::Index>()) {
        let bytes = fixture(name);
        prop_assert!(rows(file_of(&bytes[..end.index(bytes.len())])).is_err());
    }

    #[test]
    fn files_without_a_piece_never_panic(
        name in prop::sample::select(FIXTURES.as_slice()),
        from in any::<prop::sample::Index>(),
        count in 1_usize..200,
    ) {
        let mut bytes = fixture(name);
        let from = from.index(bytes.len());
        bytes.drain(from..(from + count).min(bytes.len()));
        survives(&bytes)?;
    }
}

fn export(header: &Header, outcomes: &[ExportedOutcome]) -> Vec<u8> {
    let mut bytes = Vec::new();
    {
        let mut exporter = ParquetWriter::new(&mut bytes).unwrap();
        exporter.begin(header).unwrap();
        outcomes.iter().for_each(|outcome| exporter.write(outcome).unwrap());
        exporter.end(&Summary::default()).unwrap();
    }
    bytes
}

#[test]
fn exported_outcomes_are_read_back_with_their_types() {
    let rows = good(&export(&rich_header(), &outcomes()));
    let column = |name: &str| rows.iter().map(|row| row[name].clone()).collect::<Vec<_>>();
    assert_eq!(column("example_id"), [json!("a"), json!("b"), json!("c"), json!("a")]);
    assert_eq!(column("trial"), [json!(0), json!(0), json!(0), json!(1)]);
    let at = json!("2026-09-14T08:30:07.25Z");
    assert_eq!(column("answered_at"), [at.clone(), at.clone(), Value::Null, at]);
    assert_eq!(column("started_at")[0], json!("2026-09-14T08:30:00Z"));
    assert_eq!(column("expected")[1], json!(["greeting", "{\"intent\":\"greeting\"}"]));
    assert_eq!(column("expected")[3], json!([]));
    assert_eq!(column("input_json")[..2], [Value::Null, json!([{"role": "user", "content": "Hello"}])]);
    assert_eq!(column("tags")[..2], [json!(["billing", "de"]), json!([])]);
    assert_eq!(column("metadata")[0], json!({"tier": {"level": 3}}));
    assert_eq!(column("cached"), [json!(false), json!(true), json!(false), json!(false)]);
    assert_eq!(column("score.exact"), [json!(1.0), json!(0.0), Value::Null, Value::Null]);
    assert_eq!(column("state.judge"), [json!("skipped"), json!("failed"), Value::Null, Value::Null]);
    assert_eq!(column("reason.rouge")[0], json!("3 of 4 words"));
    assert_eq!(column("error_kind")[2], json!("timeout"));
    assert_eq!((&rows[2]["latency_ms"], &rows[2]["attempts"]), (&Value::Null, &json!(3)));
}

#[test]
fn the_columns_are_those_of_csv_in_the_same_order() {
    let mut csv = Vec::new();
    {
        let mut writer = crate::core::export::csv::Csv::new(&mut csv);
        writer.begin(&rich_header()).unwrap();
        writer.end(&Summary::default()).unwrap();
    }
    let header = String::from_utf8(csv).unwrap();
    let written = export(&rich_header(), &outcomes());
    let metadata = footer::read(&file_of(&written)).unwrap();
    let names: Vec<&str> = metadata.file_metadata().schema().get_fields().iter().map(|field| field.name()).collect();
    assert_eq!(names, header.trim_end().split(',').collect::<Vec<_>>());
}

#[test]
fn hostile_text_is_unchanged_and_impossible_numbers_are_null() {
    let (outcome, rows) = (hostile(), good(&export(&rich_header(), &[hostile()])));
    assert_eq!(rows[0]["output"], json!(outcome.output));
    assert_eq!(rows[0]["input_json"], outcome.input);
    assert_eq!(rows[0]["tags"], json!(outcome.tags));
    for name in ["score.exact", "score.rouge", "latency_ms", "cost", "prompt_tokens"] {
        assert_eq!(rows[0][name], Value::Null, "{name}");
    }
    assert_eq!(rows[0]["state.rouge"], json!("failed"));
}

#[test]
fn a_run_without_outcomes_is_a_file_without_rows() {
    let bytes = export(&rich_header(), &[]);
    assert!(good(&bytes).is_empty());
    assert_eq!(metadata_value(&file_of(&bytes), "karat.version"), Ok(Some("0.1.0".to_owned())));
}

#[test]
fn many_outcomes_are_written_in_several_row_groups() {
    let one = outcomes().remove(0);
    let many: Vec<ExportedOutcome> = (0..45_000).map(|trial| ExportedOutcome { trial, ..one.clone() }).collect();
    let bytes = export(&rich_header(), &many);
    let groups = footer::read(&file_of(&bytes)).unwrap();
    let sizes: Vec<i64> = groups.row_groups().iter().map(|group| group.num_rows()).collect();
    assert_eq!(sizes, [20_000, 20_000, 5_000]);
    let trials = rows(file_of(&bytes)).unwrap().map(|row| row.unwrap().fields.unwrap()["trial"].clone());
    assert!(trials.eq((0..45_000).map(Value::from)));
    // Long texts fill a row group sooner.
    let long = ExportedOutcome { output: Some("x".repeat(1 << 20)), ..one };
    let bytes = export(&rich_header(), &vec![long; 100]);
    assert_eq!(footer::read(&file_of(&bytes)).unwrap().num_row_groups(), 2);
}

#[test]
fn an_outcome_of_an_unknown_run_and_one_before_the_start_are_errors() {
    let stray = ExportedOutcome { run: 9, ..outcomes().remove(0) };
    let mut writer = ParquetWriter::new(Vec::new()).unwrap();
    assert!(writer.write(&stray).is_err() && writer.end(&Summary::default()).is_err());
    writer.begin(&rich_header()).unwrap();
    assert!(writer.write(&stray).is_err() && writer.begin(&rich_header()).is_err());
}
