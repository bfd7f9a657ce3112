use super::*;

fn texts() -> Vec<String> {
    let odd =
        ["", "🙂", "Где моя посылка?", "我的包裹在哪里", "WHERE is my parcel?", "zz[UNK] \u{0}x"].map(str::to_owned);
    let long = std::iter::once("where is my parcel ".repeat(2_500));
    let plain = (0..40).map(|n| format!("order {n} of {} is late {}", "the café ".repeat(n % 9), n * n));
    odd.into_iter().chain(long).chain(plain).collect()
}

fn bits(vectors: &[Vec<f32>]) -> Vec<Vec<u32>> {
    vectors.iter().map(|vector| vector.iter().map(|x| x.to_bits()).collect()).collect()
}

#[test]
fn every_processor_gives_the_same_bits() {
    let model = Minilm::model().unwrap();
    let texts = texts();
    let tokens = model.tokens(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    let tokens: Vec<_> = tokens.into_iter().filter(|ids| ids.len() < 60).step_by(3).collect();
    let portable = encode(Portable, model, &tokens, &mut Scratch::default());
    assert_eq!(bits(&portable), bits(&model.encode(&tokens, &mut Scratch::default())));
    #[cfg(target_arch = "x86_64")]
    if let Some(processor) = pulp::x86::V3::try_new() {
        assert_eq!(bits(&portable), bits(&encode(processor, model, &tokens, &mut Scratch::default())));
    }
}

#[test]
fn a_text_has_the_same_bits_alone_in_any_batch_and_with_any_number_of_threads() {
    let embedder = Minilm::new().unwrap();
    let texts = texts();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let together = bits(&embedder.embed(&texts).unwrap());
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        assert_eq!(bits(&pool.install(|| embedder.embed(&texts)).unwrap()), together, "{threads} threads");
    }
    for (text, vector) in texts.iter().zip(&together).step_by(5) {
        assert_eq!(&bits(&embedder.embed(&[*text]).unwrap())[0], vector, "{text:.40}");
    }
}

#[test]
fn texts_without_a_known_piece_get_zeros_and_all_others_unit_vectors() {
    let embedder = Minilm::new().unwrap();
    let texts = ["", " \n", "🙂🙂", "Где моя посылка?", "我的包裹在哪里", &"where is it ".repeat(3_400), "a"];
    let lengths: Vec<f32> = embedder.embed(&texts).unwrap().iter().map(|v| v.iter().map(|x| x * x).sum()).collect();
    assert_eq!(lengths[..3], [0.0; 3]);
    assert!(lengths[3..].iter().all(|length| (length - 1.0).abs() < 1e-5), "{lengths:?}");
}

#[test]
fn a_damaged_model_is_refused_with_what_to_do() {
    let longer: &'static [u8] = Box::leak([MODEL.as_slice(), &[0]].concat().into_boxed_slice());
    for damaged in [&MODEL[..0], &MODEL[..30], &MODEL[1..], &MODEL[..MODEL.len() - 1], longer] {
        let failure = Asset::read(damaged).err().unwrap();
        assert!(failure.message.contains("minilm") && failure.message.contains("reinstall karat"), "{failure}");
    }
    assert!(Asset::read(&MODEL).is_ok());
}

#[test]
fn batches_are_of_limited_size_and_contain_every_text_once() {
    let tokens: Vec<Vec<u32>> = [100, 26, 1, 256, 0, 126, 0].map(|count| vec![0; count]).into();
    assert_eq!(batches(&tokens), [0..2, 2..3, 3..4, 4..7]);
    assert!(batches(&[]).is_empty());
}
