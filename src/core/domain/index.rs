//! Index types. The decay measures handle examples, live examples, records and clusters side by side, each identified
//! by its index; separate types prevent mixing them up.

macro_rules! indexes {
    ($($(#[$doc:meta])+ $name:ident;)+) => {$(
        $(#[$doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub usize);
    )+};
}

indexes! {
    /// The index of an example in the dataset.
    ExampleIdx;
    /// The index of a live example among the live examples, the only ones that traffic is compared with.
    LiveIdx;
    /// The index of a record in its window.
    RecordIdx;
    /// The index of a cluster in its book.
    ClusterIdx;
}
