use super::*;
use crate::core::domain::Turns;
use crate::core::vector::dot;

fn settings(model: ModelSettings) -> EmbedderSettings {
    EmbedderSettings { model, prefix: String::new(), revision: None, text: TextRule::default() }
}

fn rows(embedder: &Prepared, texts: &[&str]) -> Vectors {
    let mut vectors = Vectors::new(embedder.dim());
    embedder.embed(texts).unwrap().iter().for_each(|vector| vectors.push(vector));
    vectors
}

#[test]
fn a_text_without_letters_or_digits_is_not_embeddable_in_any_space() {
    for model in [ModelSettings::Builtin, ModelSettings::Minilm, ModelSettings::HashedNgrams] {
        let prepared = open(EmbedderSettings { prefix: "query: ".into(), ..settings(model) }).unwrap();
        let found = rows(&prepared, &["", " \t\n", "🙂", "?!", "\u{0}\u{1b}[0m".trim_end_matches("[0m"), "…—", "a"]);
        for row in 0..6 {
            assert!(!found.is_embeddable(row), "row {row}");
        }
        assert!(found.is_embeddable(6));
    }
}

#[test]
fn hostile_texts_get_finite_vectors_that_do_not_resemble_everything() {
    let prepared = open(settings(ModelSettings::Builtin)).unwrap();
    let long = "where is my parcel ".repeat(60_000);
    let cut_inside = format!("{}é", "a".repeat(19_999));
    let texts = [
        "Где моя посылка?",
        "我的包裹在哪里",
        "أين طردي",
        "x\u{0}y\u{7}z",
        "a\u{301}\u{301}\u{301}",
        &long,
        &cut_inside,
        "Where is my parcel?",
    ];
    let found = rows(&prepared, &texts);
    assert!(found.as_slice().iter().all(|component| component.is_finite()));
    let plain = texts.len() - 1;
    for (row, text) in texts.iter().enumerate().take(5) {
        assert!(found.is_embeddable(row), "{text}");
        assert!(dot(found.row(row), found.row(plain)) < 0.5, "{text}");
    }
    assert!(dot(found.row(5), found.row(plain)) > 0.6, "repeating a text does not change its topic");
}

#[test]
fn texts_get_the_same_vectors_in_a_batch_and_alone() {
    let prepared = open(settings(ModelSettings::Builtin)).unwrap();
    let texts: Vec<String> = (0..700).map(|n| format!("order {n} of café number {} is late", n % 7)).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let together = prepared.embed(&texts).unwrap();
    for (text, vector) in texts.iter().zip(&together).step_by(97) {
        assert_eq!(&prepared.embed(&[*text]).unwrap()[0], vector);
    }
}

#[test]
fn prefix_revision_and_text_rule_are_part_of_the_space() {
    let id = |settings: EmbedderSettings| open(settings).unwrap().space().to_owned();
    let plain = || settings(ModelSettings::Builtin);
    let ids = [
        id(plain()),
        id(EmbedderSettings { prefix: "query: ".into(), ..plain() }),
        id(EmbedderSettings { revision: Some("2".into()), ..plain() }),
        id(EmbedderSettings { text: TextRule { messages: Turns::All, ..TextRule::default() }, ..plain() }),
        id(settings(ModelSettings::HashedNgrams)),
    ];
    let distinct: std::collections::HashSet<_> = ids.iter().collect();
    assert_eq!(distinct.len(), ids.len(), "{ids:?}");
    assert_eq!(ids[0], Builtin::new().unwrap().space());
}

#[test]
fn a_long_text_is_the_mean_of_its_chunks() {
    let text = TextRule { chunk_words: Some(3), ..TextRule::default() };
    let chunked = open(EmbedderSettings { text, ..settings(ModelSettings::Builtin) }).unwrap();
    let plain = open(settings(ModelSettings::Builtin)).unwrap();
    let parts = rows(&plain, &["where is it", "my card failed"]);
    let mean: Vec<f32> = parts.row(0).iter().zip(parts.row(1)).map(|(a, b)| (a + b) / 2.0).collect();
    let whole = &chunked.embed(&["where is it my card failed"]).unwrap()[0];
    assert!(whole.iter().zip(&mean).all(|(a, b)| (a - b).abs() < 1e-6));
}

#[test]
fn a_folder_without_a_model_is_refused_with_the_name_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = || folder.path().to_owned();
    let failure = open(settings(ModelSettings::Model2Vec(path()))).err().unwrap();
    assert!(failure.message.starts_with("cannot read ") && failure.hint.unwrap().contains("downloads nothing"));
    std::fs::write(folder.path().join("config.json"), "{}").unwrap();
    std::fs::write(folder.path().join("tokenizer.json"), "{\"a\":").unwrap();
    let failure = open(settings(ModelSettings::Model2Vec(path()))).err().unwrap();
    assert!(failure.message.ends_with("tokenizer.json is not a tokenizer"), "{failure}");
    let failure = open(settings(ModelSettings::Bert(path(), None))).err().unwrap();
    let wanted =
        if cfg!(feature = "bert") { "is not the configuration of a BERT model" } else { "without BERT models" };
    assert!(failure.message.contains(wanted), "{failure}");
}

/// A fixture written by `tools/space_fixtures.py`: texts, and their vectors from the reference implementation, in steps
/// of 1/30000.
fn fixture(name: &str) -> (Vec<String>, Vec<Vec<f32>>) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/spaces");
    let texts = std::fs::read_to_string(folder.join("texts.json")).unwrap();
    let file = std::fs::File::open(folder.join(format!("{name}.npy"))).unwrap();
    let file = npyz::NpyFile::new(std::io::BufReader::new(file)).unwrap();
    let dim = file.shape()[1] as usize;
    let steps: Vec<i16> = file.into_vec().unwrap();
    let vectors = steps.chunks(dim).map(|row| row.iter().map(|step| f32::from(*step) / 30_000.0).collect()).collect();
    (serde_json::from_str(&texts).unwrap(), vectors)
}

fn assert_parity(model: ModelSettings, name: &str, tolerance: f32) {
    let (texts, expected) = fixture(name);
    assert!(texts.len() >= 200 && texts.len() == expected.len());
    let prepared = open(settings(model)).unwrap();
    let found = rows(&prepared, &texts.iter().map(String::as_str).collect::<Vec<_>>());
    for (row, (text, expected)) in texts.iter().zip(&expected).enumerate() {
        let far = found.row(row).iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(far <= tolerance, "{name}: {text:?} is off by {far}");
    }
}

#[test]
fn the_built_in_space_matches_its_python_implementation() {
    assert_parity(ModelSettings::Builtin, "builtin", 1e-3);
}

#[test]
fn minilm_matches_the_original_model_with_float_weights() {
    let (texts, expected) = fixture("minilm");
    let found =
        rows(&open(settings(ModelSettings::Minilm)).unwrap(), &texts.iter().map(String::as_str).collect::<Vec<_>>());
    // Texts without a known piece have no vector in either.
    let both = (0..texts.len()).filter(|row| found.is_embeddable(*row) || expected[*row].iter().any(|x| *x != 0.0));
    let cosines: Vec<f32> = both.map(|row| dot(found.row(row), &expected[row])).collect();
    let (mean, worst) =
        (cosines.iter().sum::<f32>() / cosines.len() as f32, cosines.iter().copied().fold(1.0, f32::min));
    assert!(mean > 0.999 && worst > 0.995, "mean {mean}, worst {worst}");
}

#[test]
fn a_model2vec_folder_matches_the_python_library() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/spaces");
    for name in ["model2vec", "model2vec-quantized"] {
        assert_parity(ModelSettings::Model2Vec(folder.join(name)), name, 1e-3);
    }
}

#[cfg(feature = "bert")]
#[test]
fn a_bert_folder_matches_sentence_transformers() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/spaces");
    assert_parity(ModelSettings::Bert(folder.join("bert"), None), "bert", 1e-4);
}
