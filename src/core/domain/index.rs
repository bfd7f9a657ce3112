//! Places in lists, as types of their own: the measures hold examples, live examples, records and clusters side by side,
//! and each is known by its place.

macro_rules! indexes {
    ($($(#[$doc:meta])+ $name:ident;)+) => {$(
        $(#[$doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub usize);
    )+};
}

indexes! {
    /// An example, by its place in the dataset.
    ExampleIdx;
    /// A live example, by its place among the live ones: traffic is compared with these alone.
    LiveIdx;
    /// A record, by its place in its window.
    RecordIdx;
    /// A cluster, by its place in its book.
    ClusterIdx;
}
