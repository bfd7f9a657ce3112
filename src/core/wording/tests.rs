use super::*;

const ASKED: [&str; 8] = [
    "where is my parcel",
    "cancel my order",
    "change the delivery address",
    "how do i return shoes",
    "is the store open on sunday",
    "reset the password",
    "do you ship to norway",
    "what sizes are there",
];

fn examples() -> Vec<&'static str> {
    (0..80).map(|row| ASKED[row % 8]).collect()
}

fn requests(texts: &[String]) -> Vec<Request<'_>> {
    texts
        .iter()
        .enumerate()
        .map(|(row, text)| Request { text, topic: Some(row % 8), weight: 1.0, vector: &[] })
        .collect()
}

fn reworded(change: impl Fn(usize, &str) -> String) -> Reworded {
    let texts: Vec<String> = (0..160).map(|row| change(row, ASKED[row % 8])).collect();
    reword(&examples(), &requests(&texts), 1)
}

fn share(found: &Reworded, holds: impl Fn(&str) -> bool) -> f64 {
    found.texts.iter().filter(|text| holds(text)).count() as f64 / found.texts.len() as f64
}

#[test]
fn copies_equal_the_examples_if_traffic_is_worded_like_them() {
    let found = reworded(|_, text| text.to_owned());
    assert_eq!(found.texts, examples());
    assert_eq!(found.habits, Habits::default());
}

#[test]
fn openings_and_fillers_are_adopted_where_and_as_often_as_traffic_has_them() {
    let found = reworded(|row, text| match row / 8 % 2 {
        0 => format!("Hey, {text}"),
        _ => format!("{text} mate"),
    });
    let words: Vec<&str> = found.habits.extra_words.iter().map(|extra| extra.word.as_str()).collect();
    assert_eq!(words, ["hey", "mate"]);
    assert!((share(&found, |text| text.starts_with("Hey, ")) - 0.5).abs() < 0.2);
    assert!((share(&found, |text| text.ends_with(" mate")) - 0.5).abs() < 0.2);
}

#[test]
fn words_of_a_new_topic_are_not_taken_for_wording() {
    let texts: Vec<String> =
        (0..160).map(|row| if row % 8 == 3 { "apply for a visa".into() } else { ASKED[row % 8].to_owned() }).collect();
    let found = reword(&examples(), &requests(&texts), 1);
    assert!(found.habits.extra_words.is_empty(), "{:?}", found.habits);
    assert_eq!(found.texts, examples());
}

#[test]
fn words_of_requests_that_resemble_each_other_are_not_taken_for_wording() {
    // Whatever the nearest examples: a word that comes with a direction of its own is a topic, one that does not is not.
    let texts: Vec<String> = (0..160)
        .map(|row| match row % 5 {
            0 => format!("locker {}", ASKED[row % 8]),
            1 => format!("hey {}", ASKED[row % 8]),
            _ => ASKED[row % 8].to_owned(),
        })
        .collect();
    let vectors: Vec<Vec<f32>> = (0..160)
        .map(|row| {
            let mut vector = vec![0.0; 9];
            vector[row % 8] = if row % 5 == 0 { 0.6 } else { 1.0 };
            vector[8] = if row % 5 == 0 { 0.8 } else { 0.0 };
            vector
        })
        .collect();
    let mut requests = requests(&texts);
    requests.iter_mut().zip(&vectors).for_each(|(request, vector)| request.vector = vector);
    let found = reword(&examples(), &requests, 1);
    let words: Vec<&str> = found.habits.extra_words.iter().map(|extra| extra.word.as_str()).collect();
    assert_eq!(words, ["hey"]);
}

#[test]
fn typos_are_made_as_often_as_traffic_makes_them() {
    for every in [2, 4] {
        let found = reworded(|row, text| match (row / 8).is_multiple_of(every) {
            true => typos::with_typo(text, &mut rng(row as u64, 9)),
            false => text.to_owned(),
        });
        let expected = 1.0 / every as f64;
        assert!((found.habits.typos - expected).abs() < 0.2, "{every}: {}", found.habits.typos);
        assert!((share(&found, |text| !ASKED.contains(&text)) - expected).abs() < 0.2);
    }
}

#[test]
fn sentences_around_a_request_leave_copies_as_they_are() {
    let found = reworded(|_, text| format!("I hope you are well. {text}. Thanks a lot!"));
    assert_eq!(found.texts, examples());
    let habits = found.habits;
    assert_eq!((habits.several_sentences, habits.example_several_sentences, habits.divided), (1.0, 0.0, 1.0));
}

#[test]
fn casing_is_adopted() {
    assert!(reworded(|_, text| text.to_uppercase()).texts.iter().all(|text| *text == text.to_uppercase()));
    assert!(share(&reworded(|_, text| format!("{text} OK")), |text| text.ends_with(" OK")) > 0.9);
}

#[test]
fn heavier_requests_lend_their_wording_more_often() {
    let texts: Vec<String> = (0..160)
        .map(|row| if row / 8 % 2 == 0 { format!("hey, {}", ASKED[row % 8]) } else { ASKED[row % 8].into() })
        .collect();
    let mut requests = requests(&texts);
    requests
        .iter_mut()
        .enumerate()
        .for_each(|(row, request)| request.weight = if row / 8 % 2 == 0 { 0.0 } else { 3.0 });
    assert_eq!(reword(&examples(), &requests, 1).texts, examples());
}

#[test]
fn nothing_is_reworded_without_examples_or_requests() {
    assert_eq!(reword(&[], &[], 1).texts, Vec::<String>::new());
    assert_eq!(reword(&["a b"], &[], 1).texts, ["a b"]);
    let empty = [
        Request { text: "", topic: None, weight: 1.0, vector: &[] },
        Request { text: "🙂", topic: None, weight: f64::NAN, vector: &[] },
    ];
    assert_eq!(reword(&["cancel it", ""], &empty, 1).texts, ["cancel it", ""]);
    assert!(reword(&[], &empty, 1).rows.is_empty());
}

#[test]
fn a_large_set_is_sampled_and_the_same_seed_gives_the_same_copies() {
    let texts: Vec<String> = (0..5_000).map(|row| format!("example number {row}")).collect();
    let many: Vec<&str> = texts.iter().map(String::as_str).collect();
    let requests: Vec<Request<'_>> =
        many.iter().map(|text| Request { text, topic: Some(0), weight: 1.0, vector: &[] }).collect();
    let found = reword(&many, &requests, 4);
    assert!(found.rows.len() == MAX_COPIES && found.rows.is_sorted());
    assert_eq!(found, reword(&many, &requests, 4));
}
